// The surface in three dimensions.

import { allModels, data, indexOfRun, metricOf } from "./data.js";
import { element, make } from "./dom.js";
import { hoverTexts, modelText } from "./hover.js";
import { plainLayout, plotlyScale, theme } from "./look.js";
import { selectOnClick } from "./navigation.js";
import { measuredOf, state } from "./state.js";

/** Whether its axes are the three uses (Fig. 1); else they are the layer rates and a metric (Fig. 3). */
const threeUses = Boolean(data.surface?.axes);
const CORNER_NAMES = ["both β small", "β₂ large", "β₁ large", "both large"];
const FIXED_VIEW = { displayModeBar: false, responsive: false, scrollZoom: false };
let inView = false;

/** Three dimensions cost time without a graphics card: they are drawn when they are looked at. */
export function watchSurface() {
  if (!data.surface) return;
  const observer = new IntersectionObserver(([entry]) => {
    inView = entry.isIntersecting;
    drawSurface();
  });
  observer.observe(element("surface"));
}

export function drawSurface() {
  const title = `${state.metric.name} over the layer rates`;
  element("surface-title").textContent = threeUses ? "Three uses at once; colour: the multipliers β" : title;
  if (!data.surface || !inView) return;
  const look = theme();
  const node = element("surface");
  const fresh = !node.classList.contains("js-plotly-plot");
  const axes = surfaceAxes();
  Plotly.react(node, surfaceTraces(axes, look), surfaceLayout(axes, look, node), FIXED_VIEW);
  if (fresh) selectOnClick(node);
}

/** Three coordinates of every model, and what the axes say. */
function surfaceAxes() {
  const along = (metric) => ({
    values: data.runs.map((run) => measuredOf(run, metric.column)),
    title: metric.axis,
    percent: metric.percent,
  });
  if (threeUses) return data.surface.axes.map(metricOf).map(along);
  const rate = (index) => ({
    values: data.runs.map((run) => run.values[state.split].rates[index]),
    title: `${data.names.rates[index]}, nats`,
  });
  return [rate(0), rate(1), along(state.metric)];
}

function surfaceTraces(axes, look) {
  const [x, y, z] = axes.map((axis) => axis.values);
  const whole = (index) => axes.every((axis) => axis.values[index] !== null);
  return [mesh({ x, y, z }, whole), surfacePoints({ x, y, z }, look), surfaceMarks({ x, y, z }, whole, look)];
}

function mesh(points, whole) {
  const corners = data.surface.triangles.filter((corner) => corner.every(whole));
  const [i, j, k] = [0, 1, 2].map((which) => corners.map((corner) => corner[which]));
  const colours = threeUses
    ? { vertexcolor: data.surface.colours }
    : { intensity: points.z, colorscale: plotlyScale(state.metric.colours), showscale: false };
  const light = { flatshading: true, lighting: { ambient: 0.75, diffuse: 0.45, specular: 0.05 } };
  return { type: "mesh3d", name: "surface", ...points, i, j, k, ...colours, hoverinfo: "skip", ...light };
}

function surfacePoints(points, look) {
  const colours = threeUses
    ? { color: data.surface.colours }
    : { color: points.z, colorscale: plotlyScale(state.metric.colours) };
  return {
    type: "scatter3d",
    mode: "markers",
    name: "models",
    ...points,
    customdata: allModels,
    ...hoverTexts(data.runs.map(modelText)),
    marker: { size: 3.5, line: { width: 0.5, color: look.outline }, ...colours },
  };
}

/** Rings around the best model for each use, the plain VAE and the selected model. */
function surfaceMarks({ x, y, z }, whole, look) {
  const ringed = [...bestModels(), { index: state.selected, text: "", colour: look.accent }];
  const drawn = ringed.filter(({ index }) => whole(index));
  const at = (values) => drawn.map(({ index }) => values[index]);
  const colours = drawn.map(({ colour }) => colour ?? look.ink);
  return {
    type: "scatter3d",
    mode: "markers+text",
    name: "marks",
    x: at(x),
    y: at(y),
    z: at(z),
    hoverinfo: "skip",
    text: drawn.map(({ text }) => text),
    textposition: "top center",
    textfont: { size: 20, color: colours },
    marker: { size: 7, symbol: "circle-open", line: { width: 2.5 }, color: colours },
  };
}

function bestModels() {
  const marked = data.picks.filter((pick) => pick.best && metricOf(pick.metric).use);
  const best = marked.map((pick) => ({ index: indexOfRun(pick.best), text: metricOf(pick.metric).mark }));
  const vae = data.runs.findIndex((run) => run.vae);
  return vae < 0 ? best : [...best, { index: vae, text: "" }];
}

function surfaceLayout(axes, look, node) {
  const far = node.clientWidth < 480 ? 1.25 : 0.9; // a narrow plot must show the same cube
  const camera = { eye: { x: 0.98 * far, y: -2 * far, z: 0.8 * far }, center: { x: 0, y: 0, z: -0.12 } };
  const [xaxis, yaxis, zaxis] = axes.map((axis) => axisInSpace(axis, look));
  return {
    ...plainLayout(look, node),
    scene: { xaxis, yaxis, zaxis, aspectmode: "cube", camera, uirevision: "camera", dragmode: "turntable" },
    margin: { l: 0, r: 0, t: 0, b: 0 },
    uirevision: "camera",
  };
}

function axisInSpace({ title, percent }, look) {
  return {
    title: { text: title, font: { size: 12 } },
    gridcolor: look.line,
    zeroline: false,
    showspikes: false,
    backgroundcolor: look.card,
    color: look.ink,
    tickfont: { size: 11 },
    nticks: 6,
    ...(percent ? { tickformat: ".0%" } : {}),
  };
}

/** The note under the surface: what its colours and marks mean. */
export function drawSurfaceNote() {
  const note = element("surface-note");
  if (threeUses) {
    for (const [index, text] of CORNER_NAMES.entries()) {
      const swatch = make("span", undefined, "swatch");
      swatch.style.background = data.surface.corners[index];
      note.append(swatch, text);
    }
  }
  const uses = data.metrics.filter((metric) => metric.use).map(({ mark, use }) => `${mark} best for ${use}`);
  note.append(make("span", `${[...uses, "○ plain VAE"].join("   ")}. Drag to turn.`, "marks"));
}
