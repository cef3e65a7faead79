// What Python has written into the page (ratescape.report.page.data): numbers, names, axes, colours.

export const data = JSON.parse(document.getElementById("data").textContent);

export const allModels = data.runs.map((_, index) => index);

const indices = new Map(data.runs.map((run, index) => [run.run, index]));

/** Where a model stands among all, by the key of its run. */
export function indexOfRun(key) {
  return indices.get(key);
}

/** The metric of a column; undefined where it was not measured. */
export function metricOf(column) {
  return data.metrics.find((metric) => metric.column === column);
}

/** Whether a model is a β-VAE that is worth a mark of its own: with one layer every model is one. */
export function isBetaVae(run) {
  return run.equal && !run.vae && data.layers > 1;
}
