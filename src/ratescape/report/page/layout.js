// Axes, grids and lines of a plot.

import { plainLayout } from "./look.js";

/** Everything of a plot but its traces. */
export function plotLayout(shape, look, node) {
  const xaxis = axisLayout(shape.x, shape.x_title, look);
  const margin = { l: 62, r: shape.colour.bar ? 74 : 14, t: 10, b: 52 };
  const oneScale = sharesOneScale(
    shape,
    node.clientWidth - margin.l - margin.r,
    node.clientHeight - margin.t - margin.b,
  );
  const ownScale = shape.least_fill && !oneScale ? shape.own_scale : "";
  const yaxis = axisLayout(shape.y, shape.y_title + ownScale, look);
  if (shape.x.cells) {
    Object.assign(xaxis, { showgrid: false, constrain: "domain" });
    Object.assign(yaxis, { showgrid: false, scaleanchor: "x", constrain: "domain", constraintoward: "top" });
  }
  if (shape.diagonals) xaxis.showgrid = yaxis.showgrid = false;
  if (oneScale) {
    xaxis.constrain = "domain";
    Object.assign(yaxis, { scaleanchor: "x", constrain: "domain" });
  }
  return {
    ...plainLayout(look, node),
    ...totalRates(shape.diagonals ?? [], look),
    xaxis,
    yaxis,
    margin,
    dragmode: false,
    hovermode: "closest",
  };
}

/** Whether a nat may be equally long on both axes without making the plane a strip in its place. */
function sharesOneScale({ x, y, least_fill: least }, width, height) {
  if (!least) return false;
  const [across, up] = [x, y].map(({ limits: [low, high] }) => high - low);
  const filled = (up / across) * (width / height); // height of a plane as wide as its place, in heights of that
  return least <= filled && filled <= 1 / least;
}

export function axisLayout({ log, limits, ticks, percent }, text, look) {
  const axis = {
    title: { text, font: { size: 13 }, standoff: 8 },
    gridcolor: look.grid,
    linecolor: look.line,
    tickcolor: look.line,
    zeroline: false,
    showline: true,
    mirror: true,
    ticks: "outside",
    fixedrange: true,
    ...ticks,
  };
  if (limits) axis.range = limits;
  if (log) Object.assign(axis, { type: "log", minor: { ticks: "" } });
  if (percent) axis.tickformat = ".0%";
  return axis;
}

/** Lines of equal total rate, labelled where they enter the plot. */
function totalRates(diagonals, look) {
  const lines = diagonals.map(({ x, y }) => ({
    type: "line",
    layer: "below",
    x0: x[0],
    y0: y[0],
    x1: x[1],
    y1: y[1],
    line: { color: look.diagonal, width: 1 },
  }));
  const labels = diagonals
    .filter(({ label }) => label !== null)
    .map(({ x, y, label }) => ({
      x: x[0],
      y: y[0],
      text: label,
      showarrow: false,
      xanchor: "left",
      yanchor: "top",
      font: { size: 11, color: look.quiet },
      borderpad: 1,
    }));
  return { shapes: lines, annotations: labels };
}
