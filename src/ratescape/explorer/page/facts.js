// What the server says of the landscape, once, and how its parts are called.

import { request } from "./server.js";

/** Filled before anything is drawn. */
export const facts = {};

/** The report's scale of colour, bright for good. */
export const { colours } = JSON.parse(document.getElementById("data").textContent);

export async function loadFacts() {
  Object.assign(facts, await request("landscape", "/api/landscape"));
  facts.metrics = withPsnr(facts.metrics);
  facts.images = facts.test.count > 0;
}

function withPsnr(metrics) {
  if (metrics.some(({ name }) => name === "psnr")) return metrics;
  return [{ name: "psnr", label: "PSNR", unit: "dB", higher_is_better: true }, ...metrics];
}

/** "R(z₂)" and "R(z₁|z₂)" of layers; the group's own name where it holds several. */
export function rateName(index) {
  const { label } = facts.groups[index];
  if (!label.startsWith("z")) return `rate of ${label}`;
  return index === 0 ? `R(${label})` : `R(${label}|${facts.groups[index - 1].label})`;
}

export function betaName(index) {
  return facts.groups[index].beta ?? `β of ${facts.groups[index].label}`;
}

/** A number of a point by the name of a metric; null where it was not measured there. */
export function measuredAt(point, name) {
  return point.metrics?.[name] ?? point[name] ?? null;
}

/** "PSNR (dB)"; the unit once. */
export function metricTitle({ label, unit }) {
  return !unit || label.includes("(") ? label : `${label} (${unit})`;
}
