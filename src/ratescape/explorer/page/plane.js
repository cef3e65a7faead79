// The plane: axes, the surface, the measured models, the hull, and the point that is moved.

import { element } from "../../report/page/dom.js";
import { theme } from "../../report/page/look.js";
import { written } from "../../report/page/numbers.js";
import { setAll, svg } from "../../report/page/svg.js";
import { betaName, facts, measuredAt, rateName } from "./facts.js";
import { coordinates, frameOf, isPlane, placeOf, ticksOf } from "./frame.js";
import { sayNumbers } from "./saying.js";
import { state } from "./state.js";
import { colourOf, drawSurface } from "./surface.js";

const FAR = 9; // CSS pixels between what was asked and what was got that are worth a line

export const drawn = { frame: null };

/** Draw all that does not move. */
export function drawPlane() {
  const plane = element("plane");
  const look = theme();
  drawn.frame = frameOf(plane.clientWidth, plane.clientHeight);
  drawSurface(element("surface"), drawn.frame, look);
  const parts = [clip(drawn.frame), ...axes(drawn.frame), ...diagonals(drawn.frame), ...models(drawn.frame)];
  element("axes").replaceChildren(...parts);
  drawPoint();
}

function clip({ left, top, width, height }) {
  const box = svg("clipPath", { id: "inside" });
  box.append(svg("rect", { x: left, y: top, width, height }));
  return box;
}

function axes(frame) {
  const { left, top, width, height, x, y } = frame;
  const bottom = top + height;
  const parts = [svg("rect", { x: left, y: top, width, height, class: "box" })];
  for (const value of ticksOf(x)) {
    const [at] = placeOf(frame, [value, y.log ? y.low : 0]);
    parts.push(svg("line", { x1: at, x2: at, y1: bottom, y2: bottom + 4, class: "box" }));
    parts.push(svg("text", { x: at, y: bottom + 16, class: "middle" }, label(value)));
  }
  for (const value of ticksOf(y)) {
    const [, at] = placeOf(frame, [x.log ? x.low : 0, value]);
    parts.push(svg("line", { x1: left - 4, x2: left, y1: at, y2: at, class: "box" }));
    parts.push(svg("text", { x: left - 7, y: at + 4, class: "end" }, label(value)));
  }
  const [middle, centre] = [left + width / 2, top + height / 2];
  parts.push(svg("text", { x: middle, y: bottom + 33, class: "middle title" }, x.title));
  const turned = { x: -centre, y: 14, transform: "rotate(-90)", class: "middle title" };
  return [...parts, svg("text", turned, y.title)];
}

function label(value) {
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

/** Lines of equal total rate. */
function diagonals(frame) {
  if (!isPlane() || state.mode !== "rates") return [];
  const most = frame.x.high + frame.y.high;
  const totals = ticksOf({ low: most / 50, high: most, log: false });
  return totals.flatMap((total) => {
    const [[x1, y1], [x2, y2]] = [placeOf(frame, [0, total]), placeOf(frame, [total, 0])];
    const parts = [svg("line", { x1, y1, x2, y2, class: "diagonal", "clip-path": "url(#inside)" })];
    if (total < frame.y.high) parts.push(svg("text", { x: x1 + 3, y: y1 - 3, class: "small" }, label(total)));
    return parts;
  });
}

/** Measured models; those on the hull wear a second ring, as on the report's page. */
function models(frame) {
  const onHull = (point) =>
    facts.hull?.rates.some(
      (rate, index) => Math.abs(rate - point.rate) < 1e-6 && Math.abs(facts.hull.psnr[index] - point.psnr) < 1e-6,
    );
  return facts.points.flatMap((point) => {
    const at = coordinates(point);
    if (at.includes(null)) return [];
    const [cx, cy] = placeOf(frame, at);
    const dot = svg("circle", { cx, cy, r: 4.5, class: "model", fill: colourOf(measuredAt(point, state.metric)) });
    return onHull(point) ? [dot, svg("circle", { cx, cy, r: 7.5, class: "hull" })] : [dot];
  });
}

/** Draw the point where the model is, and what was asked for, where that is elsewhere. */
export function drawPoint() {
  const { frame } = drawn;
  if (!frame || !state.got) return;
  const [x, y] = placeOf(frame, coordinates({ ...state.got, betas: state.betas }));
  setAll(element("point"), { transform: `translate(${x} ${y})` });
  const asked = isPlane() && state.mode === "rates" && state.asked ? placeOf(frame, state.asked) : [x, y];
  const far = Math.hypot(asked[0] - x, asked[1] - y) > FAR;
  element("asked").style.display = element("missed").style.display = far ? "" : "none";
  setAll(element("asked"), { transform: `translate(${asked[0]} ${asked[1]})` });
  setAll(element("missed"), { x1: asked[0], y1: asked[1], x2: x, y2: y });
  sayNumbers(inWords());
}

/** The point for those who do not see it. */
export function inWords() {
  const betas = state.betas.map((beta, group) => `${betaName(group)} ${written(beta)}`);
  const rates = state.got.rates.map((rate, group) => `${rateName(group)} ${written(rate)} nats`);
  return [...betas, ...rates, `PSNR ${written(state.got.psnr)} dB`].join(", ");
}
