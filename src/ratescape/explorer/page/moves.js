// Going to other betas: by them, or by rates that are asked for.

import { betasFor, guess, possible } from "./mesh.js";
import { say } from "./saying.js";
import { request } from "./server.js";
import { change, state } from "./state.js";

export function toBetas(betas, more = {}) {
  const there = possible(betas);
  change({ betas: there, asked: null, reached: null, got: guess(there), ...more });
}

export function toRates(rates, more = {}) {
  const asked = rates.map((rate) => Math.max(0, rate));
  const betas = betasFor(asked);
  change({ betas, asked, reached: null, got: guess(betas), ...more });
}

/** Change the rate of one group; with the total held, the others make room in proportion. */
export function toRateOf(group, rate, more = {}) {
  const before = state.asked ?? state.got.rates;
  const total = before.reduce((sum, one) => sum + one, 0);
  const wanted = state.hold ? Math.min(total, rate) : rate;
  const rest = total - before[group];
  const share = (one) => (rest > 0 ? one / rest : 1 / (before.length - 1));
  toRates(
    before.map((one, index) => {
      if (index === group) return wanted;
      return state.hold ? share(one) * (total - wanted) : one;
    }),
    more,
  );
}

/** Once a point is let go of, the server finds its betas by the model itself. */
export async function settle() {
  change({ moving: false });
  if (!state.asked) return;
  const { asked } = state;
  try {
    const found = await request("solve", "/api/solve", { rates: asked });
    if (found && state.asked === asked) change({ betas: found.betas, reached: found.reached, got: guess(found.betas) });
  } catch (error) {
    say(error.message, "wrong");
  }
}
