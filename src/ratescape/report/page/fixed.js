// What does not change while the page is open: facts, warnings, notes, and where the numbers come from.

import { data } from "./data.js";
import { element, make } from "./dom.js";
import { shapes } from "./shapes.js";
import { drawSurfaceNote } from "./surface.js";

const WHOLE = ["vectors", "uses", "anomalies"]; // pictures of the landscape, whichever model is selected
const WARNINGS = 8; // of many more, the rest is folded away

export function drawFixed() {
  drawFacts();
  drawWarnings();
  drawProvenance();
  drawNotes();
  drawWhole();
}

function drawWhole() {
  for (const name of WHOLE) {
    element(name).hidden = !data[name];
    if (data[name]) element(name).src = data[name];
  }
  element("whole-card").hidden = WHOLE.every((name) => !data[name]);
}

function drawFacts() {
  let depth = "many";
  if (data.layers === 1) depth = "one";
  else if (data.layers === 2) depth = data.fine ? "fine" : "two";
  else if (data.axes === 2) depth = "pair";
  else if (data.many) depth = "groups";
  document.body.classList.add(depth);
  element("facts").textContent = data.facts.join(" · ");
  const count = data.warnings.length;
  if (!count) return;
  const link = make("a", count === 1 ? "1 warning" : `${count} warnings`);
  link.href = "#warnings";
  element("facts").append(" · ", link);
}

function drawWarnings() {
  element("alarms").hidden = data.alarms.length === 0;
  element("alarms").append(...data.alarms.map((line) => make("li", line)));
  element("warnings").hidden = data.warnings.length === 0;
  const items = data.warnings.map((line) => make("li", line));
  const shown = items.length > WARNINGS + 2 ? WARNINGS : items.length;
  element("warning-list").append(...items.slice(0, shown));
  element("more-warnings").hidden = shown === items.length;
  element("more-warnings-title").textContent = `${items.length - shown} more`;
  element("more-warning-list").append(...items.slice(shown));
}

function drawProvenance() {
  for (const [name, value] of Object.entries(data.provenance)) {
    element("provenance").append(make("dt", name.replaceAll("_", " ")), make("dd", value));
  }
  element("spec").textContent = data.spec;
}

function drawNotes() {
  const further = { total: "total" in shapes, ceiling: Boolean(data.ceiling_plane), surface: Boolean(data.surface) };
  for (const [name, drawn] of Object.entries(further)) element(`${name}-figure`).hidden = !drawn;
  const count = Object.values(further).filter(Boolean).length;
  element("more").hidden = count === 0;
  element("more").classList.toggle("single", count === 1);
  element("more").classList.toggle("three", count === 3);
  element("fine-note").hidden = !data.fine;
  element("fine-note").textContent = data.fine?.note ?? "";
  element("many").hidden = !data.many;
  const right = Object.keys(shapes).includes("total") ? (data.many?.simplex?.note ?? "") : data.total_plane.note;
  element("right-note").textContent = data.many ? right : "";
  document.body.style.setProperty("--panels", data.many ? data.groups.length - 1 : 1);
  element("plots").classList.toggle("large", data.many !== null && data.groups.length > 4);
  element("total-note").textContent = data.total_plane.note;
  element("ceiling-note").textContent = data.ceiling_plane?.note ?? "";
  drawSurfaceNote();
}
