// The views below the images, one at a time: a row of tabs as keyboards expect it.

import { element } from "../../report/page/dom.js";
import { change, state } from "./state.js";

const TITLES = {
  samples: "Samples",
  partial: "By layer",
  resample: "Resample",
  traverse: "Traverse",
  spread: "Spread",
  mix: "Mix two",
  erase: "Erase",
  bits: "Bits",
};

/** Tabs of what this landscape can do. */
export function tabNames({ restore, bytes }) {
  return Object.keys(TITLES).filter((name) => (name !== "erase" || restore) && (name !== "bits" || bytes));
}

export function buildTabs(names) {
  const buttons = names.map((name) => {
    const tab = document.createElement("button");
    Object.assign(tab, { type: "button", id: `tab-${name}`, textContent: TITLES[name] });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panelOf(name));
    tab.addEventListener("click", () => change({ tab: name }));
    return tab;
  });
  element("tabs").replaceChildren(...buttons);
  element("tabs").addEventListener("keydown", ({ key }) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!step) return;
    const place = (names.indexOf(state.tab) + step + names.length) % names.length;
    change({ tab: names[place] });
    buttons[place].focus();
  });
}

/** Views that the server draws share a panel. */
export function panelOf(name) {
  return ["samples", "mix", "erase", "bits"].includes(name) ? `panel-${name}` : "panel-layers";
}

export function showTab() {
  for (const tab of element("tabs").children) {
    const on = tab.id === `tab-${state.tab}`;
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
  }
  for (const panel of document.querySelectorAll("[role=tabpanel]")) {
    panel.hidden = panel.id !== panelOf(state.tab);
    if (!panel.hidden) panel.setAttribute("aria-labelledby", `tab-${state.tab}`);
  }
}
