// What the model here makes of the images: asked for after every move, drawn when it comes.

import { element } from "../../report/page/dom.js";
import { facts } from "./facts.js";
import { say } from "./saying.js";
import { request } from "./server.js";
import { decodedSheet } from "./sheets.js";
import { change, SAMPLES, state } from "./state.js";
import { drawSamples, drawStrip } from "./strip.js";

let drawnViews = 0;

/** Ask for what is here now; what waits is replaced. */
export async function look() {
  try {
    const view = await request("view", "/api/view", asked);
    if (view) await draw(view);
  } catch (error) {
    lost(error);
  }
}

function asked() {
  const samples = state.tab === "samples" ? SAMPLES : 0;
  const want = samples ? ["reconstructions", "samples"] : ["reconstructions"];
  return { betas: state.betas, images: state.images, samples, seed: state.seed, want };
}

async function draw(view) {
  const sheets = [view.originals, view.reconstructions, view.samples].map((sheet) => sheet && decodedSheet(sheet));
  const [originals, reconstructions, samples] = await Promise.all(sheets);
  if (originals) drawStrip(originals, reconstructions);
  if (samples) drawSamples(samples);
  drawnViews += 1;
  element("strip").dataset.drawn = drawnViews;
  const got = isHere(view) ? { got: view.landscape } : {};
  change({ view, hull: view.hull, ...got });
}

/** Whether nothing has moved since a view was asked for. */
function isHere({ betas }) {
  return betas.every((beta, group) => Math.abs(Math.log(beta / state.betas[group])) < 1e-6);
}

/** Pictures of one's own are gone when the server has forgotten them. */
function lost(error) {
  const kept = state.images.filter((name) => name.startsWith("t"));
  if (error.status === 404 && kept.length < state.images.length) {
    say("Pictures of your own in this address are not known here: add them again.", "wrong");
    change({ images: kept.length || !facts.images ? kept : ["t0", "t1"], chosen: 0 });
  } else {
    say(error.message, "wrong");
  }
}
