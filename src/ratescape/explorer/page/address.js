// The state in the address, behind the #, so that a view can be sent to somebody with the same landscape.

import { facts } from "./facts.js";
import { state } from "./state.js";

const PAUSE = 250; // browsers refuse addresses that change more often
const IMAGES = 16; // that the server takes at most

let writing;

/** The part behind the #, without it. */
export function fragment() {
  const parts = { b: numbers(state.betas), i: state.images.join(","), s: state.seed, view: state.tab };
  if (state.asked) parts.r = numbers(state.asked);
  if (state.mode !== "rates") parts.axes = state.mode;
  if (state.metric !== "psnr") parts.colour = state.metric;
  if (state.chosen) parts.c = state.chosen;
  if (state.other !== 1) parts.with = state.other;
  if (state.group) parts.g = state.group;
  return Object.entries(parts)
    .map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`)
    .join("&");
}

function numbers(values) {
  return values.map((value) => Number(value.toPrecision(5))).join(",");
}

export function writeAddress() {
  clearTimeout(writing);
  writing = setTimeout(() => history.replaceState(null, "", `#${fragment()}`), PAUSE);
}

/** What an address says, as far as it makes sense with this landscape. */
export function readAddress(text, tabs) {
  const parts = new URLSearchParams(text.replace(/^#/, ""));
  const update = {};
  const betas = positive(parts.get("b"));
  const rates = positive(parts.get("r"));
  const images = (parts.get("i") ?? "").split(",").filter(isImage);
  if (betas) update.betas = betas;
  if (rates && betas) update.asked = rates;
  if (images.length) update.images = images.slice(0, IMAGES);
  if (parts.get("axes") === "betas") update.mode = "betas";
  if (tabs.includes(parts.get("view"))) update.tab = parts.get("view");
  if (facts.metrics.some(({ name }) => name === parts.get("colour"))) update.metric = parts.get("colour");
  return { ...update, ...wholeNumbers(parts) };
}

function wholeNumbers(parts) {
  const limits = {
    s: ["seed", 2 ** 31],
    c: ["chosen", IMAGES],
    with: ["other", IMAGES],
    g: ["group", facts.groups.length],
  };
  const update = {};
  for (const [short, [name, limit]] of Object.entries(limits)) {
    const value = Number(parts.get(short) ?? Number.NaN);
    if (Number.isInteger(value) && value >= 0 && value < limit) update[name] = value;
  }
  return update;
}

/** Whether a name is one of an image that may be there. */
function isImage(name) {
  const found = name.match(/^([tu])(\d{1,8})$/);
  return Boolean(found) && (found[1] === "u" || Number(found[2]) < facts.test.count);
}

function positive(text) {
  const values = (text ?? "").split(",").map((part) => (part === "" ? Number.NaN : Number(part)));
  const good = values.length === facts.groups.length && values.every((value) => value >= 0 && value < 1e9);
  return good ? values : null;
}
