// Rates between measured points, in the page itself, so that a point can be dragged over them without asking anybody.
//
// On a regular grid of betas everything is multilinear in log β; else there are only the measured points.

import { facts } from "./facts.js";
import { state } from "./state.js";

const STEPS = 12; // of Levenberg and Marquardt, from the nearest measured point
const DIFFERENCE = 0.02; // in log β

export const mesh = { points: [], axes: null, at: new Map(), most: [] };

/** Find the grid that the landscape's points lie on. */
export function buildMesh() {
  const known = (point) => point.psnr !== null && !point.rates.includes(null);
  const models = facts.points.filter(known);
  mesh.points = facts.fine.length ? facts.fine.filter(known) : models;
  mesh.all = [...mesh.points, ...models];
  mesh.most = facts.groups.map((_, group) => Math.max(...mesh.all.map(({ rates }) => rates[group])));
  mesh.axes = facts.kind === "network" ? regularAxes() : null;
}

function regularAxes() {
  const axes = facts.groups.map((_, group) => {
    const values = new Set(mesh.points.map(({ betas }) => betas[group]));
    return [...values].sort((a, b) => a - b);
  });
  mesh.at = new Map(mesh.points.map((point) => [keyOf(point.betas, axes), point]));
  const count = axes.reduce((product, { length }) => product * length, 1);
  return count === mesh.at.size && axes.every(({ length }) => length > 1) ? axes : null;
}

function keyOf(betas, axes) {
  return betas.map((beta, group) => axes[group].indexOf(beta)).join(",");
}

/** The point of the grid at a place on each axis. */
export function vertex(places) {
  return mesh.at.get(places.join(","));
}

/** Betas inside the box; of dedicated models, those of the nearest one. */
export function possible(betas) {
  const inside = betas.map((beta, group) => Math.min(facts.box[group][1], Math.max(facts.box[group][0], beta)));
  return facts.kind === "network" ? inside : nearest((point) => logDistance(point.betas, inside)).betas;
}

function nearest(distance) {
  return mesh.points.reduce((best, point) => (distance(point) < distance(best) ? point : best));
}

function logDistance(betas, others) {
  return betas.reduce((sum, beta, group) => sum + Math.log(beta / others[group]) ** 2, 0);
}

/** Distance of rates as it is seen in the plane: each in parts of the largest. */
function rateDistance(rates, others) {
  return rates.reduce((sum, rate, group) => sum + ((rate - others[group]) / (mesh.most[group] || 1)) ** 2, 0);
}

/** Rates, total rate and PSNR at betas, as far as the page itself knows. */
export function guess(betas) {
  if (!mesh.axes) return nearest((point) => logDistance(point.betas, betas));
  const places = betas.map((beta, group) => placeOn(mesh.axes[group], beta));
  const rates = facts.groups.map(() => 0);
  let psnr = 0;
  for (let corner = 0; corner < 2 ** betas.length; corner++) {
    const ups = places.map((_, group) => (corner >> group) & 1);
    const weight = places.reduce((product, [, part], group) => product * (ups[group] ? part : 1 - part), 1);
    const point = vertex(places.map(([index], group) => index + ups[group]));
    for (const group of rates.keys()) rates[group] += weight * point.rates[group];
    psnr += weight * point.psnr;
  }
  return { rates, rate: rates.reduce((sum, rate) => sum + rate, 0), psnr };
}

/** The cell of an axis that a beta is in, and how far into it. */
function placeOn(axis, beta) {
  let index = axis.findIndex((value) => value > beta) - 1;
  if (index < 0) index = beta < axis[0] ? 0 : axis.length - 2;
  const part = Math.log(beta / axis[index]) / Math.log(axis[index + 1] / axis[index]);
  return [index, Math.min(1, Math.max(0, part))];
}

/** Betas whose rates are nearest to these, as seen in the plane. */
export function betasFor(rates) {
  const start = nearest((point) => rateDistance(point.rates, rates)).betas;
  if (!mesh.axes) return [...start];
  const first = [start, state.betas].map((betas) => descend(betas, rates));
  return first[0].error <= first[1].error ? first[0].betas : first[1].betas;
}

function descend(from, rates) {
  let betas = possible(from);
  let error = rateDistance(guess(betas).rates, rates);
  let damping = 1e-3;
  for (let step = 0; step < STEPS && error > 1e-9; step++) {
    const tried = possible(betas.map((beta, group) => beta * Math.exp(shift(betas, rates, damping)[group])));
    const found = rateDistance(guess(tried).rates, rates);
    if (found < error) {
      [betas, error, damping] = [tried, found, damping / 4];
    } else {
      damping *= 8;
    }
  }
  return { betas, error };
}

/** One damped step in log β: the solution of (JᵀJ + damping) step = Jᵀ residual. */
function shift(betas, rates, damping) {
  const here = guess(betas).rates;
  const scaled = (values, group) => values[group] / (mesh.most[group] || 1);
  const jacobian = betas.map((_, along) => {
    const sign = betas[along] * Math.exp(DIFFERENCE) > facts.box[along][1] ? -1 : 1;
    const moved = betas.map((beta, group) => (group === along ? beta * Math.exp(sign * DIFFERENCE) : beta));
    const there = guess(moved).rates;
    return here.map((_, group) => (scaled(there, group) - scaled(here, group)) / (sign * DIFFERENCE));
  });
  const residual = here.map((_, group) => scaled(rates, group) - scaled(here, group));
  const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
  const matrix = jacobian.map((row, i) =>
    jacobian.map((column, j) => dot(row, column) + (i === j ? damping + 1e-6 : 0)),
  );
  return solved(
    matrix,
    jacobian.map((row) => dot(row, residual)),
  ).map((value) => Math.min(1.5, Math.max(-1.5, value)));
}

/** Gauss and Jordan; the matrix is positive definite. */
function solved(matrix, right) {
  const rows = matrix.map((row, index) => [...row, right[index]]);
  for (const [pivot, row] of rows.entries()) {
    const scale = row[pivot];
    for (const column of row.keys()) row[column] /= scale;
    for (const [index, other] of rows.entries()) {
      if (index === pivot) continue;
      const factor = other[pivot];
      for (const column of other.keys()) other[column] -= factor * row[column];
    }
  }
  return rows.map((row) => row.at(-1));
}
