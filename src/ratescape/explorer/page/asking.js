// Ask for a model by its use, keep the one that is here, and copy the address of what is seen.

import { element } from "../../report/page/dom.js";
import { fragment } from "./address.js";
import { facts } from "./facts.js";
import { toBetas } from "./moves.js";
import { say } from "./saying.js";
import { request } from "./server.js";
import { state } from "./state.js";

export function connectAsking() {
  const uses = facts.abilities.ask ?? facts.uses;
  element("use").append(...uses.map((use) => new Option(use, use)));
  element("ask").hidden = uses.length === 0;
  element("ask").addEventListener("submit", ask);
  element("keep").hidden = !facts.abilities.keep;
  element("keep").addEventListener("click", keep);
  element("copy").addEventListener("click", copy);
}

async function ask(event) {
  event.preventDefault();
  const text = element("budget").value.trim().replace(",", ".");
  const budget = Number(text);
  if (text && !(budget > 0)) {
    say(`${text} is no number of nats above 0: leave it empty for no limit.`, "wrong");
    return;
  }
  const body = { use: element("use").value, ...(text && { max_rate: budget }) };
  await told("ask", "/api/ask", body, ({ betas, sentence }) => {
    toBetas(betas);
    return sentence;
  });
}

async function keep() {
  await told("keep", "/api/keep", { betas: state.betas }, ({ path, python }) => {
    return `Kept as ${path}. In Python: ${python}`;
  });
}

/** Do something, and say what came of it. */
async function told(kind, path, body, words) {
  try {
    const found = await request(kind, path, body);
    if (found) say(words(found));
  } catch (error) {
    say(error.message, "wrong");
  }
}

async function copy() {
  const address = `${location.origin}/#${fragment()}`;
  try {
    await navigator.clipboard.writeText(address);
    say("Copied, without the token: whoever has the landscape puts what is behind # at the end of their own address.");
  } catch {
    say(address);
  }
}
