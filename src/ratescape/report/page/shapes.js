// The shape of each plot: where its models lie, how they are coloured, what its axes say.
//
// Python gives titles, axes and, for each split, points; the metric that is shown is added here.

import { data, metricOf } from "./data.js";
import { surfaceIsColoured } from "./fine.js";
import { pairsShape, simplexShape } from "./pairs.js";
import { errorOf, measuredOf, state } from "./state.js";

function metricColour() {
  const range = data.ranges[state.split][state.metric.column];
  return { values: metricValues(), range, colours: state.metric.colours };
}

function metricValues() {
  return data.runs.map((run) => measuredOf(run));
}

/** The axis that the metric is drawn along. */
function metricAxis() {
  return { limits: data.limits[state.split][state.metric.column], percent: state.metric.percent };
}

function ownColour(plane, here) {
  return { values: here.colour, range: here.colour_range, colours: data.colours, bar: plane.bar };
}

/** Rate of the top layer against that of all below. The hull is over the total rate: here it is marked, not joined. */
function rateShape() {
  const plane = data.rate_plane;
  return { ...plane, ...plane.splits[state.split], colour: metricColour(), surface: "rates" };
}

/** Over the grid of two betas, over betas that were found, or the metric over one shared beta. */
function betaShape() {
  const plane = { ...data.beta_plane, colour: metricColour(), surface: "betas" };
  if (surfaceIsColoured()) plane.seeds = undefined; // circles on the surface in place of cells
  if (plane.points.y) return plane;
  const points = { x: plane.points.x, y: metricValues() };
  return { ...plane, points, y: metricAxis(), y_title: state.metric.axis };
}

/** Whether the models are drawn as cells of a grid of betas. */
export function hasCells() {
  return Boolean(data.beta_plane && betaShape().seeds);
}

/** The metric over the total rate, with its standard errors. */
function totalShape() {
  const plane = data.total_plane;
  const here = plane.splits[state.split];
  const points = { x: here.points.x, y: metricValues() };
  const drawn = { points, y: metricAxis(), y_title: state.metric.axis, colour: ownColour(plane, here) };
  return { ...plane, ...here, ...drawn, joined: true, errors: data.runs.map((run) => errorOf(run)) };
}

/** Accuracy on a sample of the top layer over the total rate, under every model's own ceiling (Fig. 6 of the paper). */
function ceilingShape() {
  const plane = data.ceiling_plane;
  const here = plane.splits[state.split];
  const y = { ...here.y, percent: true };
  return { ...plane, ...here, y, metric: metricOf(plane.metric), colour: ownColour(plane, here), joined: true };
}

const colouredPairs = () => pairsShape(metricColour());
const colouredSimplex = () => simplexShape(metricColour());

/** The plots of landscapes of one or two betas that are seen first. */
function fewBetas() {
  const two = data.layers === 2 || data.axes === 2;
  if (!two) return { left: totalShape, right: data.layers > 2 ? rateShape : betaShape };
  return data.beta_plane
    ? { left: rateShape, right: betaShape, total: totalShape }
    : { left: rateShape, right: totalShape };
}

function manyBetas() {
  return data.many.simplex
    ? { left: colouredPairs, right: colouredSimplex, total: totalShape }
    : { left: colouredPairs, right: totalShape };
}

/** What each plot of this page shows, by the id of its element. */
export const shapes = data.many ? manyBetas() : fewBetas();
if (data.ceiling_plane) shapes.ceiling = ceilingShape;

/** "PSNR: over the layer rates", of a title that begins with a capital letter. */
export function titleWith(metric, title) {
  return `${metric.name}: ${title[0].toLowerCase()}${title.slice(1)}`;
}
