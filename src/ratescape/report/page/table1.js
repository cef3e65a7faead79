// Table 1 of the paper: the best accuracy by classifier and layer; an entry selects its model.

import { data, indexOfRun } from "./data.js";
import { element, fillTable, modelButton } from "./dom.js";
import { select } from "./state.js";

export function drawTable1() {
  element("table1-card").hidden = !data.table1;
  if (!data.table1) return;
  const { classifiers, means, cells, caption } = data.table1;
  element("table1-note").textContent =
    `${caption} Click one to select its model; those of the selected model are highlighted.`;
  const empty = means.map((mean) => [mean, ...classifiers.map(() => "–")]);
  fillTable(element("table1"), ["features", ...classifiers], empty);
  const { rows } = element("table1").tBodies[0];
  for (const [i, line] of cells.entries()) {
    for (const [j, cell] of line.entries()) {
      if (cell) rows[i].cells[j + 1].replaceChildren(accuracyButton(cell));
    }
  }
}

function accuracyButton({ run, value }) {
  const index = indexOfRun(run);
  const button = modelButton(run, () => select(index), value === null ? "–" : value.toFixed(2));
  button.title = data.runs[index].title;
  return button;
}
