// A path of the point, recorded and played.

import { element } from "../../report/page/dom.js";
import { settle, toBetas, toRates } from "./moves.js";
import { state } from "./state.js";

const CALM = 12; // places at most where motion is to be reduced,
const AT_EACH = 1000; // and milliseconds at each

const path = { places: [], begun: 0, recording: false, playing: 0 };

export function connectPath() {
  element("record").addEventListener("click", () => (path.recording ? stopRecording() : record()));
  element("play").addEventListener("click", () => (path.playing ? stop() : play()));
}

function record() {
  stop();
  Object.assign(path, { places: [], begun: performance.now(), recording: true });
  addPlace();
  drawButtons();
}

function stopRecording() {
  path.recording = false;
  drawButtons();
}

/** While a path is recorded, every move becomes a place on it. */
export function addPlace() {
  if (!path.recording) return;
  path.places.push({ at: performance.now() - path.begun, betas: state.betas, asked: state.asked });
}

function play() {
  stopRecording();
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const places = calm ? someOf(path.places) : path.places;
  const begun = performance.now();
  const from = places[0].at;
  const frame = () => {
    const time = performance.now() - begun + from;
    const index = Math.max(0, places.findIndex(({ at }) => at > time) - 1);
    const over = time >= places.at(-1).at;
    goOn(places[over ? places.length - 1 : index]);
    if (over) stop();
    else path.playing = setTimeout(frame, calm ? AT_EACH : 16);
  };
  path.playing = 1;
  drawButtons();
  frame();
}

/** A few places, a pause apart. */
function someOf(places) {
  const count = Math.min(CALM, places.length);
  const chosen = Array.from(
    { length: count },
    (_, index) => places[Math.round((index * (places.length - 1)) / (count - 1 || 1))],
  );
  return chosen.map((place, index) => ({ ...place, at: index * AT_EACH }));
}

function goOn({ betas, asked }) {
  if (asked) toRates(asked, { moving: true });
  else toBetas(betas, { moving: true });
}

function stop() {
  if (!path.playing) return;
  clearTimeout(path.playing);
  path.playing = 0;
  drawButtons();
  settle();
}

function drawButtons() {
  element("record").textContent = path.recording ? "■ Stop" : "● Record";
  element("record").setAttribute("aria-pressed", path.recording);
  element("play").disabled = path.recording || path.places.length < 2;
  element("play").textContent = path.playing ? "■ Stop" : "▶ Play";
}
