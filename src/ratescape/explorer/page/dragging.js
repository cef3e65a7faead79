// The point moved by mouse, finger, pen, wheel and keys.

import { element } from "../../report/page/dom.js";
import { facts, measuredAt } from "./facts.js";
import { coordinates, isPlane, numbersAt, placeOf } from "./frame.js";
import { mesh } from "./mesh.js";
import { settle, toBetas, toRates } from "./moves.js";
import { drawn } from "./plane.js";
import { state } from "./state.js";

const STEP = 0.01; // of an arrow key, in parts of the axis; with Shift ten times as far
const WHEEL = 0.0006; // in parts of log rate or log β, per unit of the wheel
const REST = 300; // milliseconds after the last key or turn of the wheel

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

let resting;

export function connectPlane() {
  const plane = element("plane");
  plane.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    plane.focus({ preventScroll: true });
    plane.setPointerCapture(event.pointerId);
    moveTo(event);
  });
  plane.addEventListener("pointermove", (event) => {
    if (plane.hasPointerCapture(event.pointerId)) moveTo(event);
  });
  plane.addEventListener("pointerup", settle);
  plane.addEventListener("pointercancel", settle);
  plane.addEventListener("wheel", turn, { passive: false });
  plane.addEventListener("keydown", step);
}

function moveTo(event) {
  const box = element("plane").getBoundingClientRect();
  go([event.clientX - box.left, event.clientY - box.top]);
}

/** Move to a place of the plane in CSS pixels. */
function go(place) {
  const { frame } = drawn;
  if (!isPlane()) {
    toBetas(nearestModel(place).betas, { moving: true });
    return;
  }
  const numbers = numbersAt(frame, place);
  (state.mode === "rates" ? toRates : toBetas)(numbers, { moving: true });
}

/** Over the total rate several models lie at one place: those that were measured are what a click finds. */
function nearestModel([x, y]) {
  const distance = (point) => {
    const [px, py] = placeOf(drawn.frame, coordinates(point));
    return (px - x) ** 2 + (py - y) ** 2;
  };
  const known = mesh.all.filter((point) => measuredAt(point, state.metric) !== null);
  return known.reduce((best, point) => (distance(point) < distance(best) ? point : best));
}

function step(event) {
  const arrow = ARROWS[event.key];
  if (!arrow || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const far = STEP * (event.shiftKey ? 10 : 1);
  if (facts.kind === "models" || !isPlane()) {
    stepToModel(arrow);
  } else {
    const { frame } = drawn;
    const [x, y] = placeOf(frame, state.mode === "rates" ? (state.asked ?? state.got.rates) : state.betas);
    go([x + far * arrow[0] * frame.width, y - far * arrow[1] * frame.height]);
  }
  rest();
}

/** The next measured model in the direction of an arrow. */
function stepToModel([right, up]) {
  const [x, y] = placeOf(drawn.frame, coordinates({ ...state.got, betas: state.betas }));
  const cost = (point) => {
    const [px, py] = placeOf(drawn.frame, coordinates(point));
    const ahead = (px - x) * right - (py - y) * up;
    const aside = Math.abs((px - x) * up) + Math.abs((py - y) * right);
    return ahead > 1 ? ahead + 2 * aside : Number.POSITIVE_INFINITY;
  };
  const known = mesh.all.filter((point) => measuredAt(point, state.metric) !== null);
  const best = known.reduce((one, point) => (cost(point) < cost(one) ? point : one));
  if (Number.isFinite(cost(best))) toBetas(best.betas, { moving: true });
}

/** The wheel changes the total rate, once the plane is what is used: else the page would not scroll past it. */
function turn(event) {
  if (document.activeElement !== element("plane") || facts.kind === "models") return;
  event.preventDefault();
  const factor = Math.exp(-WHEEL * event.deltaY * (event.shiftKey ? 4 : 1));
  if (state.mode === "rates")
    toRates(
      (state.asked ?? state.got.rates).map((rate) => Math.max(0.05, rate) * factor),
      { moving: true },
    );
  else
    toBetas(
      state.betas.map((beta) => beta / factor),
      { moving: true },
    );
  rest();
}

/** Keys and wheels are let go of when nothing has come for a while. */
function rest() {
  clearTimeout(resting);
  resting = setTimeout(settle, REST);
}
