// The pictures of the selected model: strips of images, enlarged by whole factors and broken into lines that fit.

import { data } from "./data.js";
import { element, make } from "./dom.js";

const SIDE = 96; // CSS pixels that an image is at least wide, where there is room
const FEW_GROUPS = 4;
const LEAST_SIDE = 80; // and where that puts all images into one line

export function drawPictures(run) {
  const figures = figuresOf([
    [run.reconstructions, "Originals above, their reconstructions below"],
    [run.samples, "Samples from the prior"],
  ]);
  if (!figures.length && !data.vectors) figures.push(make("p", "No pictures of this model were kept.", "quiet"));
  element("pictures").replaceChildren(...figures);
  drawByGroup(run);
  fitPictures();
}

/** What each group of layers adds: open at first where there are few. */
function drawByGroup(run) {
  const rows = data.groups.map(({ name }, index) => (index ? `with ${name}` : `${name} alone`)).join("; ");
  const [reconstructions, samples] = run.by_group ?? [];
  const figures = figuresOf([
    [reconstructions, `Rows: originals; reconstructions from ${rows}; the groups below at their prior's mode`],
    [samples, `Rows: samples drawn from ${rows}; the groups below at their prior's mode`],
  ]);
  const fold = element("by-group");
  if (fold.hidden) fold.open = data.groups.length <= FEW_GROUPS;
  fold.hidden = figures.length === 0;
  element("group-pictures").replaceChildren(...figures);
}

function figuresOf(shown) {
  return shown.filter(([address]) => address).map(([address, caption]) => pictureFigure(address, caption));
}

function pictureFigure(address, caption) {
  const figure = make("figure");
  const lines = make("div", undefined, "lines");
  const image = make("img");
  image.alt = caption;
  image.onload = () => fitLines(lines);
  image.src = address;
  lines.append(lineOf(image));
  figure.append(make("figcaption", caption), lines);
  return figure;
}

/** A line of images is a window onto the whole strip. */
function lineOf(image) {
  const line = make("div", undefined, "line");
  line.append(image);
  return line;
}

/** Show a strip as lines of equally many images, each image pixel a square of whole screen pixels. */
function fitLines(lines) {
  const first = lines.querySelector("img");
  if (!first.naturalWidth) return; // not loaded yet
  const room = element("pictures").clientWidth; // also of those that are folded away
  const side = data.picture_width ?? first.naturalWidth;
  const scale = factor(side, first.naturalWidth, room);
  const count = Math.round(first.naturalWidth / side);
  const fitting = Math.max(1, Math.floor(room / (side * scale)));
  const across = Math.ceil(count / Math.ceil(count / fitting));
  const offsets = Array.from({ length: Math.ceil(count / across) }, (_, index) => index * across);
  while (lines.children.length > offsets.length) lines.lastChild.remove();
  while (lines.children.length < offsets.length) lines.append(lineOf(copyOf(first)));
  for (const [index, offset] of offsets.entries()) {
    const image = lines.children[index].firstChild;
    lines.children[index].style.width = `${Math.min(across, count - offset) * side * scale}px`;
    image.style.width = `${first.naturalWidth * scale}px`;
    image.style.marginLeft = `${-offset * side * scale}px`;
  }
}

/** CSS pixels for a pixel of an image: whole pixels of the screen. */
function factor(side, whole, room) {
  const enlarged = (least) => Math.max(1, Math.ceil((least * devicePixelRatio) / side)) / devicePixelRatio;
  const smaller = enlarged(LEAST_SIDE);
  return whole * enlarged(SIDE) > room && whole * smaller <= room ? smaller : enlarged(SIDE);
}

/** The same strip once more, which a screen reader need not name again. */
function copyOf(image) {
  const copy = image.cloneNode();
  copy.alt = "";
  return copy;
}

export function fitPictures() {
  for (const lines of document.querySelectorAll(".pictures .lines")) fitLines(lines);
}
