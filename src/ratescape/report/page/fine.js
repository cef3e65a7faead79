// The landscape in between: a fine grid of betas, measured on one conditioned network.

import { data } from "./data.js";
import { element } from "./dom.js";
import { hoverTexts } from "./hover.js";
import { plotLayout } from "./layout.js";
import { colourBar, plotlyScale, theme } from "./look.js";
import { withUnit } from "./numbers.js";
import { PLOT_OPTIONS } from "./plots.js";
import { titleWith } from "./shapes.js";

const fine = data.fine;

export function connectFine() {
  if (!fine) return;
  element("fine").hidden = false;
  element("fine-note").textContent = fine.note;
  element("fine-metric").append(...fine.metrics.map((metric) => new Option(metric.label, metric.column)));
  element("fine-metric").addEventListener("change", drawFine);
}

export function drawFine() {
  if (!fine) return;
  const look = theme();
  const metric = fine.metrics.find(({ column }) => column === element("fine-metric").value);
  const range = fine.ranges[metric.column];
  const texts = fineTexts();
  drawFinePlot("betas", { ...fine.beta_plane, colour: {} }, betaTraces(metric, range, texts, look), metric, range);
  const ratePlane = { ...fine.rate_plane, colour: { bar: true } };
  drawFinePlot("rates", ratePlane, rateTraces(metric, range, texts, look), metric, range);
}

function drawFinePlot(side, shape, drawn, metric, [low, high]) {
  const look = theme();
  const node = element(`fine-${side}`);
  const from = `from ${withUnit(metric, low)} to ${withUnit(metric, high)}`;
  element(`fine-${side}-title`).textContent = titleWith(metric, shape.title);
  node.setAttribute("aria-label", `Plot of ${metric.name}, ${shape.title}, ${from}.`);
  Plotly.react(node, drawn, plotLayout(shape, look, node), PLOT_OPTIONS);
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
function betaTraces(metric, [low, high], texts, look) {
  const [x, y] = fine.betas;
  const labels = { showlabels: true, labelfont: { size: 11, color: "#ffffff" } };
  const contours = {
    type: "contour",
    name: "fine",
    x,
    y,
    z: fine.values[metric.column],
    zmin: low,
    zmax: high,
    colorscale: plotlyScale(metric.colours),
    showscale: false,
    ...hoverTexts(texts),
    ncontours: 12,
    contours: { coloring: "heatmap", ...labels },
    line: { width: 0.8, color: "rgba(255, 255, 255, 0.75)", smoothing: 0.6 },
  };
  return [contours, ...dashedLine(fine.equal.betas, look)];
}

/** Points over the rates, joined along each beta. */
function rateTraces(metric, [low, high], texts, look) {
  const { rate_2: top, rate_1: below } = fine.values;
  const points = {
    type: "scatter",
    mode: "markers",
    name: "fine",
    x: top.flat(),
    y: below.flat(),
    ...hoverTexts(texts.flat()),
    marker: {
      size: innerWidth < 480 ? 5 : 7,
      color: fine.values[metric.column].flat(),
      cmin: low,
      cmax: high,
      colorscale: plotlyScale(metric.colours),
      line: { width: 0 },
      showscale: true,
      colorbar: colourBar({ text: metric.bar }),
    },
  };
  const rows = { x: withGaps(top), y: withGaps(below) };
  const columns = { x: withGaps(transposed(top)), y: withGaps(transposed(below)) };
  return [thinLine(rows, look), thinLine(columns, look), points, ...dashedLine(fine.equal.rates, look)];
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
    { ...how, name: "beta-VAE", line: { color: look["beta-vae"], width: 2, dash: "dash" } },
  ];
}

/** Lines one after the other, with a gap behind each. */
function withGaps(lines) {
  return lines.flatMap((line) => [...line, null]);
}

function transposed(grid) {
  return grid[0].map((_, column) => grid.map((row) => row[column]));
}
