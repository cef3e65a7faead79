// The page: what is read once, what follows a change, what follows a rest.

import { element } from "../../report/page/dom.js";
import { readAddress, writeAddress } from "./address.js";
import { connectAsking } from "./asking.js";
import { connectControls, drawControls } from "./controls.js";
import { connectPlane } from "./dragging.js";
import { connectErase, showErased } from "./erase.js";
import { facts, loadFacts } from "./facts.js";
import { isPlane } from "./frame.js";
import { buildMesh, guess, possible } from "./mesh.js";
import { connectImages } from "./own.js";
import { connectPanels, fillPanel } from "./panels.js";
import { addPlace, connectPath } from "./path.js";
import { drawPlane, drawPoint, inWords } from "./plane.js";
import { buildReadings, drawReadings } from "./readings.js";
import { say } from "./saying.js";
import { keepToken } from "./server.js";
import { change, onChange } from "./state.js";
import { buildStrip, markChosen } from "./strip.js";
import { buildTabs, showTab, tabNames } from "./tabs.js";
import { look } from "./view.js";

const FIRST_IMAGES = 8;

/** What is done when any of these has changed, in this order. */
const FOLLOWS = [
  [["images"], buildStrip],
  [["chosen"], markChosen],
  [["mode", "metric"], drawControls],
  [["mode", "metric"], drawPlane],
  [["betas", "got", "asked"], drawPoint],
  [["betas", "asked"], addPlace],
  [["betas", "got", "asked", "mode", "view", "reached"], drawReadings],
  [["tab"], showTab],
  [["betas", "images", "seed", "tab"], look],
  [["betas", "images", "seed", "tab", "chosen", "other", "group", "moving"], fillPanel],
  [["betas", "images", "tab", "chosen", "moving"], showErased],
  [["betas", "images", "seed", "tab", "chosen", "other", "group", "mode", "metric", "asked"], writeAddress],
];

function follow(names) {
  for (const [needed, draw] of FOLLOWS) {
    if (needed.some((name) => names.has(name))) draw();
  }
  if (names.has("betas") || names.has("got")) element("plane").ariaDescription = inWords();
}

/** Everything that the address says; the landscape's own start for what it leaves open. */
function begin() {
  const tabs = tabNames(facts.abilities);
  const found = readAddress(location.hash, tabs);
  const images = Array.from({ length: Math.min(FIRST_IMAGES, facts.test.count) }, (_, index) => `t${index}`);
  const betas = possible(found.betas ?? facts.start.betas);
  change({
    asked: null,
    reached: null,
    images,
    tab: "samples",
    ...found,
    betas,
    got: guess(betas),
    mode: found.mode ?? "rates",
  });
}

async function start() {
  keepToken();
  try {
    await loadFacts();
  } catch (error) {
    say(error.message, "wrong");
    return;
  }
  buildMesh();
  element("plane-title").textContent = isPlane() ? "" : "Over the total rate: click a model, or use the sliders";
  for (const connect of [connectControls, connectPlane, connectImages, connectPanels, connectPath, connectAsking])
    connect();
  if (facts.abilities.restore) connectErase();
  buildReadings();
  buildTabs(tabNames(facts.abilities));
  element("note").textContent = (facts.notes ?? []).join(" ");
  onChange(follow);
  begin();
  addEventListener("hashchange", begin);
  new ResizeObserver(drawPlane).observe(element("plane"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawPlane);
  element("app").removeAttribute("aria-busy");
}

start();
