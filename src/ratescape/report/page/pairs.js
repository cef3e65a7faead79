// Landscapes of more than two betas: the rates of every two groups of layers, and the simplex of three shares.

import { data } from "./data.js";
import { element } from "./dom.js";
import { axisLayout } from "./layout.js";
import { plainLayout } from "./look.js";
import { state } from "./state.js";

const GAP = 0.035; // between panels, as a part of the whole
const MARKED_GROUPS = 4; // of more, only the selected model wears a ring: panels are small

/** A panel for every two groups, the upper one to the right: the lower triangle of a matrix. */
export function pairsShape(colour) {
  const rates = data.groups.map((_, group) => data.runs.map((run) => run.values[state.split].group_rates[group]));
  const panels = rates.flatMap((y, row) => rates.slice(0, row).map((x, column) => panelOf({ x, y }, row, column)));
  const { points } = panels[Number(element("left").dataset.panel ?? 0)];
  const few = data.groups.length <= MARKED_GROUPS;
  return {
    title: `Rates of every two ${data.many.noun}`,
    panels,
    points,
    colour,
    layout: pairsLayout,
    plain: !few,
    x: {},
  };
}

function panelOf(points, row, column) {
  return { points, axes: { xaxis: `x${column + 1}`, yaxis: `y${row}` } };
}

function pairsLayout(_, look, node) {
  const count = data.groups.length - 1;
  const side = (1 + GAP) / count - GAP;
  const layout = { ...plainLayout(look, node), margin: { l: 58, r: 12, t: 10, b: 50 } };
  for (let place = 0; place < count; place++) {
    const start = place * (side + GAP);
    layout[`xaxis${place + 1}`] = sharedAxis(place, [start, start + side], `y${count}`, look, node);
    layout[`yaxis${place + 1}`] = sharedAxis(place + 1, [1 - start - side, 1 - start], "x1", look, node);
  }
  return { ...layout, dragmode: false, hovermode: "closest" };
}

function sharedAxis(group, domain, anchor, look, node) {
  const shape = { limits: data.many.limits[state.split][group] };
  const nticks = Math.max(3, Math.round(node.clientWidth / data.groups.length / 55));
  const title = `${data.groups[group].name}, nats`;
  return { ...axisLayout(shape, title, look), domain, anchor, nticks, mirror: "all" };
}

/** How the total rate divides between three groups. */
export function simplexShape(colour) {
  const { simplex } = data.many;
  const { points } = simplex.splits[state.split];
  return { ...simplex, title: "Shares of the total rate", points, colour, layout: simplexLayout, x: {} };
}

function simplexLayout({ corners, lines, names }, look, node) {
  const hidden = { visible: false, fixedrange: true };
  const [top, left, right] = corners;
  return {
    ...plainLayout(look, node),
    shapes: [
      ...lines.map(([, , start, end]) => straight(start, end, look.diagonal)),
      ...[straight(top, left, look.quiet), straight(left, right, look.quiet), straight(right, top, look.quiet)],
    ],
    annotations: [
      ...lines.map(([share, which, start]) => shareLabel(share, which, start, look)),
      cornerLabel(names[0], top, { xanchor: "center", yanchor: "bottom", yshift: 8 }, look),
      cornerLabel(names[1], left, { xanchor: "center", yanchor: "top", yshift: -16 }, look),
      cornerLabel(names[2], right, { xanchor: "center", yanchor: "top", yshift: -16 }, look),
    ],
    xaxis: { ...hidden, range: [-0.12, 1.12] },
    yaxis: { ...hidden, range: [-0.13, 0.98], scaleanchor: "x" },
    margin: { l: 6, r: 6, t: 6, b: 6 },
    dragmode: false,
    hovermode: "closest",
  };
}

function straight([x0, y0], [x1, y1], color) {
  return { type: "line", layer: "below", x0, y0, x1, y1, line: { color, width: 1 } };
}

/** The number of a line, outside the side that it begins on. */
function shareLabel(share, which, [x, y], look) {
  const places = [
    { xanchor: "right", yanchor: "middle", xshift: -4 },
    { xanchor: "center", yanchor: "top", yshift: -3 },
    { xanchor: "left", yanchor: "middle", xshift: 4 },
  ];
  const font = { size: 11, color: look.quiet };
  return { x, y, text: `${100 * share}\u202f%`, showarrow: false, font, ...places[which] };
}

function cornerLabel(name, [x, y], place, look) {
  return { x, y, text: `<b>${name}</b>`, showarrow: false, font: { size: 13, color: look.ink }, ...place };
}
