// Parallel coordinates: a line for each model across axes of rates, distortion, PSNR and what decides for the uses.

import { isWithin, setRange, valueOn } from "./brush.js";
import { mixed } from "./colours.js";
import { allModels, data } from "./data.js";
import { element } from "./dom.js";
import { modelText } from "./hover.js";
import { axisParts, nameHeight, placeAxis } from "./parallel_axis.js";
import { measuredOf, select, state } from "./state.js";
import { svg } from "./svg.js";
import { hideTip, showTip } from "./tip.js";

const LEAST = 96; // CSS pixels from axis to axis: where there is less room, the plot scrolls
const MARGIN = { bottom: 22, left: 60, right: 60 };
const NEAR = 10; // CSS pixels within which the mouse finds a line
const GRAB = 14; // and an axis
const axes = data.many?.parallel ?? [];
let lines = [];
let parts = [];
let place; // of the axes, as last drawn

/** Build what stays; only to be called where there are more than two betas. */
export function connectParallel() {
  const node = element("parallel");
  lines = allModels.map(() => svg("path", { class: "line" }));
  const group = svg("g");
  group.append(...lines);
  parts = axes.map((axis) => axisParts(axis, moveEnd));
  node.append(group, ...parts.map(({ node: one }) => one));
  connectMouse(node);
}

/** Whole axes, from the left to the right, and the scale of each on the split that is shown. */
function places() {
  const node = element("parallel");
  const room = Math.max(node.parentElement.clientWidth, MARGIN.left + MARGIN.right + LEAST * (axes.length - 1));
  const height = node.parentElement.clientHeight;
  const step = (room - MARGIN.left - MARGIN.right) / (axes.length - 1);
  const x = axes.map((_, index) => MARGIN.left + step * index);
  return {
    x,
    step,
    room,
    height,
    top: Math.max(...axes.map((axis) => nameHeight(axis, step))),
    bottom: height - MARGIN.bottom,
  };
}

/** The height of a value on an axis, and the value at a height. */
function heightOf(axis, value) {
  const [low, high] = axis.scales[state.split].ends;
  return place.bottom - ((value - low) / (high - low)) * (place.bottom - place.top);
}

function valueAt(axis, y) {
  const [low, high] = axis.scales[state.split].ends;
  const part = (place.bottom - y) / (place.bottom - place.top);
  return low + Math.min(1, Math.max(0, part)) * (high - low);
}

export function drawParallel() {
  if (!data.many) return;
  place = places();
  const node = element("parallel");
  for (const [name, value] of [
    ["width", place.room],
    ["height", place.height],
  ])
    node.setAttribute(name, value);
  const order = [...allModels].sort((one, other) => rank(one) - rank(other)); // what matters lies on top
  for (const index of allModels) drawLine(index);
  lines[0].parentNode.append(...order.map((index) => lines[index]));
  for (const [index, axis] of axes.entries()) {
    placeAxis(parts[index], axis, { ...place, x: place.x[index], heightOf: (value) => heightOf(axis, value) });
  }
}

function rank(index) {
  if (index === state.selected) return 2;
  return isWithin(index) ? 1 : 0;
}

function drawLine(index) {
  const [low, high] = data.ranges[state.split][state.metric.column];
  const value = measuredOf(data.runs[index]);
  const line = lines[index];
  line.setAttribute("d", pathOf(data.runs[index]));
  line.style.stroke = value === null ? "" : mixed(state.metric.colours, Math.min(1, (value - low) / (high - low)));
  line.classList.toggle("outside", !isWithin(index));
  line.classList.toggle("selected", index === state.selected);
}

/** A line from axis to axis; a gap where something was not measured. */
function pathOf(run) {
  let broken = true;
  return axes
    .map((axis, index) => {
      const value = valueOn(axis, run);
      if (value === null) {
        broken = true;
        return "";
      }
      const command = `${broken ? "M" : "L"}${place.x[index].toFixed(1)} ${heightOf(axis, value).toFixed(1)}`;
      broken = false;
      return command;
    })
    .join("");
}

/** The model whose line is nearest to a point; null where none is near. Models outside a range are not found. */
function nearest(x, y) {
  const left = Math.min(axes.length - 2, Math.max(0, Math.floor((x - MARGIN.left) / place.step)));
  const along = (x - place.x[left]) / place.step;
  let found = null;
  let least = NEAR;
  for (const index of allModels.filter(isWithin)) {
    const [a, b] = [left, left + 1].map((which) => valueOn(axes[which], data.runs[index]));
    if (a === null || b === null) continue;
    const [from, to] = [heightOf(axes[left], a), heightOf(axes[left + 1], b)];
    const slope = Math.hypot(1, (to - from) / place.step);
    const distance = Math.abs(y - from - along * (to - from)) / slope;
    if (distance < least) [found, least] = [index, distance];
  }
  return found;
}

/** A drag along an axis draws a range; a click selects the nearest line; a double click clears an axis. */
function connectMouse(node) {
  let drag = null;
  let dragged = false; // whether the click that comes now is the end of a drag, which selects nothing
  node.addEventListener("pointerdown", (event) => {
    const { x, y } = pointOf(node, event);
    const axis = axisAt(x);
    dragged = false;
    if (!axis || event.button !== 0) return;
    drag = { axis, from: fixedEnd(axis, y), moved: false, start: y };
    node.setPointerCapture(event.pointerId);
  });
  node.addEventListener("pointermove", (event) => {
    const { x, y } = pointOf(node, event);
    if (drag) dragTo(drag, y);
    else hover(node, event, x, y);
  });
  const end = () => {
    const ended = drag;
    drag = null;
    dragged = Boolean(ended?.moved);
    if (dragged) setRange(ended.axis.id, state.ranges.get(ended.axis.id));
  };
  node.addEventListener("pointerup", end);
  node.addEventListener("pointercancel", end);
  node.addEventListener("pointerleave", hideTip);
  node.addEventListener("click", (event) => {
    const { x, y } = pointOf(node, event);
    const index = dragged ? null : nearest(x, y);
    if (index !== null) select(index);
  });
  node.addEventListener("dblclick", (event) => {
    const axis = axisAt(pointOf(node, event).x);
    if (axis) setRange(axis.id, null);
  });
}

function pointOf(node, event) {
  const box = node.getBoundingClientRect();
  return { x: event.clientX - box.x, y: event.clientY - box.y };
}

function axisAt(x) {
  return axes.find((_, index) => Math.abs(place.x[index] - x) <= GRAB);
}

/** Where a drag that begins at a height has its other end: a range that is taken at one end keeps the other. */
function fixedEnd(axis, y) {
  const ends = (state.ranges.get(axis.id) ?? []).map((value) => heightOf(axis, value));
  const taken = ends.findIndex((end) => Math.abs(end - y) < NEAR);
  return taken < 0 ? y : ends[1 - taken];
}

/** The range from where a drag began to where it is; the other plots follow when it ends. */
function dragTo(drag, y) {
  if (Math.abs(y - drag.start) < 4 && !drag.moved) return;
  drag.moved = true;
  const ends = [drag.from, y].map((one) => valueAt(drag.axis, one));
  setRange(drag.axis.id, [Math.min(...ends), Math.max(...ends)], false);
  drawParallel();
}

function hover(node, event, x, y) {
  const index = nearest(x, y);
  node.classList.toggle("found", index !== null || axisAt(x) !== undefined);
  if (index === null) hideTip();
  else showTip(event, modelText(data.runs[index]));
}

/** Move one end of an axis's range by a key; false for keys that mean nothing here. */
function moveEnd(axis, end, key) {
  const { ends } = axis.scales[state.split];
  const range = [...(state.ranges.get(axis.id) ?? ends)];
  const moved = movedBy(key, range[end], ends);
  if (moved === undefined) return false;
  if (moved === null) return clearAxis(axis);
  const limits = end ? [range[0], ends[1]] : [ends[0], range[1]];
  range[end] = Math.min(limits[1], Math.max(limits[0], moved));
  const whole = range[0] <= ends[0] && range[1] >= ends[1];
  setRange(axis.id, whole ? null : range);
  return true;
}

function clearAxis(axis) {
  setRange(axis.id, null);
  return true;
}

/** Where a key moves a value: null for away with the range, undefined for keys that move nothing. */
function movedBy(key, value, [low, high]) {
  const steps = { ArrowUp: 0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowLeft: -0.02, PageUp: 0.1, PageDown: -0.1 };
  if (key in steps) return value + steps[key] * (high - low);
  return { Home: low, End: high, Escape: null, Delete: null }[key];
}
