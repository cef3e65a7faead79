// The surface: a fine grid of betas, measured on one conditioned network, beneath the models of the grid.

import { mixed } from "./colours.js";
import { data } from "./data.js";
import { hoverTexts } from "./hover.js";
import { plotlyScale } from "./look.js";
import { withUnit } from "./numbers.js";
import { state } from "./state.js";

const fine = data.fine;
const SHADES = 48; // steps of colour between which no eye sees an edge
const CORNERS = [
  [1, 1],
  [1, 0],
  [0, 0],
  [0, 1],
];

/** Whether the surface has the metric that is shown. */
export function surfaceIsColoured() {
  return Boolean(fine) && state.metric.column in fine.values;
}

/** Traces of the surface over "betas" or "rates", from back to front; none without one. */
export function fineTraces(plane, range, look) {
  if (!fine || !plane) return [];
  if (plane === "rates") return [...rateTraces(range, look), ...dashedLine(fine.equal.rates, look)];
  return surfaceIsColoured() ? [contours(range), ...dashedLine(fine.equal.betas, look)] : [];
}

/** What the mouse shows at each point: rows over beta_1 of columns over beta_2. */
function fineTexts() {
  const [across, up] = fine.beta_texts;
  return up.map((below, row) => across.map((top, column) => fineText(top, below, row, column)));
}

function fineText(top, below, row, column) {
  const numbers = fine.metrics.map(
    (metric) => `${metric.name} ${withUnit(metric, fine.values[metric.column][row][column])}`,
  );
  return [`<b>β₂ = ${top}, β₁ = ${below}</b>`, ...numbers].join("<br>");
}

/** Filled contours over the betas. */
function contours([low, high]) {
  const [x, y] = fine.betas;
  return {
    type: "contour",
    name: "fine",
    x,
    y,
    z: fine.values[state.metric.column],
    zmin: low,
    zmax: high,
    colorscale: plotlyScale(state.metric.colours),
    showscale: false,
    ...hoverTexts(fineTexts()),
    customdata: fine.nearest,
    ncontours: 12,
    contours: { coloring: "heatmap", showlabels: true, labelfont: { size: 11, color: "#ffffff" } },
    line: { width: 0.8, color: "rgba(255, 255, 255, 0.75)", smoothing: 0.6 },
  };
}

/** Coloured cells between lines of constant beta over the rates, and points that the mouse finds. */
function rateTraces(range, look) {
  const { rate_2: top, rate_1: below } = fine.values;
  const rows = { x: withGaps(top), y: withGaps(below) };
  const columns = { x: withGaps(transposed(top)), y: withGaps(transposed(below)) };
  const cells = surfaceIsColoured() ? cellTraces(range) : [];
  return [...cells, thinLine(rows, look), thinLine(columns, look), unseenPoints()];
}

/** What the mouse finds on the surface. Where a model lies, its own mark is to be found. */
function unseenPoints() {
  const { rate_2: top, rate_1: below } = fine.values;
  const taken = fine.on_grid.flat();
  return {
    type: "scatter",
    mode: "markers",
    name: "fine",
    x: top.flat().map((rate, index) => (taken[index] ? null : rate)),
    y: below.flat(),
    ...hoverTexts(fineTexts().flat()),
    customdata: fine.nearest.flat(),
    marker: { size: 7, opacity: 0 },
  };
}

/** The cells of each shade as one trace: Plotly fills what is between gaps with one colour. */
function cellTraces([low, high]) {
  const shades = Array.from({ length: SHADES }, () => ({ x: [], y: [] }));
  for (const { corners, value } of wholeCells()) {
    const shade = shades[Math.min(SHADES - 1, Math.floor((SHADES * (value - low)) / (high - low)))];
    shade.x.push(...corners.map(([x]) => x), corners[0][0], null);
    shade.y.push(...corners.map(([, y]) => y), corners[0][1], null);
  }
  return shades.map((points, index) => {
    const colour = mixed(state.metric.colours, (index + 0.5) / SHADES);
    const how = { type: "scatter", mode: "lines", fill: "toself", hoverinfo: "skip" };
    return { ...points, ...how, name: "cells", fillcolor: colour, line: { width: 0.6, color: colour } };
  });
}

/** Corners in the plane of rates and the mean value of each cell of the grid of betas that has all its numbers. */
function wholeCells() {
  const { rate_2: top, rate_1: below } = fine.values;
  const values = fine.values[state.metric.column];
  const cells = [];
  for (let row = 1; row < values.length; row++) {
    for (let column = 1; column < values[row].length; column++) {
      const at = (grid) => CORNERS.map(([up, right]) => grid[row - up][column - right]);
      const [x, y, z] = [top, below, values].map(at);
      if ([...x, ...y, ...z].includes(null)) continue;
      const value = z.reduce((sum, one) => sum + one) / z.length;
      cells.push({ corners: x.map((rate, index) => [rate, y[index]]), value });
    }
  }
  return cells;
}

function thinLine(points, look) {
  const line = { color: look.quiet, width: 0.7 };
  return { ...points, name: "mesh", type: "scatter", mode: "lines", hoverinfo: "skip", line };
}

/** The β-VAEs, on a halo. */
function dashedLine(points, look) {
  const how = { ...points, type: "scatter", mode: "lines", hoverinfo: "skip" };
  return [
    { ...how, name: "halo", line: { color: look.card, width: 3.5 } },
    { ...how, name: "beta-VAEs", line: { color: look["beta-vae"], width: 2, dash: "dash" } },
  ];
}

/** Lines one after the other, with a gap behind each. */
function withGaps(lines) {
  return lines.flatMap((line) => [...line, null]);
}

function transposed(grid) {
  return grid[0].map((_, column) => grid.map((row) => row[column]));
}
