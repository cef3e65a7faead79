// Elements of the page. All text is set as text, never as markup.

export function element(id) {
  return document.getElementById(id);
}

/** A new element with a text and a class, both optional. */
export function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

/** Replace a table by a row of headings and rows of cells; the first cell of each row heads it. */
export function fillTable(table, headings, rows) {
  const head = make("thead");
  const body = make("tbody");
  head.append(tableRow(headings.map((text) => headingCell(text, "col"))));
  for (const [first, ...others] of rows) {
    body.append(tableRow([headingCell(first, "row"), ...others.map((text) => make("td", text))]));
  }
  table.replaceChildren(head, body);
}

function tableRow(cells) {
  const row = make("tr");
  row.append(...cells);
  return row;
}

function headingCell(text, scope) {
  const cell = make("th", text);
  cell.scope = scope;
  return cell;
}

/** A button that selects a model: it is shown as pressed while that model is selected. */
export function modelButton(run, onClick, text, className) {
  const button = make("button", text, className);
  button.type = "button";
  button.dataset.run = run;
  button.addEventListener("click", onClick);
  return button;
}
