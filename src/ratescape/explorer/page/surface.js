// The surface beneath the point: the fine grid of betas, coloured by a metric, on a canvas.

import { mixed } from "../../report/page/colours.js";
import { colours, facts, measuredAt } from "./facts.js";
import { coordinates, isPlane, placeOf, rangeOf, shownMetric } from "./frame.js";
import { mesh, vertex } from "./mesh.js";
import { state } from "./state.js";

const PARTS = 4; // that the side of a cell is cut into, so that its colours run
const CORNERS = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];

/** The colour of a number of the metric that is shown. */
export function colourOf(value) {
  if (value === null) return "transparent";
  const [low, high] = rangeOf(state.metric);
  const part = Math.min(1, Math.max(0, (value - low) / (high - low)));
  return mixed(colours, shownMetric().higher_is_better === false ? 1 - part : part);
}

/** Whether every point of the fine grid has the metric; else only the measured models are coloured. */
export function isColoured() {
  return facts.fine.length > 0 && facts.fine.every((point) => measuredAt(point, state.metric) !== null);
}

/** Draw the surface onto a canvas as large as the plane. */
export function drawSurface(canvas, frame, look) {
  const scale = devicePixelRatio;
  canvas.width = Math.round(canvas.clientWidth * scale);
  canvas.height = Math.round(canvas.clientHeight * scale);
  const drawing = canvas.getContext("2d");
  drawing.scale(scale, scale);
  if (!isPlane() || !mesh.axes) return;
  for (const corners of cells()) drawCellOf(drawing, frame, corners, look);
  drawing.lineWidth = 0.5;
  drawing.strokeStyle = look.outline;
  drawing.globalAlpha = 0.35;
  for (const corners of cells())
    outline(
      drawing,
      corners.map((point) => placeOf(frame, coordinates(point))),
    );
}

function cells() {
  const [across, up] = mesh.axes;
  const columns = Array.from({ length: across.length - 1 }, (_, index) => index);
  const rows = Array.from({ length: up.length - 1 }, (_, index) => index);
  return rows.flatMap((row) => columns.map((column) => CORNERS.map(([x, y]) => vertex([column + x, row + y]))));
}

function outline(drawing, places) {
  drawing.beginPath();
  for (const [index, [x, y]] of places.entries()) index ? drawing.lineTo(x, y) : drawing.moveTo(x, y);
  drawing.closePath();
  drawing.stroke();
}

function drawCellOf(drawing, frame, corners, look) {
  const places = corners.map((point) => placeOf(frame, coordinates(point)));
  const values = corners.map((point) => measuredAt(point, state.metric));
  const coloured = isColoured();
  const parts = coloured ? PARTS : 1;
  for (let i = 0; i < parts; i++) {
    for (let j = 0; j < parts; j++) {
      const at = CORNERS.map(([x, y]) => between(places, (i + x) / parts, (j + y) / parts));
      const value = between(
        values.map((one) => [one, 0]),
        (i + 0.5) / parts,
        (j + 0.5) / parts,
      )[0];
      const colour = coloured ? colourOf(value) : look.grid;
      Object.assign(drawing, { fillStyle: colour, strokeStyle: colour, lineWidth: 0.7 });
      outline(drawing, at);
      drawing.fill();
    }
  }
}

/** Bilinear between four pairs of numbers. */
function between([a, b, c, d], u, v) {
  const weights = [(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v];
  return [0, 1].map(
    (axis) => weights[0] * a[axis] + weights[1] * b[axis] + weights[2] * c[axis] + weights[3] * d[axis],
  );
}
