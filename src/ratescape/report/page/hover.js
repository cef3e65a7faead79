// What is shown under the mouse. Plotly reads <b> and <br>; the texts between them are names and numbers.

import { data } from "./data.js";
import { withUnit, written } from "./numbers.js";
import { state } from "./state.js";

const NAMED = 3; // collapsed layers named one by one
const TEMPLATE = "%{text}<extra></extra>";

/** The part of a trace that shows a text for each of its points. */
export function hoverTexts(texts) {
  return { text: texts, hovertemplate: TEMPLATE };
}

/** Betas, rates and the numbers that matter of one model. */
export function modelText(run) {
  const values = run.values[state.split];
  const lines = [
    `<b>${run.title}</b>`,
    ratesLine(values),
    ...hoverMetrics().map(
      (metric) => `${metric.name} ${withUnit(metric, values[metric.column], values.errors[metric.column])}`,
    ),
    ...collapsedTexts(run),
  ];
  if (run.flag) lines.push("an accuracy on samples is above its ceiling");
  return lines.join("<br>");
}

function ratesLine(values) {
  const total = written(values.rate);
  if (data.layers === 1) return `rate ${total} nats`;
  const rates = data.layers > 2 && data.groups.length > 1 ? groupRates(values) : layerRates(values);
  return [...rates, `total ${total} nats`].join(" · ");
}

function groupRates(values) {
  return data.groups.map(({ name }, index) => `${name}: ${written(values.group_rates[index])}`);
}

function layerRates(values) {
  if (data.layers > data.few_layers) return [];
  return values.rates.map((rate, index) => `${data.names.rates[index]} ${written(rate)}`);
}

/** What has collapsed of a model: the layers by name, or how many of many. */
export function collapsedTexts({ collapsed }) {
  if (collapsed.length > NAMED) return [`${collapsed.length} of ${data.layers} layers have collapsed`];
  return collapsed.map((layer) => `${data.names.latents[data.layers - layer]} has collapsed`);
}

/** The metric that is shown, those that decide for a use, and -ELBO. */
function hoverMetrics() {
  const matters = (metric) => metric === state.metric || metric.use || metric.column === "nelbo";
  return data.metrics.filter((metric) => metric.column !== "rate" && matters(metric));
}

/** The model found for rates that were asked for. */
export function answerText(answer) {
  const lines = answer.outcomes.map((one) => {
    const rates = `${written(one.achieved)} of ${written(one.wanted)} nats`;
    return `${one.layer_text}: ${rates} (${one.error_text}), ${one.status_text}`;
  });
  return [`<b>asked for, and found at β ${answer.beta_text}</b>`, ...lines].join("<br>");
}
