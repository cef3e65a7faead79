// A label at the mouse, as Plotly's plots have one. Its text is set as text, never as markup.

import { element, make } from "./dom.js";

const AWAY = 14; // CSS pixels from the mouse

/** Show lines between <br>, of which one between <b> and </b> is bold. */
export function showTip(event, text) {
  const tip = element("tip");
  tip.replaceChildren(...text.split("<br>").map(lineOfTip));
  tip.hidden = false;
  const right = event.clientX + AWAY + tip.offsetWidth < innerWidth;
  const below = event.clientY + AWAY + tip.offsetHeight < innerHeight;
  tip.style.left = `${Math.max(4, right ? event.clientX + AWAY : event.clientX - AWAY - tip.offsetWidth)}px`;
  tip.style.top = `${below ? event.clientY + AWAY : event.clientY - AWAY - tip.offsetHeight}px`;
}

export function hideTip() {
  element("tip").hidden = true;
}

function lineOfTip(line) {
  const bold = line.match(/^<b>(.*)<\/b>$/);
  return make(bold ? "b" : "span", bold ? bold[1] : line);
}
