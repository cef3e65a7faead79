// What is drawn in a plot, from back to front.

import { isWithin, opacities } from "./brush.js";
import { allModels, data, isBetaVae } from "./data.js";
import { fineTraces } from "./fine.js";
import { answerText, hoverTexts, modelText } from "./hover.js";
import { colourBar, plotlyScale } from "./look.js";
import { refinedTraces } from "./refined.js";
import { state } from "./state.js";

/** All traces of a plot; `size` is that of a model's mark in pixels. */
export function traces(shape, size, look) {
  const hull = data.hulls[state.split][(shape.metric ?? state.metric).column];
  return [
    ...fineTraces(shape.surface, shape.colour.range, look),
    ...askedTraces(shape.asked ?? [], look),
    ...(shape.joined ? [hullLine(shape, hull, look)] : []),
    ...(shape.ceilings ? [ceilings(shape, look)] : []),
    ...(shape.means && !shape.hollow ? [means(shape, look)] : []),
    models(shape, size, look),
    crosses(shape.crosses ?? { x: [], y: [] }, look),
    ...(shape.flagged ? [flagged(shape, look)] : []),
    ...rings(shape, size, hull, look),
    ...refinedTraces(shape.surface, shape.colour.range, look),
  ];
}

/** A trace of marks that the mouse does not see. */
function marks(name, points, marker) {
  return { ...points, name, type: "scatter", mode: "markers", hoverinfo: "skip", marker };
}

function pointsAt({ points }, indices) {
  return { x: indices.map((index) => points.x[index]), y: indices.map((index) => points.y[index]) };
}

function models(shape, size, look) {
  const { values, range, colours, bar } = shape.colour;
  let symbol = shape.seeds ? "square" : "circle";
  if (shape.hollow) symbol = "circle-open";
  const marker = {
    size,
    symbol,
    color: values,
    cmin: range[0],
    cmax: range[1],
    colorscale: plotlyScale(colours),
    opacity: opacities(),
    line: markLine(shape, look),
  };
  if (bar) Object.assign(marker, { showscale: true, colorbar: colourBar(bar) });
  const how = { name: "models", type: "scatter", mode: "markers", customdata: allModels };
  return { ...shape.points, ...how, ...hoverTexts(data.runs.map(modelText)), ...errorBars(shape, look), marker };
}

/** Bars of one standard error up and down; nothing where none was measured. */
function errorBars({ errors }, look) {
  if (!errors?.some((error) => error !== null)) return {};
  const array = errors.map((error, index) => (isWithin(index) ? (error ?? undefined) : undefined));
  return { error_y: { type: "data", array, thickness: 1.2, width: 3, color: look.quiet } };
}

/** The line around a mark. Models on the surface have its colours: a line tells them from it. */
function markLine(shape, look) {
  if (shape.seeds) return { width: 0 };
  if (shape.hollow) return { width: 2.2 };
  return data.fine && shape.surface ? { width: 1.6, color: look.ink } : { width: 0.6, color: look.outline };
}

function hullLine(shape, hull, look) {
  const line = { color: look.hull, width: 1.3, dash: "dot" };
  const how = { type: "scatter", mode: "lines", hoverinfo: "skip", opacity: 0.7 };
  return { ...pointsAt(shape, hull), name: "hull line", ...how, line };
}

function ceilings(shape, look) {
  const marker = { symbol: "line-ew-open", size: 9, line: { width: 1.5 }, color: look.quiet };
  return marks("ceilings", { x: shape.points.x, y: shape.ceilings }, marker);
}

/** What was read off the means, beside what was read off samples. */
function means(shape, look) {
  const marker = { symbol: "circle-open", size: 7, line: { width: 1.5 }, color: look.quiet };
  return marks("means", { x: shape.points.x, y: shape.means }, marker);
}

function crosses(points, look) {
  const marker = { symbol: "x-thin", size: 11, line: { width: 2, color: look.quiet } };
  const hover = { hovertemplate: "training diverged<extra></extra>" };
  return { ...points, name: "diverged", type: "scatter", mode: "markers", ...hover, marker };
}

function flagged(shape, look) {
  const marker = { symbol: "x-thin", size: 11, line: { width: 3, color: look["beta-vae"] } };
  return marks("flagged", pointsAt(shape, shape.flagged), marker);
}

/** Rings around the models that stand out; radii differ so that one point can wear several. */
function rings(shape, size, hull, look) {
  const base = shape.seeds ? Math.min(13, size * 0.55) : size;
  const betaVaes = allModels.filter((index) => isBetaVae(data.runs[index]));
  const vaes = allModels.filter((index) => data.runs[index].vae);
  const round = (name, indices, wider, colour) =>
    ring(
      name,
      pointsAt(shape, indices.filter(isWithin)),
      { symbol: "circle-open", size: base + wider, colour, width: 2 },
      look,
    );
  const chosen = shape.seeds ? { symbol: "square-open", size } : { symbol: "circle-open", size: base + 16 };
  const selected = ring(
    "selected",
    pointsAt(shape, [state.selected]),
    { ...chosen, colour: look.accent, width: 3 },
    look,
  );
  if (shape.plain) return selected;
  return [
    ...round("hull", hull, 9, look.hull),
    ...round("beta-VAE", betaVaes, 2, look["beta-vae"]),
    ...round("VAE", vaes, 2, look.vae),
    ...selected,
  ];
}

/** A ring on a halo, so that it is seen on any colour. */
function ring(name, points, { symbol, size, colour, width }, look) {
  const trace = (label, color, line) => marks(label, points, { symbol, size, color, line: { width: line, color } });
  return [trace(`${name} halo`, look.card, width + 2.5), trace(name, colour, width)];
}

/** Rates asked for, rates found, and a line from the one to the other. */
function askedTraces(asked, look) {
  if (!asked.length) return [];
  const texts = hoverTexts(asked.map(({ answer }) => answerText(data.answers[answer])));
  const ends = (name, key, symbol, size) => ({
    ...{ x: asked.map((one) => one[key][0]), y: asked.map((one) => one[key][1]) },
    ...{ name, type: "scatter", mode: "markers" },
    ...texts,
    marker: { symbol, size, color: look.ink, line: { width: 2, color: look.ink } },
  });
  const between = (axis) => asked.flatMap(({ wanted, found }) => [wanted[axis], found[axis], null]);
  const how = { name: "way", type: "scatter", mode: "lines", hoverinfo: "skip" };
  const way = { x: between(0), y: between(1), ...how, line: { width: 1.2, color: look.ink } };
  return [way, ends("asked for", "wanted", "diamond-open", 13), ends("found", "found", "x-thin", 8)];
}
