"use strict";
// Draws the landscape and shows the selected model. Everything read from the data is written as text.

const data = JSON.parse(document.getElementById("data").textContent);
const byKey = new Map(data.runs.map((run, index) => [run.run, index]));
const state = { metric: data.metrics[0], split: data.splits[0], selected: byKey.get(data.selected) };
const severalSeeds = new Set(data.runs.map((run) => run.seed)).size > 1;
const allEqual = data.runs.every((run) => run.equal);

const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const READABLE_ASPECT = 2.5; // axes share one scale only if neither range is more than so many times the other

// ---- words and numbers

const element = (id) => document.getElementById(id);
const subscript = (number) => String(number).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);
const latent = (layer) => "z" + subscript(layer);
const layerAt = (index) => data.layers - index; // layers run top-down: index 0 is z_L
const betaName = (index) => (data.layers === 1 ? "β" : "β" + subscript(layerAt(index)));
const short = (number) => Number(number.toPrecision(3)).toString();
const minus = (text) => text.replace("-ELBO", "−ELBO");

function written(number) {
  if (number === null || number === undefined) return "–";
  const size = Math.abs(number);
  return number.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : 2).replace("-", "−");
}

function rateName(index) {
  const above = data.layers - layerAt(index);
  return above === 0 ? `R(${latent(layerAt(index))})` : `R(${latent(layerAt(index))}|${latent(layerAt(index) + 1)}${above > 1 ? ",…" : ""})`;
}

function betasText(run) {
  const text = allEqual ? `β = ${short(run.betas[0])}` : run.betas.map((beta, index) => `${betaName(index)} = ${short(beta)}`).join(", ");
  return severalSeeds ? `${text}, seed ${run.seed}` : text;
}

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

const valueOf = (run, column = state.metric.column) => run.values[state.split][column];
const shown = (metric, number) => (metric.percent && number !== null && number !== undefined ? (100 * number).toFixed(1) : written(number));
const unitOf = (metric) => (metric.percent ? "%" : metric.unit.replace("nats/image", "nats"));
const withUnit = (metric, number) => `${shown(metric, number)} ${unitOf(metric)}`.trim();
const labelOf = (metric) => minus(metric.percent ? `${metric.name} (%)` : metric.label);
const metricOf = (column) => data.metrics.find((metric) => metric.column === column);
const ofUse = (use) => data.metrics.find((metric) => metric.use === use);

// ---- plots

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue("--" + name).trim();
  return Object.fromEntries(["ink", "quiet", "line", "diagonal", "grid", "outline", "card", "accent", "vae", "beta-vae", "hull"].map((name) => [name, colour(name)]));
}

/** Viridis so that bright is good: turned round for metrics where less is better. */
function scaleColours(metric) {
  return metric.higher_is_better === false ? [...VIRIDIS].reverse() : VIRIDIS;
}

const plotlyScale = (colours) => colours.map((colour, index) => [index / (colours.length - 1), colour]);

function extent(values) {
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

function hoverText(run) {
  const values = run.values[state.split];
  const rates = values.rates.map((rate, index) => `${rateName(index)} ${written(rate)}`);
  const metrics = data.metrics.filter((metric) => metric.column !== "rate" && (metric === state.metric || metric.use || metric.column === "nelbo"));
  const lines = [
    `<b>${betasText(run)}</b>`,
    data.layers > 1 ? `${rates.join(" · ")} · total ${written(values.rate)} nats` : `rate ${written(values.rate)} nats`,
    ...metrics.map((metric) => `${minus(metric.name)} ${withUnit(metric, values[metric.column])}`),
    ...run.collapsed.map((layer) => `${latent(layer)} has collapsed`),
    ...(run.flag ? ["an accuracy on samples is above its ceiling"] : []),
  ];
  return lines.join("<br>");
}

/** Where the models lie in one plot, how they are coloured, and what the axes say. */
function rateShape() {
  const x = data.runs.map((run) => run.values[state.split].rates[0]);
  const y = data.runs.map((run, index) => run.values[state.split].rate - x[index]);
  const lower = Array.from({ length: data.layers - 1 }, (_, index) => latent(data.layers - 1 - index)).join(", ");
  return {
    x, y, diagonals: true, colour: metricColour(), asked: askedPlaces(),
    title: data.layers > 2 ? "Division of the rate: top layer and all below" : "Over the layer rates",
    xTitle: `R(${latent(data.layers)}), nats per image`, yTitle: `R(${lower}|${latent(data.layers)}), nats per image`,
  };
}

/** Where rates that were asked for lie in the plane of rates, and where the model found for them does. */
function askedPlaces() {
  const place = (rates) => (rates.every((rate) => rate !== null) ? [rates[0], rates.slice(1).reduce((sum, rate) => sum + rate, 0)] : null);
  const places = data.answers.map((answer) => ({ answer, wanted: place(answer.wanted), found: place(answer.rates) }));
  return places.filter(({ wanted, found }) => wanted && found);
}

function askedTraces(asked, look) {
  const marks = (name, key, symbol, size) => ({
    x: asked.map((one) => one[key][0]), y: asked.map((one) => one[key][1]), name, type: "scatter", mode: "markers", text: asked.map(({ answer }) => answerText(answer)),
    hovertemplate: "%{text}<extra></extra>", marker: { symbol, size, color: look.ink, line: { width: 2, color: look.ink } },
  });
  const way = { x: asked.flatMap(({ wanted, found }) => [wanted[0], found[0], null]), y: asked.flatMap(({ wanted, found }) => [wanted[1], found[1], null]), name: "way", type: "scatter", mode: "lines", hoverinfo: "skip", line: { width: 1.2, color: look.ink } };
  return asked.length ? [way, marks("asked for", "wanted", "diamond-open", 13), marks("found", "found", "x-thin", 8)] : [];
}

const off = (outcome) => (outcome.error === null ? "–" : `${outcome.error < 0 ? "−" : "+"}${Math.abs(100 * outcome.error).toFixed(1)} %`);
const layersOf = (outcome) => outcome.layers.map(latent).join(" + ");

function answerText(answer) {
  const lines = answer.outcomes.map((one) => `${layersOf(one)}: ${written(one.achieved)} of ${written(one.wanted)} nats (${off(one)}), ${one.status.replaceAll("_", " ")}`);
  return [`<b>asked for, and found at β ${answer.betas.map(short).join(", ")}</b>`, ...lines].join("<br>");
}

function drawAsked() {
  element("asked-card").hidden = data.answers.length === 0;
  if (!data.answers.length) return;
  const trained = data.answers.some((answer) => answer.run !== null), solved = data.answers.some((answer) => answer.run === null);
  const ways = [...(trained ? ["betas steered while a model trains"] : []), ...(solved ? ["betas found on the conditioned network, without training"] : [])];
  element("asked-note").textContent = `${ways.join("; ")}. Rates are held out (${data.chosen_on}), in nats per image. Diamonds in the plane of rates are what was asked for, crosses what was found.`.replace(/^./, (first) => first.toUpperCase());
  const rows = data.answers.flatMap((answer) => answer.outcomes.map((one, index) => [
    index ? "" : answer.betas.map(short).join(", "), layersOf(one), written(one.wanted), written(one.achieved), off(one), one.status.replaceAll("_", " "), index ? "" : written(answer.distortion),
  ]));
  fillTable(element("asked"), ["β found", "layer", "asked for", "found", "off", "status", "distortion"], rows);
  element("control").hidden = !data.control;
  if (data.control) element("control").src = data.control;
}

function metricColour() {
  const values = data.runs.map((run) => valueOf(run));
  return { values, range: extent(values), colours: scaleColours(state.metric) };
}

function betaShape() {
  if (allEqual) {
    return {
      x: data.runs.map((run) => run.betas[0]), y: data.runs.map((run) => valueOf(run)), logX: true, colour: metricColour(), percent: state.metric.percent,
      title: "Over β", xTitle: "β, the price of a nat", yTitle: labelOf(state.metric),
    };
  }
  const words = { title: "Over the multipliers β", xTitle: "β₂, the price of a nat in z₂", yTitle: "β₁, the price of a nat in z₁" };
  if (!data.gridded) return { x: data.runs.map((run) => run.betas[0]), y: data.runs.map((run) => run.betas[1]), logX: true, logY: true, colour: metricColour(), ...words };
  const columns = betaSteps(0), rows = betaSteps(1);
  const seeds = [...new Set([...data.runs, ...data.diverged].map((run) => run.seed))].sort((a, b) => a - b);
  const place = (run) => run.betas[0] * columns.ratio ** (((seeds.indexOf(run.seed) + 0.5) / seeds.length - 0.5) * 0.9);
  return {
    x: data.runs.map(place), y: data.runs.map((run) => run.betas[1]), logX: true, logY: true, colour: metricColour(),
    cells: { columns, rows, seeds: seeds.length, crosses: data.diverged.map((run) => [place(run), run.betas[1]]) }, ...words,
  };
}

function betaSteps(index) {
  const values = [...new Set([...data.runs, ...data.diverged].map((run) => run.betas[index]))].sort((a, b) => a - b);
  const ratios = values.slice(1).map((value, k) => value / values[k]);
  return { values, ratio: ratios.length ? Math.min(...ratios) : 2 };
}

function totalShape() {
  const several = data.layers > 1;
  const colour = several
    ? data.runs.map((run) => run.values[state.split].rates[0] / Math.max(run.values[state.split].rate, 1e-9))
    : data.runs.map((run) => Math.log10(run.betas[0]));
  return {
    x: data.runs.map((run) => run.values[state.split].rate), y: data.runs.map((run) => valueOf(run)),
    colour: { values: colour, range: several ? [0, Math.max(...colour)] : extent(colour), colours: VIRIDIS, bar: several ? { text: `share of ${latent(data.layers)}` } : betaBar() },
    title: several ? `Over the total rate; colour: the share of ${latent(data.layers)}` : "Over the rate",
    xTitle: several ? "total rate, nats per image" : "rate, nats per image", yTitle: labelOf(state.metric), percent: state.metric.percent,
  };
}

/** A colour bar of log10(beta), with ticks that say beta. */
function betaBar() {
  const { tickvals, ticktext } = betaTicks(betaSteps(0).values);
  return { text: "β", ticks: { tickvals: tickvals.map(Math.log10), ticktext } };
}

/** RBF accuracy from the top layer over the total rate, under every model's own ceiling (Fig. 6 of the paper). */
function ceilingShape() {
  const metric = metricOf(`accuracy_rbf_${data.layers}`), top = data.runs.map((run) => run.values[state.split].rates[0]);
  return {
    x: data.runs.map((run) => run.values[state.split].rate), y: data.runs.map((run) => valueOf(run, metric.column)), metric, percent: true,
    colour: { values: top, range: extent(top), colours: VIRIDIS, bar: { text: `R(${latent(data.layers)}), nats` } },
    ceilings: data.runs.map((run) => valueOf(run, `ceiling_rate_${data.layers}`) ?? null),
    title: `${metric.name} over the total rate`, xTitle: "total rate, nats per image", yTitle: labelOf(metric),
  };
}

const shapes = { left: data.layers === 2 ? rateShape : totalShape, right: data.layers > 2 ? rateShape : betaShape };
if (metricOf(`accuracy_rbf_${data.layers}`)) shapes.ceiling = ceilingShape;

function ring(name, indices, shape, size, colour, width, paper, symbol = "circle-open") {
  const places = { x: indices.map((index) => shape.x[index]), y: indices.map((index) => shape.y[index]) };
  const trace = (label, stroke, line) => ({
    ...places, name: label, type: "scatter", mode: "markers", hoverinfo: "skip",
    marker: { symbol, size, color: stroke, line: { width: line, color: stroke } },
  });
  return [trace(name + " halo", paper, width + 2.5), trace(name, colour, width)];
}

function traces(shape, size, look) {
  const indices = data.runs.map((_, index) => index);
  const hull = data.hulls[state.split][(shape.metric ?? state.metric).column];
  const base = shape.cells ? Math.min(13, size * 0.55) : size;
  const models = {
    x: shape.x, y: shape.y, name: "models", type: "scatter", mode: "markers", customdata: indices,
    text: data.runs.map(hoverText), hovertemplate: "%{text}<extra></extra>",
    marker: {
      size, symbol: shape.cells ? "square" : "circle", color: shape.colour.values, cmin: shape.colour.range[0], cmax: shape.colour.range[1],
      colorscale: plotlyScale(shape.colour.colours), opacity: 1, line: { width: shape.cells ? 0 : 0.6, color: look.outline },
      ...(shape.colour.bar ? { showscale: true, colorbar: { thickness: 10, outlinewidth: 0, title: { text: shape.colour.bar.text, side: "right", font: { size: 12 } }, tickfont: { size: 12 }, ...shape.colour.bar.ticks } } : {}),
    },
  };
  const line = { x: hull.map((i) => shape.x[i]), y: hull.map((i) => shape.y[i]), name: "hull line", type: "scatter", mode: "lines", hoverinfo: "skip", opacity: 0.7, line: { color: look.hull, width: 1.3, dash: "dot" } };
  const crosses = shape.cells ? shape.cells.crosses : [];
  const cross = { x: crosses.map((c) => c[0]), y: crosses.map((c) => c[1]), name: "diverged", type: "scatter", mode: "markers", hovertemplate: "training diverged<extra></extra>", marker: { symbol: "x-thin", size: 11, line: { width: 2, color: look.quiet } } };
  const flagged = indices.filter((index) => shape.ceilings && data.runs[index].flag.includes(shape.metric.column));
  const ceilings = { x: shape.x, y: shape.ceilings ?? [], name: "ceilings", type: "scatter", mode: "markers", hoverinfo: "skip", marker: { symbol: "line-ew-open", size: 9, line: { width: 1.5 }, color: look.quiet } };
  const defects = { x: flagged.map((i) => shape.x[i]), y: flagged.map((i) => shape.y[i]), name: "flagged", type: "scatter", mode: "markers", hoverinfo: "skip", marker: { symbol: "x-thin", size: 11, line: { width: 3, color: look["beta-vae"] } } };
  return [
    ...askedTraces(shape.asked ?? [], look), ...(shape.logX ? [] : [line]), ...(shape.ceilings ? [ceilings] : []), models, cross, ...(shape.ceilings ? [defects] : []),
    ...ring("hull", hull, shape, base + 9, look.hull, 2, look.card),
    ...ring("beta-VAE", indices.filter((i) => data.runs[i].equal && !data.runs[i].vae && data.layers > 1), shape, base + 2, look["beta-vae"], 2, look.card),
    ...ring("VAE", indices.filter((i) => data.runs[i].vae), shape, base + 2, look.vae, 2, look.card),
    ...ring("selected", [state.selected], shape, shape.cells ? size : base + 16, look.accent, 3, look.card, shape.cells ? "square-open" : "circle-open"),
  ];
}

/** Plain limits, from zero where rates are shown, with a margin for rings. */
function limits(values, fromZero) {
  const [low, high] = extent(values);
  const start = fromZero ? 0 : low;
  const margin = 0.07 * (high - start || 1);
  return [start - margin, high + margin];
}

function cellLimits({ values, ratio }) {
  const margin = 0.58 * Math.log10(ratio);
  return [Math.log10(values[0]) - margin, Math.log10(values[values.length - 1]) + margin];
}

function betaTicks(values) {
  const shown = values.length > 9 ? values.filter((value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-6) : values;
  return { tickvals: shown, ticktext: shown.map((value) => Number(value.toPrecision(2)).toString()) };
}

const plainValues = [-3, -2, -1, 0, 1, 2].flatMap((power) => [1, 2, 5].map((digit) => Number((digit * 10 ** power).toPrecision(3))));
const plainTicks = { tickvals: plainValues, ticktext: plainValues.map(String) };

function niceStep(range) {
  const rough = range / 9, power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

/** Lines of equal total rate, labelled where they enter the plot. */
function diagonals([left, right], [bottom, top], look) {
  const step = niceStep(right + top);
  const lines = [], labels = [];
  for (let total = step; total < right + top; total += step) {
    const start = Math.max(left, total - top), end = Math.min(right, total - bottom);
    lines.push({ type: "line", layer: "below", x0: start, y0: total - start, x1: end, y1: total - end, line: { color: look.diagonal, width: 1 } });
    if (start > right - 0.12 * (right - left)) continue;
    labels.push({ x: start, y: total - start, text: short(total), showarrow: false, xanchor: "left", yanchor: "top", font: { size: 11, color: look.quiet }, borderpad: 1 });
  }
  return { lines, labels };
}

function layout(shape, look, node) {
  const axis = { gridcolor: look.grid, linecolor: look.line, zeroline: false, showline: true, mirror: true, ticks: "outside", tickcolor: look.line, fixedrange: true };
  const title = (text) => ({ text, font: { size: 13 }, standoff: 8 });
  const x = { ...axis, title: title(shape.xTitle) }, y = { ...axis, title: title(shape.yTitle) };
  const result = {
    xaxis: x, yaxis: y, margin: { l: 62, r: shape.colour.bar ? 74 : 14, t: 10, b: 52 }, showlegend: false, dragmode: false, hovermode: "closest",
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", height: node.clientHeight, width: node.clientWidth,
    font: { color: look.ink, size: 12.5, family: getComputedStyle(document.body).fontFamily },
    hoverlabel: { bgcolor: look.card, bordercolor: look.accent, align: "left", font: { color: look.ink, size: 12.5, family: getComputedStyle(document.body).fontFamily } },
  };
  if (shape.cells) {
    Object.assign(x, { type: "log", range: cellLimits(shape.cells.columns), showgrid: false, ...betaTicks(shape.cells.columns.values) });
    Object.assign(y, { type: "log", range: cellLimits(shape.cells.rows), showgrid: false, scaleanchor: "x", constrain: "domain", constraintoward: "top", ...betaTicks(shape.cells.rows.values) });
    x.constrain = "domain";
  } else if (shape.logY) {
    for (const [axis, values] of [[x, shape.x], [y, shape.y]]) Object.assign(axis, { type: "log", range: [Math.log10(Math.min(...values) / 1.4), Math.log10(Math.max(...values) * 1.4)], ...plainTicks });
  } else if (shape.logX) {
    Object.assign(x, { type: "log", ...betaTicks([...new Set(shape.x)].sort((a, b) => a - b)), minor: { ticks: "" } });
    y.range = limits(shape.y, false);
  } else {
    // What was asked for far beyond the models must not push them into a corner: the line to it leaves the plot.
    const asked = (axis, values) => (shape.asked ?? []).flatMap(({ wanted, found }) => [Math.min(wanted[axis], 1.3 * Math.max(...values)), found[axis]]);
    x.range = limits([...shape.x, ...asked(0, shape.x)], true);
    y.range = limits([...shape.y, ...(shape.ceilings ?? []), ...asked(1, shape.y)], Boolean(shape.diagonals));
  }
  if (shape.percent) Object.assign(y, { tickformat: ".0%", title: title(shape.yTitle.replace(" (%)", "")) });
  if (shape.diagonals) {
    const ratio = (y.range[1] - y.range[0]) / (x.range[1] - x.range[0]);
    if (ratio < READABLE_ASPECT && ratio > 1 / READABLE_ASPECT) Object.assign(y, { scaleanchor: "x", constrain: "domain" }), (x.constrain = "domain");
    const { lines, labels } = diagonals(x.range, y.range, look);
    Object.assign(result, { shapes: lines, annotations: labels });
    x.showgrid = y.showgrid = false;
  }
  return result;
}

/** Size of a marker in pixels: a cell of the grid, or a point that leaves room for its neighbours. */
function markerSize(shape, plan) {
  if (!shape.cells) return data.runs.length > 100 ? 8 : 11;
  const { margin, width, height } = plan;
  const across = (width - margin.l - margin.r) / (shape.cells.columns.values.length + 0.16);
  const down = (height - margin.t - margin.b) / (shape.cells.rows.values.length + 0.16);
  return Math.max(4, (Math.min(across, down) / shape.cells.seeds) * 0.94);
}

function drawPlots() {
  const look = theme();
  for (const side of Object.keys(shapes)) {
    const node = element(side), shape = shapes[side](), plan = layout(shape, look, node);
    element(side + "-title").textContent = shape.metric ? shape.title : `${minus(state.metric.name)}: ${shape.title[0].toLowerCase()}${shape.title.slice(1)}`;
    node.setAttribute("aria-label", `Plot of ${(shape.metric ?? state.metric).name}, ${shape.title}. Arrow keys move the selection.`);
    node.shape = shape;
    Plotly.react(node, traces(shape, markerSize(shape, plan), look), plan, { displayModeBar: false, responsive: false, doubleClick: false });
  }
  element("surface-title").textContent = threeUses ? "Three uses at once; colour: the multipliers β" : `${minus(state.metric.name)} over the layer rates`;
  drawSurface(look);
}

// ---- the surface in three dimensions

const USE_AXES = ["reconstruction", "generation", "representation"].map(ofUse);
const USE_MARKS = { reconstruction: "▲", generation: "★", representation: "◆" };
const threeUses = USE_AXES.every(Boolean);

/** Three coordinates of every model: three uses where they were measured (Fig. 1), else rates and metric (Fig. 3). */
function surfaceAxes() {
  if (threeUses) return USE_AXES.map((metric) => ({ values: data.runs.map((run) => valueOf(run, metric.column)), title: labelOf(metric).replace(" (%)", ""), percent: metric.percent }));
  const rate = (index) => ({ values: data.runs.map((run) => run.values[state.split].rates[index]), title: `${rateName(index)}, nats` });
  return [rate(0), rate(1), { values: data.runs.map((run) => valueOf(run)), title: labelOf(state.metric).replace(" (%)", ""), percent: state.metric.percent }];
}

/** Three dimensions cost time without a graphics card: they are drawn when they are looked at. */
const seen = new IntersectionObserver(([entry]) => {
  state.surfaceInView = entry.isIntersecting;
  if (state.surfaceInView) drawSurface(theme());
});

function drawSurface(look) {
  if (!data.surface || !state.surfaceInView) return;
  const node = element("surface"), axes = surfaceAxes(), [x, y, z] = axes.map((axis) => axis.values);
  const whole = (index) => axes.every((axis) => axis.values[index] !== null);
  const corners = data.surface.triangles.filter((corner) => corner.every(whole));
  const paint = threeUses ? { vertexcolor: data.surface.colours } : { intensity: z, colorscale: plotlyScale(scaleColours(state.metric)), showscale: false };
  const mesh = {
    type: "mesh3d", x, y, z, i: corners.map((c) => c[0]), j: corners.map((c) => c[1]), k: corners.map((c) => c[2]), ...paint,
    hoverinfo: "skip", flatshading: true, lighting: { ambient: 0.75, diffuse: 0.45, specular: 0.05 }, name: "surface",
  };
  const points = {
    type: "scatter3d", mode: "markers", x, y, z, customdata: data.runs.map((_, index) => index), text: data.runs.map(hoverText), hovertemplate: "%{text}<extra></extra>", name: "models",
    marker: { size: 3.5, line: { width: 0.5, color: look.outline }, ...(threeUses ? { color: data.surface.colours } : { color: z, colorscale: paint.colorscale }) },
  };
  const named = [...marksOfSurface(), [state.selected, "", look.accent]].filter(([index]) => whole(index));
  const marks = {
    type: "scatter3d", mode: "markers+text", x: named.map(([i]) => x[i]), y: named.map(([i]) => y[i]), z: named.map(([i]) => z[i]), name: "marks", hoverinfo: "skip",
    text: named.map(([, text]) => text), textposition: "top center", textfont: { size: 20, color: named.map(([, , colour]) => colour ?? look.ink) },
    marker: { size: 7, symbol: "circle-open", line: { width: 2.5 }, color: named.map(([, , colour]) => colour ?? look.ink) },
  };
  const axis = ({ title, percent }) => ({
    title: { text: title, font: { size: 12 } }, gridcolor: look.line, zeroline: false, showspikes: false, backgroundcolor: look.card, color: look.ink, tickfont: { size: 11 }, nticks: 6,
    ...(percent ? { tickformat: ".0%" } : {}),
  });
  const far = node.clientWidth < 480 ? 1.25 : 0.9; // a narrow plot must show the same cube
  const plan = {
    scene: { xaxis: axis(axes[0]), yaxis: axis(axes[1]), zaxis: axis(axes[2]), aspectmode: "cube", camera: { eye: { x: 0.98 * far, y: -2 * far, z: 0.8 * far }, center: { x: 0, y: 0, z: -0.12 } }, uirevision: "camera", dragmode: "turntable" },
    margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)", width: node.clientWidth, height: node.clientHeight, uirevision: "camera",
    font: { color: look.ink, family: getComputedStyle(document.body).fontFamily }, hoverlabel: { bgcolor: look.card, bordercolor: look.accent, align: "left", font: { color: look.ink, size: 12.5 } },
  };
  const fresh = !node.classList.contains("js-plotly-plot");
  Plotly.react(node, [mesh, points, marks], plan, { displayModeBar: false, responsive: false, scrollZoom: false });
  if (fresh) listen(node);
}

/** The best model for each use, and the plain VAE: where they are among the models, and their marks. */
function marksOfSurface() {
  const best = data.picks.filter((pick) => metricOf(pick.metric).use).map((pick) => [byKey.get(pick.best), USE_MARKS[metricOf(pick.metric).use]]);
  const vae = data.runs.findIndex((run) => run.vae);
  return [...best, ...(vae >= 0 ? [[vae, ""]] : [])];
}

function drawNotes() {
  element("surface-figure").hidden = !data.surface;
  element("ceiling-figure").hidden = !shapes.ceiling;
  element("more").classList.toggle("single", !data.surface || !shapes.ceiling);
  element("more").hidden = !data.surface && !shapes.ceiling;
  const note = element("surface-note");
  if (threeUses && data.surface) {
    ["both β small", "β₂ large", "β₁ large", "both large"].forEach((text, index) => {
      const swatch = make("span", undefined, "swatch");
      swatch.style.background = data.surface.corners[index];
      note.append(swatch, text);
    });
  }
  const marks = data.metrics.filter((metric) => metric.use).map((metric) => `${USE_MARKS[metric.use]} best for ${metric.use}`);
  note.append(make("span", [...marks, "○ plain VAE"].join("   ") + ". Drag to turn.", "marks"));
  element("ceiling-note").textContent = "A dash is a ceiling: the best accuracy that a sample of a model's top latent allows at its rate (Eq. 11). Dots are read off its mean, which may tell more.";
}

// ---- the landscape in between

/** The fine landscape in the two planes, in the words of the plots above. */
function fineShapes() {
  const [across, up] = data.fine.betas, { rate_2, rate_1 } = data.fine.values;
  const axis = (values) => ({ values, ratio: values[1] / values[0] });
  return {
    betas: {
      colour: {}, cells: { columns: axis(across), rows: axis(up) },
      title: "Over the multipliers β", xTitle: "β₂, the price of a nat in z₂", yTitle: "β₁, the price of a nat in z₁",
    },
    rates: {
      x: rate_2.flat(), y: rate_1.flat(), diagonals: true, colour: { bar: true },
      title: "Over the layer rates", xTitle: `${rateName(0)}, nats per image`, yTitle: `${rateName(1)}, nats per image`,
    },
  };
}

/** Lines through the fine landscape: those along one beta, or along the other, with gaps between them. */
function fineLines(along) {
  const { rate_2, rate_1 } = data.fine.values;
  const lines = (grid) => (along === 0 ? grid : grid[0].map((_, column) => grid.map((row) => row[column]))).flatMap((line) => [...line, null]);
  return { x: lines(rate_2), y: lines(rate_1) };
}

function fineHover(row, column) {
  const { betas: [across, up], metrics, values } = data.fine;
  const numbers = metrics.map((metric) => `${minus(metric.name)} ${withUnit(metric, values[metric.column][row][column])}`);
  return [`<b>β₂ = ${short(across[column])}, β₁ = ${short(up[row])}</b>`, ...numbers].join("<br>");
}

function fineTraces(metric, look) {
  const { betas: [across, up], values } = data.fine, z = values[metric.column];
  const [low, high] = extent(z.flat()), colorscale = plotlyScale(scaleColours(metric));
  const texts = z.map((line, row) => line.map((_, column) => fineHover(row, column)));
  const bar = { thickness: 10, outlinewidth: 0, title: { text: labelOf(metric).replace("nats/image", "nats"), side: "right", font: { size: 12 } }, tickfont: { size: 12 } };
  const same = across.flatMap((beta, column) => (up.includes(beta) ? [[up.indexOf(beta), column]] : []));
  const dashed = (x, y) => ["halo", "beta-VAE"].map((name) => ({
    x, y, name, type: "scatter", mode: "lines", hoverinfo: "skip", line: name === "halo" ? { color: look.card, width: 3.5 } : { color: look["beta-vae"], width: 2, dash: "dash" },
  }));
  const thin = (along) => ({ ...fineLines(along), name: "mesh", type: "scatter", mode: "lines", hoverinfo: "skip", line: { color: look.quiet, width: 0.7 } });
  return {
    betas: [
      {
        type: "contour", name: "fine", x: across, y: up, z, zmin: low, zmax: high, colorscale, showscale: false, text: texts, hovertemplate: "%{text}<extra></extra>",
        ncontours: 12, contours: { coloring: "heatmap", showlabels: true, labelfont: { size: 11, color: "#ffffff" } }, line: { width: 0.8, color: "rgba(255, 255, 255, 0.75)", smoothing: 0.6 },
      },
      ...dashed(same.map(([, column]) => across[column]), same.map(([row]) => up[row])),
    ],
    rates: [
      thin(0), thin(1),
      {
        type: "scatter", mode: "markers", name: "fine", x: values.rate_2.flat(), y: values.rate_1.flat(), text: texts.flat(), hovertemplate: "%{text}<extra></extra>",
        marker: { size: innerWidth < 480 ? 5 : 7, color: z.flat(), cmin: low, cmax: high, colorscale, line: { width: 0 }, showscale: true, colorbar: bar },
      },
      ...dashed(same.map(([row, column]) => values.rate_2[row][column]), same.map(([row, column]) => values.rate_1[row][column])),
    ],
  };
}

function drawFine() {
  if (!data.fine) return;
  const look = theme(), metric = data.fine.metrics.find(({ column }) => column === element("fine-metric").value);
  const [low, high] = extent(data.fine.values[metric.column].flat()), drawn = fineTraces(metric, look);
  for (const [side, shape] of Object.entries(fineShapes())) {
    const node = element(`fine-${side}`);
    element(`fine-${side}-title`).textContent = `${minus(metric.name)}: ${shape.title[0].toLowerCase()}${shape.title.slice(1)}`;
    node.setAttribute("aria-label", `Plot of ${metric.name}, ${shape.title}, from ${withUnit(metric, low)} to ${withUnit(metric, high)}.`);
    Plotly.react(node, drawn[side], layout(shape, look, node), { displayModeBar: false, responsive: false, doubleClick: false });
  }
}

function connectFine() {
  if (!data.fine) return;
  element("fine").hidden = false;
  element("fine-metric").append(...data.fine.metrics.map((metric) => new Option(labelOf(metric), metric.column)));
  element("fine-metric").addEventListener("change", drawFine);
  const points = data.fine.betas[0].length * data.fine.betas[1].length;
  element("fine-note").textContent =
    `One network that was told its betas gave these ${points} points at no further training, measured on ${data.fine.images} of ${data.chosen_on}; ` +
    "the numbers of the models above are the ones to report. Dashed: β-VAEs, β₂ = β₁. Thin lines: constant β₂, and constant β₁.";
}

function drawControls() {
  const { explanation, higher_is_better: higher } = state.metric, label = labelOf(state.metric);
  const [low, high] = extent(data.runs.map((run) => valueOf(run)));
  element("bar-low").textContent = shown(state.metric, low);
  element("bar-high").textContent = shown(state.metric, high);
  element("lr_warmup").style.background = `linear-gradient(to right, ${scaleColours(state.metric).join(", ")})`;
  element("bar-hint").textContent = [state.metric.percent ? "%" : state.metric.unit, higher === null ? "" : "yellow is better"].filter(Boolean).join("; ");
  element("bar").setAttribute("aria-label", `Colour scale of ${label}, from ${shown(state.metric, low)} to ${shown(state.metric, high)}`);
  element("explanation").textContent = `${label}: ${minus(explanation)}.`;
}

// ---- the selected model

function select(index) {
  state.selected = index;
  drawPlots();
  drawModel();
  drawPressed();
}

/** Step from the selected model to the nearest one in a direction of the plot. */
function step(shape, right, up) {
  const scale = (values, log) => {
    const flat = values.map((value) => (log ? Math.log(value) : value)), [low, high] = extent(flat);
    return flat.map((value) => (value - low) / (high - low));
  };
  const x = scale(shape.x, shape.logX), y = scale(shape.y, shape.logY);
  let nearest = null, least = Infinity;
  data.runs.forEach((_, index) => {
    const dx = x[index] - x[state.selected], dy = y[index] - y[state.selected];
    const along = dx * right + dy * up, aside = Math.abs(dx * up) + Math.abs(dy * right);
    if (along > 1e-9 && along >= aside && along + 2 * aside < least) [nearest, least] = [index, along + 2 * aside];
  });
  if (nearest !== null) select(nearest);
}

function badges(run) {
  const index = state.selected, column = state.metric.column;
  const won = data.picks.filter((pick) => pick.best === run.run && (metricOf(pick.metric).use || pick.metric === column));
  const list = won.map((pick) => {
    const metric = metricOf(pick.metric);
    return [metric.use ? `recommended for ${metric.use}` : `best ${minus(metric.name)}`, "good"];
  });
  if (run.vae) list.push(["plain VAE", "vae"]);
  else if (run.equal && data.layers > 1) list.push(["β-VAE", "beta-vae"]);
  if (data.hulls[state.split][column].includes(index)) list.push([`on the hull of ${minus(state.metric.name)}`, "hull"]);
  if (run.flag) list.push(["an accuracy on samples is above its ceiling", "warn"]);
  run.collapsed.forEach((layer) => list.push([`${latent(layer)} has collapsed`, "warn"]));
  return list.map(([text, name]) => make("li", text, name));
}

function picture(address, caption) {
  const figure = make("figure"), image = make("img");
  image.alt = caption;
  image.onload = () => fit(image);
  image.src = address;
  figure.append(make("figcaption", caption), image);
  return figure;
}

/** Scale a small picture up by a whole number of screen pixels, so that every pixel of it is equally large. */
function fit(image) {
  const room = element("pictures").clientWidth * devicePixelRatio;
  const scale = Math.max(1, Math.floor(room / image.naturalWidth)) / devicePixelRatio;
  image.style.width = `${image.naturalWidth * scale}px`;
}

function fillTable(table, head, rows) {
  const line = (cells, first) => {
    const row = make("tr");
    cells.forEach((cell, index) => {
      const node = make(first || index === 0 ? "th" : "td", cell);
      if (first) node.scope = "col";
      else if (index === 0) node.scope = "row";
      row.append(node);
    });
    return row;
  };
  const top = make("thead"), body = make("tbody");
  top.append(line(head, true));
  body.append(...rows.map((row) => line(row, false)));
  table.replaceChildren(top, body);
}

function drawModel() {
  const run = data.runs[state.selected], values = run.values[state.split];
  element("model-title").textContent = betasText(run);
  element("chooser").value = String(state.selected);
  element("badges").replaceChildren(...badges(run));
  const pictures = [];
  if (run.reconstructions) pictures.push(picture(run.reconstructions, "Originals above, their reconstructions below"));
  if (run.samples) pictures.push(picture(run.samples, "Samples from the prior"));
  element("pictures").replaceChildren(...(pictures.length ? pictures : [make("p", "No pictures of this model were kept.", "quiet")]));
  const layers = [
    ["β", ...run.betas.map(short)],
    ["rate (nats)", ...values.rates.map(written)],
    ["active units", ...run.betas.map((_, index) => String(values.active[index] ?? "–"))],
    ...layerRows(values),
  ];
  fillTable(element("layers"), [`layer, on ${state.split}`, ...run.betas.map((_, index) => latent(layerAt(index)))], layers);
  const rows = data.metrics.filter((metric) => metric.layer === null).map((metric) => [labelOf(metric), ...data.splits.map((split) => shown(metric, run.values[split][metric.column]))]);
  fillTable(element("values"), ["measured on", ...data.splits], rows);
  element("python").textContent = run.python;
  element("shell").textContent = run.shell;
}

/** The metrics of single layers, one row for each kind, one number for each layer. */
function layerRows(values) {
  const kinds = new Map();
  for (const metric of data.metrics.filter((candidate) => candidate.layer !== null)) {
    const kind = metric.column.replace(/_\d+$/, "");
    if (!kinds.has(kind)) kinds.set(kind, [labelOf(metric).replace(/[₀-₉]/g, ""), ...Array(data.layers).fill("–")]);
    kinds.get(kind)[1 + data.layers - metric.layer] = shown(metric, values[metric.column]);
  }
  return [...kinds.values()];
}

// ---- what to pick, Table 1, warnings, provenance

function drawPicks() {
  const test = data.splits.includes("test") ? "test" : data.chosen_on;
  element("picks-note").textContent =
    data.chosen_on === "test" ? "Chosen and measured on test, as the paper does: the winners look a little too good." : `Chosen on ${data.chosen_on}; the numbers are those on test.`;
  const entry = (label, key, metric, className) => {
    const run = data.runs[byKey.get(key)], button = make("button", undefined, className);
    button.type = "button";
    button.dataset.run = key;
    const betas = run.equal && data.layers > 1 ? `all ${short(run.betas[0])}` : run.betas.map(short).join(", ");
    button.append(make("span", label), make("span", withUnit(metric, run.values[test][metric.column])), make("span", `β ${betas} · ${run.values[test].rate.toFixed(1)}\u00a0nats`, "at"));
    button.addEventListener("click", () => select(byKey.get(key)));
    return button;
  };
  const others = make("details"), few = data.picks.length <= 4;
  others.id = "others";
  others.append(make("summary", "By other metrics"));
  for (const pick of data.picks) {
    const metric = metricOf(pick.metric);
    const block = make("div", undefined, "pick");
    const direction = metric.higher_is_better ? "highest" : "lowest";
    block.append(make("h3", metric.use ? `For ${metric.use}: ${direction} ${minus(metric.name)}` : `${direction[0].toUpperCase()}${direction.slice(1)} ${minus(metric.name)}`));
    block.append(entry("best", pick.best, metric, "winner"));
    if (pick.beta_vae && data.layers > 1) block.append(entry("best β-VAE", pick.beta_vae, metric));
    block.append(entry(pick.vae_is_exact ? "plain VAE" : "nearest VAE", pick.vae, metric));
    (few || metric.use ? element("picks") : others).append(block);
  }
  if (!few) element("picks").append(others);
}

/** Table 1 of the paper: the best accuracy by classifier and layer; an entry selects its model. */
function drawTable1() {
  element("table1-card").hidden = !data.table1;
  if (!data.table1) return;
  const { classifiers, layers, cells, caption } = data.table1;
  element("table1-note").textContent = caption;
  fillTable(element("table1"), ["features", ...classifiers], layers.map((layer) => ["μ" + subscript(layer), ...classifiers.map(() => "–")]));
  cells.forEach((row, i) => row.forEach((cell, j) => {
    if (!cell) return;
    const button = make("button", cell.value === null ? "–" : cell.value.toFixed(2));
    button.type = "button";
    button.dataset.run = cell.run;
    button.title = betasText(data.runs[byKey.get(cell.run)]);
    button.addEventListener("click", () => select(byKey.get(cell.run)));
    element("table1").tBodies[0].rows[i].cells[j + 1].replaceChildren(button);
  }));
}

function drawPressed() {
  const key = data.runs[state.selected].run;
  document.querySelectorAll(".pick button, #table1 button").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.run === key)));
}

function drawFixed() {
  document.body.classList.add(data.layers === 1 ? "one" : data.layers === 2 ? "two" : "many");
  const layers = data.layers === 1 ? "1 latent layer" : `${data.layers} latent layers`;
  const facts = [data.family === "residual" ? "residual VAE" : data.family === "bottom-up" ? "bottom-up HVAE" : data.family.toUpperCase(), layers, `${data.runs.length} of ${data.asked} models shown`];
  element("facts").textContent = facts.join(" · ");
  if (data.warnings.length) {
    const link = make("a", data.warnings.length === 1 ? "1 warning" : `${data.warnings.length} warnings`);
    link.href = "#warnings";
    element("facts").append(" · ", link);
  }
  element("warnings").hidden = data.warnings.length === 0;
  element("warning-list").append(...data.warnings.map((line) => make("li", line)));
  for (const [name, value] of Object.entries(data.provenance)) element("provenance").append(make("dt", name.replaceAll("_", " ")), make("dd", value));
  element("spec").textContent = data.spec;
}

function drawKey() {
  const hull = data.hulls[state.split][state.metric.column].length > 0;
  const entries = [
    ["var(--vae)", "plain VAE: all β = 1", data.runs.some((run) => run.vae)],
    ["var(--beta-vae)", "β-VAE: equal β", data.layers > 1 && data.runs.some((run) => run.equal && !run.vae)],
    ["var(--hull)", `upper hull: best ${minus(state.metric.name)} for its total rate`, hull],
    ["var(--accent)", "selected: click a point, or use the arrow keys", true],
  ];
  const items = entries.filter((entry) => entry[2]).map(([colour, text]) => {
    const item = make("li"), mark = make("span", undefined, "ring");
    mark.style.borderColor = colour;
    item.append(mark, text);
    return item;
  });
  if (data.diverged.length && shapes.right === betaShape && !allEqual) {
    const item = make("li");
    item.append(make("span", "×", "cross"), "training diverged");
    items.push(item);
  }
  element("key").replaceChildren(...items);
}

// ---- wiring

function redraw() {
  drawControls();
  drawKey();
  drawPlots();
  drawModel();
  drawPressed();
}

/** The metrics to choose from: those of the whole model, then those of each layer. */
function metricOptions() {
  const option = (metric) => new Option(labelOf(metric), metric.column);
  const groups = [...new Set(data.metrics.map((metric) => metric.layer))];
  if (groups.length === 1) return data.metrics.map(option);
  return groups.map((layer) => {
    const group = make("optgroup");
    group.label = layer === null ? "the whole model" : `what ${latent(layer)} holds`;
    group.append(...data.metrics.filter((metric) => metric.layer === layer).map(option));
    return group;
  });
}

/** Clicks and arrow keys on a plot select a model. */
function listen(node) {
  const directions = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  node.on("plotly_click", (event) => {
    const point = event.points.find((candidate) => candidate.customdata !== undefined);
    if (point) select(point.customdata);
  });
  node.addEventListener("keydown", (event) => {
    if (!(event.key in directions) || !node.shape) return;
    event.preventDefault();
    step(node.shape, ...directions[event.key]);
  });
}

function connect() {
  const metric = element("metric");
  metric.append(...metricOptions());
  metric.addEventListener("change", () => {
    state.metric = data.metrics.find((candidate) => candidate.column === metric.value);
    redraw();
  });
  for (const split of data.splits) {
    const label = make("label"), input = make("input");
    Object.assign(input, { type: "radio", name: "split", value: split, checked: split === state.split });
    input.addEventListener("change", () => {
      state.split = split;
      redraw();
    });
    label.append(input, split);
    element("splits").append(label);
  }
  const chooser = element("chooser");
  chooser.append(...data.runs.map((run, index) => new Option(betasText(run), String(index))));
  chooser.addEventListener("change", () => select(Number(chooser.value)));
  Object.keys(shapes).map(element).forEach(listen);
  if (data.surface) seen.observe(element("surface"));
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // phones report a change of height on every scroll
    width = innerWidth;
    drawPlots();
    drawFine();
    document.querySelectorAll("#pictures img").forEach(fit);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawPlots();
    drawFine();
  });
}

drawFixed();
drawPicks();
drawTable1();
drawAsked();
drawNotes();
drawPlots(); // makes the plots that connect() listens to
connect();
redraw();
connectFine();
drawFine();
