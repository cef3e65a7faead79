// The plots of the models.

import { data } from "./data.js";
import { element } from "./dom.js";
import { plotLayout } from "./layout.js";
import { theme } from "./look.js";
import { shapes, titleWith } from "./shapes.js";
import { state } from "./state.js";
import { traces } from "./traces.js";

const PLOT_OPTIONS = { displayModeBar: false, responsive: false, doubleClick: false };

export function drawPlots() {
  const look = theme();
  for (const [side, shapeOf] of Object.entries(shapes)) {
    const node = element(side);
    const shape = shapeOf();
    const layout = plotLayout(shape, look, node);
    const { name } = shape.metric ?? state.metric;
    element(`${side}-title`).textContent = shape.metric ? shape.title : titleWith(state.metric, shape.title);
    node.setAttribute("aria-label", `Plot of ${name}, ${shape.title}. Arrow keys move the selection.`);
    Plotly.react(node, traces(shape, markerSize(shape, layout), look), layout, PLOT_OPTIONS);
  }
}

/** Size of a mark in pixels: a cell of the grid, or a point that leaves room for its neighbours. */
function markerSize(shape, { margin, width, height }) {
  if (!shape.seeds) return data.runs.length > 100 ? 8 : 11;
  const across = (width - margin.l - margin.r) / (shape.x.cells + 0.16);
  const down = (height - margin.t - margin.b) / (shape.y.cells + 0.16);
  return Math.max(4, (Math.min(across, down) / shape.seeds) * 0.94);
}
