// The images: each above what the model makes of it; one is chosen for the views of layers.

import { element, make } from "../../report/page/dom.js";
import { drawCell, imageCanvas } from "./sheets.js";
import { change, SAMPLES, state } from "./state.js";

/** A column for each image. */
export function buildStrip() {
  element("strip").replaceChildren(...state.images.map(column));
  element("empty").hidden = state.images.length > 0;
}

function column(name, index) {
  const item = make("li");
  const choose = make("button", undefined, "choose");
  choose.type = "button";
  choose.setAttribute("aria-pressed", index === state.chosen);
  choose.append(imageCanvas(wordsFor(name)), imageCanvas("its reconstruction"));
  choose.addEventListener("click", () => change({ chosen: index }));
  const remove = make("button", "×", "remove");
  remove.type = "button";
  remove.ariaLabel = `Remove ${wordsFor(name)}`;
  remove.addEventListener("click", () => {
    const images = state.images.filter((_, other) => other !== index);
    change({ images, chosen: Math.max(0, Math.min(state.chosen, images.length - 1)) });
    element("strip").querySelector(".choose")?.focus();
  });
  item.append(choose, remove);
  return item;
}

export function wordsFor(name) {
  return name.startsWith("t") ? `test image ${name.slice(1)}` : `your picture ${name.slice(1)}`;
}

export function markChosen() {
  for (const [index, item] of [...element("strip").children].entries()) {
    item.firstChild.setAttribute("aria-pressed", index === state.chosen);
  }
}

export function drawStrip(originals, reconstructions) {
  for (const [index, item] of [...element("strip").children].entries()) {
    const [original, reconstruction] = item.querySelectorAll("canvas");
    drawCell(original, originals, index);
    drawCell(reconstruction, reconstructions, index);
  }
}

/** The same canvases are drawn anew, so that nothing flickers. */
export function drawSamples(sheet) {
  const place = element("sample-images");
  const count = Math.min(SAMPLES, sheet.columns * sheet.rows);
  while (place.children.length < count) place.append(imageCanvas(`sample ${place.children.length + 1}`));
  for (const [index, canvas] of [...place.children].entries()) drawCell(canvas, sheet, index);
}
