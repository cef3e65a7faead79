// Models that were trained on alone at their own betas: marks of their own, and what refining brought.

import { data, metricOf } from "./data.js";
import { element, fillTable } from "./dom.js";
import { hoverTexts } from "./hover.js";
import { plotlyScale } from "./look.js";
import { shown, withUnit } from "./numbers.js";
import { state } from "./state.js";

const { refined } = data;

/** Traces of the refined models over "betas" or "rates" of two layers, and the ways that they went. */
export function refinedTraces(plane, range, look) {
  if (!refined.length || !plane || data.axes !== 2) return [];
  const after = refined.map((one) => (plane === "betas" ? groupBetas(one) : one.values[state.split].group_rates));
  const marks = {
    ...{ x: after.map(([x]) => x), y: after.map(([, y]) => y) },
    ...{ name: "refined", type: "scatter", mode: "markers", ...hoverTexts(refined.map(refinedText)) },
    customdata: refined.map(({ origin }) => origin),
    marker: {
      symbol: "hexagram",
      size: plane === "betas" ? 12 : 17, // there it lies upon its model's own point, which is to be seen
      color: refined.map((one) => one.values[state.split][state.metric.column]),
      ...{ cmin: range[0], cmax: range[1], colorscale: plotlyScale(state.metric.colours) },
      line: { width: 1.8, color: look.ink },
    },
  };
  return plane === "betas" ? [marks] : [way(after, look), marks];
}

/** The beta of each group. */
function groupBetas(one) {
  return data.groups.map((group) => one.betas[data.layers - group.layers[0]]);
}

/** Lines from the rates before to those after. */
function way(after, look) {
  const before = refined.map((one) => one.before[state.split].group_rates);
  const along = (axis) => after.flatMap((rates, index) => [before[index][axis], rates[axis], null]);
  const how = { name: "refining", type: "scatter", mode: "lines", hoverinfo: "skip" };
  return { x: along(0), y: along(1), ...how, line: { width: 1.6, color: look.ink } };
}

function refinedText(one) {
  const lines = [state.metric, ...metricsThatMatter()].map((metric) => `${metric.name} ${beforeAfter(one, metric)}`);
  return [`<b>${one.title}</b>`, epochs(one), ...new Set(lines)].join("<br>");
}

function epochs(one) {
  return `refined for ${one.epochs} epoch${one.epochs === 1 ? "" : "s"}`;
}

/** "before → after" of a metric. */
function beforeAfter(one, metric, split = state.split) {
  const [before, after] = [one.before, one.values].map((values) => values[split][metric.column]);
  return `${shown(metric, before)} → ${withUnit(metric, after)}`;
}

/** The metrics that decide for a use, and -ELBO. */
function metricsThatMatter() {
  return data.metrics.filter((metric) => metric.use || metric.column === "nelbo");
}

/** What refining brought to a model of the grid by a metric; nothing for one that was not refined. */
export function refinements(run, column, split) {
  const origin = data.runs.findIndex((one) => one.run === run);
  const found = refined.filter((one) => one.origin === origin);
  const kept = (one) => (one.improved.includes(column) ? "" : " (not kept: no better where models are chosen)");
  return found.map((one) => `${epochs(one)}: ${beforeAfter(one, metricOf(column), split)}${kept(one)}`);
}

/** The refined models that are better than the model of the grid that they come from, as text and what loads each. */
export function betterThan(index) {
  const better = refined.filter((one) => one.origin === index && one.improved.length > 0);
  return better.map((one) => {
    const names = (columns) => columns.map((column) => metricOf(column).name).join(", ");
    const worse = one.worsened.length ? `, and worse by ${names(one.worsened)}` : "";
    return { text: `It was ${epochs(one)}, and is then better by ${names(one.improved)}${worse}:`, python: one.python };
  });
}

export function drawRefined(split) {
  element("refined-card").hidden = refined.length === 0;
  if (!refined.length) return;
  const metrics = [...metricsThatMatter(), metricOf("rate")];
  const headings = ["model", "epochs", ...metrics.map((metric) => metric.label), "use it"];
  const rows = refined.map((one) => [
    one.title,
    String(one.epochs),
    ...metrics.map(
      (metric) =>
        `${shown(metric, one.before[split][metric.column])} → ${shown(metric, one.values[split][metric.column])}`,
    ),
    one.python,
  ]);
  element("refined-note").textContent =
    `Trained on alone at their own betas, and kept beside the landscape; before → after, on ${split}. ` +
    "Stars in the plots.";
  fillTable(element("refined"), headings, rows);
}
