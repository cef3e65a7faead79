// What to show: the metric, the split, and the scale of colour that belongs to them.

import { data, metricOf } from "./data.js";
import { element, make } from "./dom.js";
import { surfaceIsColoured } from "./fine.js";
import { shown } from "./numbers.js";
import { change, state } from "./state.js";

export function connectControls() {
  const metric = element("metric");
  metric.append(...metricOptions());
  metric.addEventListener("change", () => change({ metric: metricOf(metric.value) }));
  element("splits").append(...data.splits.map(splitChoice));
}

function splitChoice(split) {
  const label = make("label");
  const input = make("input");
  Object.assign(input, { type: "radio", name: "split", value: split, checked: split === state.split });
  input.addEventListener("change", () => change({ split }));
  label.append(input, split);
  return label;
}

/** The metrics to choose from: those of the whole model, then those of each layer. */
function metricOptions() {
  const layers = [...new Set(data.metrics.map((metric) => metric.layer))];
  return layers.length === 1 ? optionsOf(layers[0]) : layers.map(optionGroup);
}

function optionGroup(layer) {
  const group = make("optgroup");
  group.label = layer === null ? "the whole model" : `what ${data.names.latents[data.layers - layer]} holds`;
  group.append(...optionsOf(layer));
  return group;
}

function optionsOf(layer) {
  const metrics = data.metrics.filter((metric) => metric.layer === layer);
  return metrics.map((metric) => new Option(metric.label, metric.column));
}

export function drawControls() {
  const { metric } = state;
  const [low, high] = data.ranges[state.split][metric.column].map((value) => shown(metric, value));
  const hint = metric.higher_is_better === null ? "" : "yellow is better";
  element("bar-low").textContent = low;
  element("bar-high").textContent = high;
  element("bar-colours").style.background = `linear-gradient(to right, ${metric.colours.join(", ")})`;
  element("bar-hint").textContent = [metric.unit, hint].filter(Boolean).join("; ");
  element("bar").setAttribute("aria-label", `Colour scale of ${metric.label}, from ${low} to ${high}`);
  const gridOnly = data.fine && !surfaceIsColoured() ? data.fine.grid_only : "";
  element("explanation").textContent = [metric.explanation, gridOnly].filter(Boolean).join(" ");
}
