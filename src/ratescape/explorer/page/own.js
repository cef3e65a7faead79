// Images to look at: of the test split, or one's own, uploaded, dropped, pasted or drawn.

import { element, make } from "../../report/page/dom.js";
import { facts } from "./facts.js";
import { buildPad, clearPad } from "./pad.js";
import { say } from "./saying.js";
import { request } from "./server.js";
import { decodedSheet, drawCell, imageCanvas } from "./sheets.js";
import { change, state } from "./state.js";
import { wordsFor } from "./strip.js";

const PAGE = 40;
const MOST = 8; // images in the strip
const INK = 280; // pixels of the side that is drawn on

let from = 0;
let inkPad;

export function connectImages() {
  element("pick").hidden = !facts.images;
  element("pick").addEventListener("click", () => openPicker(0));
  element("earlier").addEventListener("click", () => openPicker(Math.max(0, from - PAGE)));
  element("later").addEventListener("click", () => openPicker(from + PAGE));
  element("upload").addEventListener("change", ({ target }) => {
    for (const file of target.files) send(file);
    target.value = "";
  });
  element("draw").addEventListener("click", openDrawing);
  element("wipe").addEventListener("click", wipe);
  element("use-drawing").addEventListener("click", useDrawing);
  for (const button of document.querySelectorAll("dialog .close")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  connectDrops();
}

function connectDrops() {
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    for (const file of event.dataTransfer.files) send(file);
  });
  document.addEventListener("paste", (event) => {
    for (const file of event.clipboardData.files) send(file);
  });
}

/** A picture of one's own comes first in the strip, and is the one that is looked at. */
async function send(file) {
  try {
    const answer = await request(`image ${file.name ?? ""} ${Math.random()}`, "/api/images", file);
    if (answer) include(answer.id);
    say("Your picture is shown as the model sees it.");
  } catch (error) {
    say(error.message, "wrong");
  }
}

function include(name) {
  change({ images: [name, ...state.images.filter((one) => one !== name)].slice(0, MOST), chosen: 0 });
}

async function openPicker(begin) {
  try {
    const found = await request("test", `/api/test?from=${begin}&count=${PAGE}`);
    if (!found) return;
    from = begin;
    const sheet = await decodedSheet(found.sheet);
    const count = Math.min(PAGE, facts.test.count - begin);
    const buttons = Array.from({ length: count }, (_, index) => testButton(sheet, index, found.labels?.[index]));
    element("test-images").replaceChildren(...buttons);
    element("earlier").disabled = begin === 0;
    element("later").disabled = begin + PAGE >= facts.test.count;
    if (!element("picker").open) element("picker").showModal();
  } catch (error) {
    say(error.message, "wrong");
  }
}

function testButton(sheet, index, label) {
  const name = `t${from + index}`;
  const button = make("button");
  button.type = "button";
  const canvas = imageCanvas(label === null || label === undefined ? wordsFor(name) : `${wordsFor(name)}: ${label}`);
  drawCell(canvas, sheet, index);
  button.append(canvas);
  button.setAttribute("aria-pressed", state.images.includes(name));
  button.addEventListener("click", () => {
    if (state.images.includes(name)) change({ images: state.images.filter((one) => one !== name), chosen: 0 });
    else include(name);
    button.setAttribute("aria-pressed", state.images.includes(name));
  });
  return button;
}

function openDrawing() {
  const [channels, height, width] = facts.shape;
  inkPad ??= buildPad(element("ink"), {
    width: Math.round(INK * Math.min(1, width / height)),
    height: Math.round(INK * Math.min(1, height / width)),
    radius: () => (element("thickness").value * INK) / 100,
    colour: () => element("pen").value,
  });
  element("pen-label").hidden = channels === 1;
  wipe();
  element("drawing").showModal();
  element("ink").focus();
}

function wipe() {
  clearPad(inkPad, "#000000");
}

async function useDrawing() {
  element("drawing").close();
  element("ink").toBlob((blob) => send(blob), "image/png");
}
