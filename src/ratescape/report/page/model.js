// The selected model: what it is, what was measured of it, and how to use it.

import { data, isBetaVae, metricOf } from "./data.js";
import { element, fillTable, make } from "./dom.js";
import { collapsedTexts } from "./hover.js";
import { shownWithError } from "./numbers.js";
import { drawPictures } from "./pictures.js";
import { betterThan } from "./refined.js";
import { select, state } from "./state.js";

export function connectModel() {
  const chooser = element("chooser");
  chooser.append(...data.runs.map((run, index) => new Option(run.title, String(index))));
  chooser.addEventListener("change", () => select(Number(chooser.value)));
}

export function drawModel() {
  const run = data.runs[state.selected];
  element("model-title").textContent = run.title;
  element("chooser").value = String(state.selected);
  element("badges").replaceChildren(...badges(run));
  drawPictures(run);
  drawLayers(run);
  fillTable(element("values"), ["measured on", ...data.splits], valueRows(run));
  element("files").replaceChildren(...run.files.map((text) => make("p", `Files: ${text}`, "quiet")));
  element("better").replaceChildren(...betterThan(state.selected).flatMap(refinedUse));
  element("python").textContent = run.python;
  element("shell").textContent = run.shell;
}

/** How to use the model as it was refined, and that what follows is the one before. */
function refinedUse({ text, python }) {
  const code = make("pre", undefined, "use");
  code.append(make("code", python));
  return [make("p", text, "quiet"), code, make("p", "The model of the grid, before:", "quiet")];
}

/** What is worth saying of a model in a word. */
function badges(run) {
  const list = praise(run).map((text) => [text, "good"]);
  if (run.vae) list.push(["plain VAE", "vae"]);
  if (isBetaVae(run)) list.push(["β-VAE", "beta-vae"]);
  if (data.hulls[state.split][state.metric.column].includes(state.selected)) {
    list.push([`on the hull of ${state.metric.name}`, "hull"]);
  }
  if (run.flag) list.push(["an accuracy on samples is above its ceiling", "warn"]);
  list.push(...collapsedTexts(run).map((text) => [text, "warn"]));
  return list.map(([text, name]) => make("li", text, name));
}

/** Uses that a model is recommended for, and whether it is the best by the metric that is shown. */
function praise(run) {
  const matters = (pick) => metricOf(pick.metric).use || pick.metric === state.metric.column;
  return data.picks.filter((pick) => pick.best === run.run && matters(pick)).map((pick) => pick.praise);
}

/** Metrics of the whole model, a column for each split. */
function valueRows(run) {
  const whole = data.metrics.filter((metric) => metric.layer === null);
  const values = (metric) => data.splits.map((split) => measured(run.values[split], metric));
  return whole.map((metric) => [metric.label, ...values(metric)]);
}

/** "17.25 ± 0.04": a metric of one model on one split. */
function measured(values, metric) {
  return shownWithError(metric, values[metric.column], values.errors[metric.column]);
}

/** A column for each of few layers; else a row for each group, and one for each layer that is folded away. */
function drawLayers(run) {
  const few = data.layers <= data.few_layers && [1, data.layers].includes(data.groups.length);
  element("all-layers").hidden = few;
  if (few) {
    fillTable(element("layers"), [`layer, on ${state.split}`, ...data.names.latents], layerRows(run));
    return;
  }
  fillTable(
    element("layers"),
    [`group, on ${state.split}`, "layers", "β", "rate (nats)", "active units"],
    groupRows(run),
  );
  element("all-layers-title").textContent = `All ${data.layers} layers`;
  const [betas, ...rows] = layerRows(run);
  const headings = [betas, ...rows].map(([name]) => name);
  const layers = data.names.latents.map((name, index) => [name, ...[betas, ...rows].map((row) => row[1 + index])]);
  fillTable(element("layer-rows"), ["layer", ...headings], layers);
}

/** Betas, rates and active units of the groups, a row for each. */
function groupRows(run) {
  const values = run.values[state.split];
  return data.groups.map((group, index) => {
    const column = `rate_group_${data.groups.length - index}`;
    const rate = shownWithError({ percent: false }, values.group_rates[index], values.errors[column]);
    return [group.name, layersText(run, group), run.group_betas[index], rate, activeUnits(values, group)];
  });
}

/** The layers of a group, and how many of them have collapsed. */
function layersText(run, { latents, layers }) {
  const dead = run.collapsed.filter((layer) => layers.includes(layer)).length;
  return dead ? `${latents} (${dead} of ${layers.length} collapsed)` : latents;
}

function activeUnits({ active }, { layers }) {
  const units = layers.map((layer) => active[data.layers - layer]);
  return units.every(Number.isFinite) ? String(units.reduce((sum, one) => sum + one, 0)) : "–";
}

/** Betas, rates and metrics of single layers, a column for each layer. */
function layerRows(run) {
  const values = run.values[state.split];
  const active = run.betas.map((_, index) => String(values.active[index] ?? "–"));
  return [
    ["β", ...run.beta_texts],
    ["rate (nats)", ...values.rates.map((rate, index) => rateText(values, rate, data.layers - index))],
    ["active units", ...active],
    ...layerMetrics(values),
  ];
}

function rateText(values, rate, layer) {
  return shownWithError({ percent: false }, rate, values.errors[`rate_${layer}`]);
}

/** One row for each kind of metric that layers have. */
function layerMetrics(values) {
  const kinds = new Map();
  for (const metric of data.metrics.filter(({ layer }) => layer !== null)) {
    if (metric.column === `rate_${metric.layer}`) continue; // has a row of its own
    if (!kinds.has(metric.kind)) kinds.set(metric.kind, [metric.kind, ...Array(data.layers).fill("–")]);
    kinds.get(metric.kind)[1 + data.layers - metric.layer] = measured(values, metric);
  }
  return [...kinds.values()];
}
