// The pictures of the selected model.

import { element, make } from "./dom.js";

export function drawPictures(run) {
  const shown = [
    [run.reconstructions, "Originals above, their reconstructions below"],
    [run.samples, "Samples from the prior"],
  ].filter(([address]) => address);
  const figures = shown.map(([address, caption]) => pictureFigure(address, caption));
  if (!figures.length) figures.push(make("p", "No pictures of this model were kept.", "quiet"));
  element("pictures").replaceChildren(...figures);
}

function pictureFigure(address, caption) {
  const figure = make("figure");
  const image = make("img");
  image.alt = caption;
  image.onload = () => fitPicture(image);
  image.src = address;
  figure.append(make("figcaption", caption), image);
  return figure;
}

/** Scale a small picture up by a whole number of screen pixels, so that every pixel of it is equally large. */
function fitPicture(image) {
  const room = element("pictures").clientWidth * devicePixelRatio;
  const scale = Math.max(1, Math.floor(room / image.naturalWidth)) / devicePixelRatio;
  image.style.width = `${image.naturalWidth * scale}px`;
}

export function fitPictures() {
  for (const image of document.querySelectorAll("#pictures img")) fitPicture(image);
}
