// What is shown and selected, and who wants to know when that changes.

import { data, indexOfRun } from "./data.js";

export const state = {
  metric: data.metrics[0],
  split: data.splits[0],
  selected: indexOfRun(data.selected),
  ranges: new Map(), // those drawn on parallel coordinates: [low, high] by the id of their axis
};

const listeners = [];

/** Call a function after every change. */
export function onChange(listener) {
  listeners.push(listener);
}

/** Change the metric, the split, the selected model or the ranges. */
export function change(update) {
  Object.assign(state, update);
  for (const listener of listeners) listener();
}

/** Select a model by its index. */
export function select(index) {
  change({ selected: index });
}

/** The standard error of what is shown of a model, on the split that is shown; null where none was measured. */
export function errorOf(run, column = state.metric.column) {
  return run.values[state.split].errors[column] ?? null;
}

/** What was measured of a model on the split that is shown: by default the metric that is shown. */
export function measuredOf(run, column = state.metric.column) {
  return run.values[state.split][column];
}
