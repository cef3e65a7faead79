// The axes of the plane and its colour.

import { element } from "../../report/page/dom.js";
import { written } from "../../report/page/numbers.js";
import { colours, facts, metricTitle } from "./facts.js";
import { rangeOf, shownMetric } from "./frame.js";
import { change, state } from "./state.js";
import { isColoured } from "./surface.js";

export function connectControls() {
  const options = facts.metrics.map((metric) => new Option(metricTitle(metric), metric.name));
  element("metric").append(...options);
  element("metric").addEventListener("change", ({ target }) => change({ metric: target.value }));
  for (const input of document.querySelectorAll("input[name=axes]")) {
    input.addEventListener("change", () => change({ mode: input.value }));
  }
}

export function drawControls() {
  element("metric").value = state.metric;
  element(`axes-${state.mode}`).checked = true;
  const metric = shownMetric();
  const [low, high] = rangeOf(state.metric);
  const shades = metric.higher_is_better === false ? colours.toReversed() : colours;
  element("bar-low").textContent = written(low);
  element("bar-high").textContent = written(high);
  element("bar-colours").style.background = `linear-gradient(to right, ${shades.join(", ")})`;
  const better = metric.higher_is_better === null ? "" : "yellow is better";
  const models = facts.fine.length && !isColoured() ? "measured at the dots alone" : "";
  element("bar-hint").textContent = [better, models].filter(Boolean).join("; ");
}
