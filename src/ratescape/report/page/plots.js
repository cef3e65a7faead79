// The plots of the models.

import { data } from "./data.js";
import { element } from "./dom.js";
import { plotLayout } from "./layout.js";
import { theme } from "./look.js";
import { selectByArrows, selectOnClick } from "./navigation.js";
import { shapes, titleWith } from "./shapes.js";
import { state } from "./state.js";
import { traces } from "./traces.js";

const PLOT_OPTIONS = { displayModeBar: false, responsive: false, doubleClick: false };
const SEEN_FIRST = ["left", "right"];
let others; // the timer of those that are drawn a moment later

/**
 * Draw the two large plots at once, the others as soon as the page has shown them, and call `last` then: a click must
 * not wait for all.
 */
export function drawPlots(last) {
  const sides = Object.keys(shapes);
  for (const side of sides.filter((one) => SEEN_FIRST.includes(one))) drawPlot(side);
  clearTimeout(others);
  others = setTimeout(() => {
    for (const side of sides.filter((one) => !SEEN_FIRST.includes(one))) drawPlot(side);
    last();
  });
}

function drawPlot(side) {
  const look = theme();
  const node = element(side);
  const fresh = !node.classList.contains("js-plotly-plot");
  const shape = shapes[side]();
  const layout = (shape.layout ?? plotLayout)(shape, look, node);
  const { name } = shape.metric ?? state.metric;
  element(`${side}-title`).textContent = shape.metric ? shape.title : titleWith(state.metric, shape.title);
  node.setAttribute("aria-label", `Plot of ${name}, ${shape.title}. Arrow keys move the selection.`);
  Plotly.react(node, allTraces(shape, markerSize(shape, layout), look), layout, PLOT_OPTIONS);
  if (!fresh) return;
  selectOnClick(node);
  selectByArrows(node, shapes[side]);
}

/** The traces of a plot, or of each of its panels. */
function allTraces(shape, size, look) {
  if (!shape.panels) return traces(shape, size, look);
  const small = shape.plain ? 6 : size - 3;
  return shape.panels.flatMap(({ points, axes }, meta) =>
    traces({ ...shape, points }, small, look).map((trace) => ({ ...trace, ...axes, meta })),
  );
}

/** Size of a mark in pixels: a cell of the grid, or a point that leaves room for its neighbours. */
function markerSize(shape, { margin, width, height }) {
  if (!shape.seeds) return data.runs.length > 100 ? 8 : 11;
  const across = (width - margin.l - margin.r) / (shape.x.cells + 0.16);
  const down = (height - margin.t - margin.b) / (shape.y.cells + 0.16);
  return Math.max(4, (Math.min(across, down) / shape.seeds) * 0.94);
}
