// The key: what the rings in the plots mean.

import { data, isBetaVae } from "./data.js";
import { element, make } from "./dom.js";
import { hasCells } from "./shapes.js";
import { state } from "./state.js";

export function drawKey() {
  const hull = data.hulls[state.split][state.metric.column].length > 0;
  const entries = [
    ["var(--vae)", "plain VAE: all β = 1", data.runs.some((run) => run.vae)],
    ["var(--beta-vae)", "β-VAE: equal β", data.runs.some(isBetaVae)],
    ["var(--hull)", `on the hull of ${state.metric.name} over total rate`, hull],
  ];
  const items = entries.filter(([, , drawn]) => drawn).map(([colour, text]) => ringEntry(colour, text));
  items.push(selectedEntry());
  if (data.beta_plane?.crosses?.x.length) items.push(crossEntry());
  if (data.refined.length && data.axes === 2) items.push(keyEntry(make("span", "✶", "star"), "refined on its own"));
  element("key").replaceChildren(...items);
}

function ringEntry(colour, text) {
  const ring = make("span", undefined, "ring");
  ring.style.borderColor = colour;
  return keyEntry(ring, text);
}

/** The selected model wears a ring, and a frame where models are cells. */
function selectedEntry() {
  const item = ringEntry("var(--accent)", "selected: click a point or a cell, or use the arrow keys");
  if (hasCells()) item.prepend(make("span", undefined, "ring frame"));
  return item;
}

function crossEntry() {
  return keyEntry(make("span", "×", "cross"), "training diverged");
}

function keyEntry(mark, text) {
  const item = make("li");
  item.append(mark, text);
  return item;
}
