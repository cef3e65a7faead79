// What the page says in words: one line to read, and numbers for screen readers, not more often than these can speak.

import { element } from "../../report/page/dom.js";

const QUIET = 1200; // milliseconds in which nothing has changed before numbers are spoken

let speaking;

/** Show one line; `kind` is "wrong" for an error. */
export function say(text, kind = "") {
  element("said").textContent = text;
  element("said").className = kind;
}

export function sayNumbers(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    element("spoken").textContent = text;
  }, QUIET);
}
