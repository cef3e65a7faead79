// Ranges on the axes of parallel coordinates: which models lie within all of them, and the best of these for each use.

import { allModels, data, metricOf } from "./data.js";
import { shown, withUnit } from "./numbers.js";
import { change, state } from "./state.js";

const FAINT = 0.12; // opacity of a model that is outside a range

/** What a model has on an axis, on the split that is shown. */
export function valueOn(axis, run) {
  const values = run.values[state.split];
  return axis.group === null ? values[axis.column] : values.group_rates[axis.group];
}

/** Whether a model lies within all ranges; all do where there are none. */
export function isWithin(index) {
  return data.many === null || data.many.parallel.every((axis) => isOnRange(axis, data.runs[index]));
}

function isOnRange(axis, run) {
  const range = state.ranges.get(axis.id);
  if (!range) return true;
  const value = valueOn(axis, run);
  return value !== null && range[0] <= value && value <= range[1];
}

export function modelsWithin() {
  return allModels.filter(isWithin);
}

/** "1.20 to 7.51 nats": the range of an axis, all of it where there is none. */
export function rangeText(axis) {
  const [low, high] = state.ranges.get(axis.id) ?? axis.scales[state.split].ends;
  const named = { percent: axis.percent, unit: axis.unit };
  return `${shown(named, low)} to ${withUnit(named, high)}`;
}

/** How strongly each model is drawn. */
export function opacities() {
  return state.ranges.size ? allModels.map((index) => (isWithin(index) ? 1 : FAINT)) : 1;
}

/** Set or, with null, clear the range of an axis; without `tell`, nothing else follows yet. */
export function setRange(id, range, tell = true) {
  if (range) state.ranges.set(id, range);
  else state.ranges.delete(id);
  if (tell) change({});
}

export function clearRanges() {
  state.ranges.clear();
  change({});
}

/**
 * The best of some models for each use, by the number alone, where models are chosen: its index, and the metric, which
 * may be that of any layer that has not collapsed. Uses for which no model is better than chance are left out.
 */
export function bestWithin(indices) {
  const uses = data.picks.filter((pick) => pick.best && metricOf(pick.metric).use);
  return uses.map((pick) => bestBy(metricOf(pick.metric), indices)).filter(Boolean);
}

function bestBy(metric, indices) {
  const alike = data.metrics.filter((one) => one === metric || (metric.layer !== null && one.kind === metric.kind));
  const sign = metric.higher_is_better ? 1 : -1;
  let found = null;
  for (const index of indices) {
    for (const one of alike) {
      const value = data.runs[index].values[data.chosen_on][one.column];
      if (value === null || data.runs[index].collapsed.includes(one.layer)) continue;
      if (!found || sign * value > sign * found.value) found = { index, metric: one, use: metric.use, value };
    }
  }
  return found;
}
