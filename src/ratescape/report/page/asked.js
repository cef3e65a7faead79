// Rates that were asked for, and what was found.

import { data } from "./data.js";
import { element, fillTable } from "./dom.js";
import { written } from "./numbers.js";

const HEADINGS = ["β found", "layer", "asked for", "found", "off", "status", "distortion"];

export function drawAsked() {
  element("asked-card").hidden = data.answers.length === 0;
  if (!data.answers.length) return;
  element("asked-note").textContent = data.asked_note;
  fillTable(element("asked"), HEADINGS, data.answers.flatMap(answerRows));
  element("control").hidden = !data.control;
  if (data.control) element("control").src = data.control;
}

/** A row for each target; what belongs to the model stands in the first. */
function answerRows(answer) {
  return answer.outcomes.map((one, index) => [
    index ? "" : answer.beta_text,
    one.layer_text,
    written(one.wanted),
    written(one.achieved),
    one.error_text,
    one.status_text,
    index ? "" : written(answer.distortion),
  ]);
}
