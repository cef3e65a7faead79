// One axis of parallel coordinates: its name, numbers, range, and the ends of the range, which keys move.

import { rangeText } from "./brush.js";
import { shown } from "./numbers.js";
import { state } from "./state.js";
import { setAll, svg } from "./svg.js";

const HIT = 28; // width of what a finger or the mouse takes an axis by, in CSS pixels
const ABOVE = 14; // from the last line of a name to its axis
const LINE = 15; // height of a line of a name
const LETTERS = 7.2; // CSS pixels of a letter of a name, about
const ENDS = ["lower end", "upper end"];

/** Elements of an axis; `moveEnd(axis, end, key)` moves an end of its range, and tells whether the key does that. */
export function axisParts(axis, moveEnd) {
  const ends = ENDS.map((name, end) => handle(axis, name, (key) => moveEnd(axis, end, key)));
  const parts = {
    node: svg("g", { class: "axis", "data-axis": axis.id }),
    name: svg("text", { class: "name" }),
    line: svg("line", { class: "rule" }),
    ticks: svg("g", { class: "ticks" }),
    range: svg("rect", { class: "range", width: 12, x: -6 }),
    hit: svg("rect", { class: "hit", width: HIT, x: -HIT / 2 }),
    ends,
  };
  parts.node.append(parts.name, parts.line, parts.range, parts.ticks, parts.hit, ...ends);
  return parts;
}

function handle(axis, name, onKey) {
  const label = `${axis.title}: ${name} of the range`;
  const node = svg("rect", {
    class: "end",
    role: "slider",
    tabindex: 0,
    "aria-label": label,
    width: 18,
    height: 6,
    x: -9,
  });
  setAll(node, { "aria-orientation": "vertical", rx: 2 });
  node.addEventListener("keydown", (event) => {
    if (onKey(event.key)) event.preventDefault();
  });
  return node;
}

/** Bring an axis to where it belongs: `place` has its x, the room to the next, its top and bottom, and a scale. */
export function placeAxis(parts, axis, place) {
  const { x, step, top, bottom, heightOf } = place;
  const { ends, ticks } = axis.scales[state.split];
  const range = state.ranges.get(axis.id);
  const [low, high] = range ?? ends;
  parts.node.setAttribute("transform", `translate(${x} 0)`);
  parts.node.classList.toggle("ranged", Boolean(range));
  setAll(parts.line, { y1: top, y2: bottom });
  setAll(parts.hit, { y: top - 10, height: bottom - top + 20 });
  setAll(parts.range, { y: heightOf(high), height: Math.max(1, heightOf(low) - heightOf(high)) });
  parts.name.replaceChildren(...nameLines(axis, step, top));
  parts.ticks.replaceChildren(...ticks.map((tick) => tickText(axis, tick, heightOf(tick))));
  for (const [end, value] of [low, high].entries()) placeEnd(parts.ends[end], axis, value, heightOf(value));
}

function placeEnd(node, axis, value, height) {
  const { ends } = axis.scales[state.split];
  setAll(node, { y: height - 3, "aria-valuemin": ends[0], "aria-valuemax": ends[1], "aria-valuenow": value });
  node.setAttribute("aria-valuetext", rangeText(axis));
}

/** The name above an axis, in as many lines as it needs, and its unit. */
function nameLines(axis, step, top) {
  const lines = namesOf(axis, step);
  return lines.map((text, index) => {
    const y = top - ABOVE - LINE * (lines.length - 1 - index);
    return svg("tspan", { x: 0, y, class: text === unitOf(axis) ? "unit" : "" }, text);
  });
}

/** CSS pixels that the name of an axis needs above it. */
export function nameHeight(axis, step) {
  return ABOVE + LINE * namesOf(axis, step).length;
}

function namesOf(axis, step) {
  const lines = wrapped(axis.title, Math.max(8, Math.floor((step - 6) / LETTERS)));
  return unitOf(axis) ? [...lines, unitOf(axis)] : lines;
}

function unitOf(axis) {
  return axis.percent ? "%" : axis.unit;
}

/** A text in lines of at most so many letters, broken between words. */
function wrapped(text, letters) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length <= letters || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function tickText(axis, tick, y) {
  const digits = axis.percent ? shown(axis, tick).replace(/\.0$/, "") : String(Number(tick.toPrecision(6)));
  return svg("text", { x: -7, y: y + 4, class: "tick" }, digits.replace("-", "−"));
}
