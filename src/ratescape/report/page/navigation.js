// Clicks and arrow keys on a plot select a model.

import { select, state } from "./state.js";

const DIRECTIONS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** A click on a model's mark selects it; the plot must have been drawn. */
export function selectOnClick(node) {
  node.on("plotly_click", (event) => {
    const point = event.points.find((candidate) => typeof candidate.customdata === "number");
    if (!point) return;
    if (point.data.meta !== undefined) node.dataset.panel = point.data.meta; // arrow keys step in this one
    select(point.customdata);
  });
}

/** Arrow keys step from the selected model to a neighbour; `shapeOf` gives the plot's shape. */
export function selectByArrows(node, shapeOf) {
  node.addEventListener("keydown", (event) => {
    if (!(event.key in DIRECTIONS)) return;
    event.preventDefault();
    const nearest = neighbour(shapeOf(), DIRECTIONS[event.key]);
    if (nearest !== null) select(nearest);
  });
}

/** The nearest model in a direction of the plot; null at the border. */
function neighbour(shape, [right, up]) {
  const x = unitScale(shape.points.x, shape.x.log);
  const y = unitScale(shape.points.y, shape.y.log);
  let nearest = null;
  let least = Number.POSITIVE_INFINITY;
  for (const index of x.keys()) {
    const dx = x[index] - x[state.selected];
    const dy = y[index] - y[state.selected];
    const along = dx * right + dy * up;
    const aside = Math.abs(dx * up) + Math.abs(dy * right);
    if (along > 1e-9 && along >= aside && along + 2 * aside < least) {
      nearest = index;
      least = along + 2 * aside;
    }
  }
  return nearest;
}

/** Values from 0 to 1 along an axis. */
function unitScale(values, log) {
  const flat = values.map((value) => (log ? Math.log(value) : value));
  const known = flat.filter((value) => value !== null);
  const low = Math.min(...known);
  const range = Math.max(...known) - low || 1;
  return flat.map((value) => (value - low) / range);
}
