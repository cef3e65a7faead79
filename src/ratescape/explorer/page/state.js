// What is shown, and who wants to know when that changes.

export const state = {
  betas: [], // by group, top first
  asked: null, // rates by group that were asked for; null where betas were
  reached: null, // whether each was, once the server has said so
  mode: "rates", // what the axes of the plane and the sliders are
  metric: "psnr", // the colour of the plane
  images: [], // "t12" of the test split, "u3" of the user's own
  chosen: 0, // which of them the views of layers are of
  other: 1, // and with which it is mixed
  seed: 0,
  tab: "samples",
  group: 0,
  hold: false, // the total of the rates stays
  moving: false,
  got: null, // rates, rate and psnr of the model here on held-out images
};

export const SAMPLES = 16; // from the prior, shown at once

const listeners = [];

/** Call a function after every change, with the names of what changed. */
export function onChange(listener) {
  listeners.push(listener);
}

export function change(update) {
  Object.assign(state, update);
  const names = new Set(Object.keys(update));
  for (const listener of listeners) listener(names);
}
