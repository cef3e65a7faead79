// Images from the server: one PNG that holds many, cut apart onto canvases.

import { make } from "../../report/page/dom.js";

const GAP = 2; // pixels of the screen between images of a sheet

/** A sheet with its pixels decoded. */
export async function decodedSheet(sheet) {
  const bytes = Uint8Array.from(atob(sheet.png), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  return { ...sheet, bitmap };
}

/** Draw one image of a sheet, pixel for pixel: the style makes it larger. */
export function drawCell(canvas, { bitmap, columns, cell: [height, width] }, index) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const [x, y] = [(index % columns) * width, Math.floor(index / columns) * height];
  canvas.getContext("2d").drawImage(bitmap, x, y, width, height, 0, 0, width, height);
}

export function imageCanvas(label) {
  const canvas = make("canvas", undefined, "pixels");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  return canvas;
}

/** Columns that images are broken into where they would be tiny side by side. */
function columnsFor({ columns, rows, cell: [, width] }, room) {
  let across = columns;
  while (rows === 1 && across > 4 && room / across - GAP < 2 * width) across = Math.ceil(across / 2);
  return across;
}

/** A figure with all images of a sheet, enlarged by a whole factor that fits into so many CSS pixels. */
export function sheetFigure(sheet, title, room, most = 84) {
  const { bitmap, columns, rows, cell } = sheet;
  const [height, width] = cell;
  const across = columnsFor(sheet, room);
  const fitting = Math.floor(Math.min((room / across - GAP) / width, most / Math.max(width, height)));
  const scale = Math.max(1, fitting);
  const figure = make("figure", undefined, "sheet");
  const canvas = imageCanvas(title);
  const [right, down] = [width * scale + GAP, height * scale + GAP];
  canvas.width = across * right - GAP;
  canvas.height = Math.ceil((columns * rows) / across) * down - GAP;
  const drawing = canvas.getContext("2d");
  drawing.imageSmoothingEnabled = false;
  for (let index = 0; index < columns * rows; index++) {
    const [x, y] = [(index % columns) * width, Math.floor(index / columns) * height];
    const target = [(index % across) * right, Math.floor(index / across) * down, width * scale, height * scale];
    drawing.drawImage(bitmap, x, y, width, height, ...target);
  }
  figure.append(make("figcaption", title), canvas);
  return figure;
}
