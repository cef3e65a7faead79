// The numbers: for each group a slider, its beta, the rate asked for, the rate there; then the whole model.

import { element, make } from "../../report/page/dom.js";
import { written } from "../../report/page/numbers.js";
import { betaName, facts, rateName } from "./facts.js";
import { mesh } from "./mesh.js";
import { settle, toBetas, toRateOf } from "./moves.js";
import { state } from "./state.js";

const FINE = 1000; // steps of a slider

export function buildReadings() {
  element("groups").replaceChildren(...facts.groups.map((_, group) => groupRow(group)));
  element("hold").addEventListener("change", (event) => {
    state.hold = event.target.checked;
  });
  element("hold-label").hidden = facts.groups.length < 2 || facts.kind === "models";
}

function groupRow(group) {
  const row = make("tr");
  const name = make("th", rateName(group));
  name.scope = "row";
  const slider = make("input");
  Object.assign(slider, { type: "range", min: 0, max: FINE, step: 1, className: "slider" });
  slider.addEventListener("input", () => slide(group, slider.value / FINE));
  slider.addEventListener("change", settle);
  row.append(name, cellOf(slider), cellOf(field(group, "beta")), cellOf(field(group, "rate")), make("td", "", "got"));
  return row;
}

function cellOf(node) {
  const cell = make("td");
  cell.append(node);
  return cell;
}

/** A field to type a beta or a rate into. */
function field(group, kind) {
  const input = make("input", undefined, kind);
  const label = kind === "beta" ? betaName(group) : `${rateName(group)} asked for, in nats`;
  Object.assign(input, { type: "text", inputMode: "decimal", autocomplete: "off", ariaLabel: label });
  input.addEventListener("change", () => {
    const value = Number(input.value.replace(",", "."));
    if (!(value >= 0 && value < 1e9) || (kind === "beta" && value === 0)) drawReadings();
    else if (kind === "rate") toRateOf(group, value, {});
    else toBetas(state.betas.map((beta, index) => (index === group ? value : beta)));
    settle();
  });
  return input;
}

function slide(group, part) {
  const more = { moving: true };
  if (state.mode === "rates") {
    toRateOf(group, part * mesh.most[group], more);
    return;
  }
  const [low, high] = facts.box[group];
  const beta = low * (high / low) ** part;
  toBetas(
    state.betas.map((one, index) => (index === group ? beta : one)),
    more,
  );
}

export function drawReadings() {
  const rates = state.mode === "rates";
  element("hold").disabled = !rates;
  for (const [group, row] of [...element("groups").children].entries()) drawGroup(row, group, rates);
  const { got, view } = state;
  element("total").textContent = `${written(got.rate)} nats · ${written(got.rate / Math.LN2)} bits`;
  element("psnr").textContent = `${written(got.psnr)} dB`;
  element("distance").textContent = state.hull?.words ?? "";
  const here =
    view?.rate === undefined
      ? ""
      : `${written(view.rate)} nats · PSNR ${written(view.psnr)} dB · −ELBO ${written(view.nelbo)}`;
  element("shown").textContent = here;
}

function drawGroup(row, group, rates) {
  const [slider, beta, rate] = row.querySelectorAll("input");
  const [low, high] = facts.box[group];
  const asked = state.asked?.[group];
  const part = rates
    ? (asked ?? state.got.rates[group]) / (mesh.most[group] || 1)
    : Math.log(state.betas[group] / low) / Math.log(high / low || 2);
  const words = rates ? `${rateName(group)}, in nats` : betaName(group);
  slider.ariaLabel = words;
  if (document.activeElement !== slider || !state.moving) slider.value = FINE * part;
  slider.ariaValueText = written(rates ? (asked ?? state.got.rates[group]) : state.betas[group]);
  setField(beta, state.betas[group].toPrecision(3));
  setField(rate, asked === undefined ? "" : written(asked));
  rate.placeholder = written(state.got.rates[group]);
  rate.classList.toggle("unreached", state.reached?.[group] === false);
  row.lastChild.textContent = written(state.got.rates[group]);
}

/** Nobody's typing is overwritten. */
function setField(input, text) {
  if (document.activeElement !== input || !state.moving) input.value = text;
}
