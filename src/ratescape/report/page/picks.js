// What to pick: the best model for each use and by each metric, beside simpler ones.

import { data, indexOfRun, metricOf } from "./data.js";
import { element, make, modelButton } from "./dom.js";
import { withUnit } from "./numbers.js";
import { refinements } from "./refined.js";
import { select } from "./state.js";

const MANY_PICKS = 4; // beyond so many, those that are for no use are folded away
export const reported = data.splits.includes("test") ? "test" : data.chosen_on;

export function drawPicks() {
  element("picks-note").textContent =
    data.chosen_on === "test"
      ? "Chosen and measured on test, as the paper does: the winners look a little too good."
      : `Chosen on ${data.chosen_on}; the numbers are those on test, of samples those of other draws.`;
  const many = data.picks.length > MANY_PICKS;
  const others = make("details");
  others.id = "others";
  others.append(make("summary", "By other metrics"));
  for (const pick of data.picks) {
    const aside = many && !metricOf(pick.metric).use;
    (aside ? others : element("picks")).append(pickBlock(pick));
  }
  if (many) element("picks").append(others);
}

function pickBlock(pick) {
  const metric = metricOf(pick.metric);
  const block = make("div", undefined, "pick");
  block.append(make("h3", pick.heading));
  if (pick.best) appendEntries(block, pick, metric);
  for (const line of pick.notes) block.append(make("p", line, "quiet verdict"));
  return block;
}

function appendEntries(block, pick, metric) {
  block.append(pickEntry("best", pick.best, metric, "winner"));
  for (const line of refinements(pick.best, pick.metric, reported)) block.append(make("p", line, "quiet refinement"));
  const { beta_vae: equal, vae } = pick.simpler;
  if (equal && data.layers > 1) block.append(pickEntry("best β-VAE", equal.run, metricOf(equal.metric)));
  block.append(pickEntry(pick.vae_is_exact ? "plain VAE" : "nearest VAE", vae.run, metricOf(vae.metric)));
}

function pickEntry(label, key, metric, className) {
  const run = data.runs[indexOfRun(key)];
  const values = run.values[reported];
  const betas = run.equal && data.layers > 1 ? `all ${run.beta_texts[0]}` : run.group_betas.join(", ");
  const layer = metric.layer === null ? "" : data.names.latents[data.layers - metric.layer];
  const button = modelButton(key, () => select(indexOfRun(key)), undefined, className);
  button.append(
    make("span", label),
    make("span", withUnit(metric, values[metric.column])),
    make("span", [layer, `β ${betas}`, `${values.rate.toFixed(1)}\u00a0nats`].filter(Boolean).join(" · "), "at"),
  );
  return button;
}

/** Mark the buttons of the selected model. */
export function drawPressed(key) {
  for (const button of document.querySelectorAll(".pick button, #table1 button, #brushed button")) {
    button.setAttribute("aria-pressed", String(button.dataset.run === key));
  }
}
