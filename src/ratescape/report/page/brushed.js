// What is within the ranges on parallel coordinates: how many models, and the best of them for each use.

import { bestWithin, clearRanges, modelsWithin } from "./brush.js";
import { data } from "./data.js";
import { element, make, modelButton } from "./dom.js";
import { withUnit } from "./numbers.js";
import { select, state } from "./state.js";

const HOW =
  "Drag along an axis to keep the models in a range, or move its ends with the arrow keys; " +
  "a double click, or Escape, clears it.";

export function connectBrushed() {
  element("clear").addEventListener("click", clearRanges);
}

export function drawBrushed() {
  if (!data.many) return;
  const within = modelsWithin();
  const ranged = state.ranges.size > 0;
  element("clear").hidden = !ranged;
  element("brush-note").textContent = ranged ? countText(within.length) : HOW;
  element("brushed").replaceChildren(...(ranged ? bestWithin(within).map(bestEntry) : []));
}

function countText(count) {
  const where = ["", "in the range", "in both ranges"][state.ranges.size] ?? `in all ${state.ranges.size} ranges`;
  const best = count ? " The best of them, by the number alone, where models are chosen:" : "";
  return `${count} of ${data.runs.length} models ${count === 1 ? "is" : "are"} ${where}.${best}`;
}

function bestEntry({ index, metric, use, value }) {
  const { run, title } = data.runs[index];
  const button = modelButton(run, () => select(index));
  button.append(
    make("b", `for ${use}`),
    make("span", `${metric.name} ${withUnit(metric, value)}`),
    make("span", title, "at"),
  );
  return button;
}
