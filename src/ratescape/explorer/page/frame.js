// Where numbers lie in the plane: its axes, from numbers to CSS pixels and back.

import { betaName, facts, measuredAt, metricTitle, rateName } from "./facts.js";
import { mesh } from "./mesh.js";
import { state } from "./state.js";

const MARGIN = { left: 52, right: 14, top: 10, bottom: 40 };
const ROOM = 0.05; // beyond the outermost numbers, in parts of the range

/** Whether the plane has an axis for each group; else it is a metric over the total rate. */
export function isPlane() {
  return facts.groups.length === 2;
}

/** Axes and their place in an element of so many CSS pixels. */
export function frameOf(width, height) {
  const [x, y] = isPlane() ? [0, 1].map(groupAxis) : [totalAxis(), metricAxis()];
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  return { x, y, left: MARGIN.left, top: MARGIN.top, ...inner };
}

function groupAxis(group) {
  if (state.mode === "rates") {
    const most = mesh.most[group] || 1;
    return { low: -0.03 * most, high: (1 + ROOM) * most, title: `${rateName(group)}, nats per image`, log: false };
  }
  const [low, high] = facts.box[group];
  const room = (high / low) ** ROOM;
  return { low: low / room, high: high * room, title: `${betaName(group)}, the price of a nat`, log: true };
}

function totalAxis() {
  const most = Math.max(...mesh.all.map(({ rate }) => rate)) || 1;
  return { low: -0.03 * most, high: (1 + ROOM) * most, title: "total rate, nats per image", log: false };
}

/** The metric that is shown, or PSNR where that is not measured everywhere. */
export function shownMetric() {
  return facts.metrics.find(({ name }) => name === state.metric);
}

function metricAxis() {
  const [low, high] = rangeOf(state.metric);
  const room = ROOM * (high - low);
  return { low: low - room, high: high + room, title: metricTitle(shownMetric()), log: false };
}

/** The smallest and the largest number of a metric over all points. */
export function rangeOf(name) {
  const values = [...facts.points, ...facts.fine].map((point) => measuredAt(point, name)).filter(Number.isFinite);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}

function along({ low, high, log }, value) {
  return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

function valueAt({ low, high, log }, part) {
  return log ? low * (high / low) ** part : low + part * (high - low);
}

/** CSS pixels of numbers. */
export function placeOf(frame, [x, y]) {
  return [
    frame.left + frame.width * along(frame.x, x),
    frame.top + frame.height * (1 - along(frame.y, Math.max(y, frame.y.log ? 1e-12 : y))),
  ];
}

/** Numbers at CSS pixels. */
export function numbersAt(frame, [x, y]) {
  return [valueAt(frame.x, (x - frame.left) / frame.width), valueAt(frame.y, 1 - (y - frame.top) / frame.height)];
}

/** What the axes show of a point with betas and rates. */
export function coordinates(point) {
  if (isPlane()) return state.mode === "rates" ? point.rates : point.betas;
  return [point.rate, measuredAt(point, state.metric)];
}

/** Round numbers along an axis. */
export function ticksOf({ low, high, log }) {
  if (log) {
    const powers = [-3, -2, -1, 0, 1, 2, 3].flatMap((power) => [1, 3].map((digit) => digit * 10 ** power));
    return powers.filter((value) => value >= low && value <= high);
  }
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((one) => one >= rough);
  const first = Math.ceil(low / step);
  const count = Math.floor(high / step) - first + 1;
  return Array.from({ length: count }, (_, index) => Number(((first + index) * step).toPrecision(6)));
}
