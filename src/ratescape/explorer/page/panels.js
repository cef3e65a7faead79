// The views of layers, of two images mixed and of bits: asked for once the point rests.

import { element, make } from "../../report/page/dom.js";
import { written } from "../../report/page/numbers.js";
import { facts, rateName } from "./facts.js";
import { say } from "./saying.js";
import { request } from "./server.js";
import { decodedSheet, sheetFigure } from "./sheets.js";
import { change, state } from "./state.js";
import { wordsFor } from "./strip.js";
import { panelOf } from "./tabs.js";

const LAYERS = ["partial", "resample", "traverse", "spread"];
const OF_GROUP = ["resample", "traverse"];
const MIXED = 6; // steps of a mix, on each axis
const LOW = 64; // CSS pixels that images are high at most where there are many rows

const QUESTIONS = {
  layers: () => {
    const asked = { betas: state.betas, image: imageName(), seed: state.seed, what: state.tab };
    return OF_GROUP.includes(state.tab) ? { ...asked, group: state.group } : asked;
  },
  interpolate: () => {
    const bottom = state.images[state.other] ?? state.images[0];
    return { betas: state.betas, top: imageName(), bottom, steps: MIXED };
  },
  bytes: () => ({ betas: state.betas, image: imageName() }),
};

const SHOW = { layers: showLayers, interpolate: showMix, bytes: showBits };

export function imageName() {
  return state.images[state.chosen] ?? state.images[0];
}

export function connectPanels() {
  const options = facts.groups.map(({ label }, index) => new Option(label, index));
  element("group").append(...options);
  element("group").addEventListener("change", ({ target }) => change({ group: Number(target.value) }));
  element("other").addEventListener("change", ({ target }) => change({ other: Number(target.value) }));
  element("again").addEventListener("click", () => change({ seed: state.seed + 1 }));
  element("anew").addEventListener("click", () => change({ seed: state.seed + 1 }));
}

function kindOf(tab) {
  if (LAYERS.includes(tab)) return "layers";
  return { mix: "interpolate", bits: "bytes" }[tab];
}

/** Ask for what the open panel shows of the model here. */
export async function fillPanel() {
  const kind = kindOf(state.tab);
  drawChoices();
  if (!kind || state.moving || !imageName()) return;
  const { tab } = state;
  const panel = element(panelOf(tab));
  panel.setAttribute("aria-busy", "true");
  try {
    const found = await request(kind, `/api/${kind}`, QUESTIONS[kind]());
    if (!found) return; // what replaced it will come
    if (state.tab === tab) await SHOW[kind](found);
  } catch (error) {
    say(error.message, "wrong");
  }
  panel.removeAttribute("aria-busy");
}

function drawChoices() {
  element("group").value = state.group;
  element("group-label").hidden = !OF_GROUP.includes(state.tab);
  element("again").hidden = state.tab !== "resample";
  const others = state.images.map((name, index) => new Option(`${index + 1}: ${wordsFor(name)}`, index));
  element("other").replaceChildren(...others);
  element("other").value = Math.min(state.other, state.images.length - 1);
}

function room(panel) {
  return Math.max(200, element(panel).clientWidth);
}

async function showLayers({ sheets, words }) {
  const decoded = await Promise.all(sheets.map(({ sheet }) => decodedSheet(sheet)));
  const most = state.tab === "traverse" ? LOW : undefined;
  const figures = decoded.map((sheet, index) => sheetFigure(sheet, sheets[index].title, room("layer-sheets"), most));
  element("layer-sheets").replaceChildren(...figures);
  element("layer-words").textContent = words;
}

async function showMix({ sheet, words }) {
  const title = words ?? "From the first image to the second.";
  element("mix-sheets").replaceChildren(sheetFigure(await decodedSheet(sheet), title, room("mix-sheets"), LOW));
}

async function showBits({ bytes, bits_by_group: bits, sheet }) {
  const figure = sheetFigure(await decodedSheet(sheet), "the image decoded from them", room("bits-picture"), 112);
  element("bits-picture").replaceChildren(figure);
  element("bits-total").textContent = `${bytes} bytes`;
  const rows = bits.map((value, group) => {
    const row = make("tr");
    const head = make("th", rateName(group));
    head.scope = "row";
    row.append(head, make("td", `${written(value)} bits`));
    return row;
  });
  element("bits-rows").replaceChildren(...rows);
}
