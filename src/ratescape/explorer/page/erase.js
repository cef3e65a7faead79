// Erase with a brush, and see what the model puts there.

import { element } from "../../report/page/dom.js";
import { facts } from "./facts.js";
import { buildPad, clearPad } from "./pad.js";
import { imageName } from "./panels.js";
import { say } from "./saying.js";
import { request } from "./server.js";
import { decodedSheet, drawCell, sheetFigure } from "./sheets.js";
import { state } from "./state.js";

const FILLED = { seen: "as the model sees it", mean: "mean of several", spread: "their spread", restored: "filled" };

const MISSING = "#e8801c"; // seen on dark and on bright images

let pad;
let erasedFrom = "";

export function connectErase() {
  const [, height, width] = facts.shape;
  const canvas = element("mask");
  canvas.parentNode.style.aspectRatio = `${width} / ${height}`;
  pad = buildPad(canvas, { width, height, radius: brush, colour: () => MISSING, drawn: fillIn });
  element("unerase").addEventListener("click", startAnew);
}

/** Radius of the brush in pixels of the image. */
function brush() {
  return (element("brush").value * facts.shape[2]) / 100;
}

/** The image to erase from: the canvas beneath the mask. */
export async function showErased() {
  if (state.tab !== "erase" || state.moving || !imageName()) return;
  try {
    const body = () => ({ betas: state.betas, images: [imageName()], samples: 0, seed: 0, want: ["reconstructions"] });
    const view = await request("erased", "/api/view", body);
    if (!view) return;
    drawCell(element("erased"), await decodedSheet(view.originals), 0);
    if (erasedFrom !== imageName()) startAnew();
    else await fillIn();
  } catch (error) {
    say(error.message, "wrong");
  }
}

function startAnew() {
  erasedFrom = imageName();
  clearPad(pad);
  element("restored").replaceChildren();
}

/** Send the mask, white where the image is missing. */
async function fillIn() {
  if (!isErased()) return;
  element("restored").setAttribute("aria-busy", "true");
  try {
    const found = await request("restore", "/api/restore", () => ({
      betas: state.betas,
      image: imageName(),
      mask: maskAsPng(),
      seed: state.seed,
    }));
    if (found) await show(found);
  } catch (error) {
    say(error.message, "wrong");
  }
  element("restored").removeAttribute("aria-busy");
}

function isErased() {
  const { data } = pad.canvas.getContext("2d").getImageData(0, 0, pad.canvas.width, pad.canvas.height);
  return data.some((value) => value > 0);
}

function maskAsPng() {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: pad.canvas.width, height: pad.canvas.height });
  const drawing = canvas.getContext("2d");
  drawing.drawImage(pad.canvas, 0, 0);
  for (const [how, colour] of [
    ["source-in", "#ffffff"],
    ["destination-over", "#000000"],
  ]) {
    Object.assign(drawing, { globalCompositeOperation: how, fillStyle: colour });
    drawing.fillRect(0, 0, canvas.width, canvas.height);
  }
  return canvas.toDataURL("image/png").split(",")[1];
}

async function show(found) {
  const names = Object.keys(FILLED).filter((name) => found[name]);
  const sheets = await Promise.all(names.map((name) => decodedSheet(found[name])));
  const figures = sheets.map((sheet, index) =>
    sheetFigure(sheet, FILLED[names[index]], element("restored").clientWidth, 84),
  );
  element("restored").replaceChildren(...figures);
}
