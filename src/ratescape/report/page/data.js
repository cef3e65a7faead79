// What Python has written into the page (ratescape.report.page.data): numbers, names, axes, colours.

export const data = JSON.parse(document.getElementById("data").textContent);

// Python leaves out what would be said twice: groups of single layers have the betas and rates of their layers.
for (const run of data.runs) run.group_betas ??= run.beta_texts;
for (const model of [...data.runs, ...data.refined]) {
  for (const values of [...Object.values(model.values), ...Object.values(model.before ?? {})]) {
    values.group_rates ??= values.rates;
  }
}

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
