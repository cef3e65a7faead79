// Colours and fonts of the plots: those of the page's style, light or dark.

const COLOURS = "ink quiet line diagonal grid outline card accent vae beta-vae hull".split(" ");

/** The colours of the style as it is now, by name. */
export function theme() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** A list of colours at equal steps, as Plotly wants it. */
export function plotlyScale(colours) {
  return colours.map((colour, index) => [index / (colours.length - 1), colour]);
}

/** What all plots have in common: size, font, and the label under the mouse. */
export function plainLayout(look, node) {
  const font = { color: look.ink, size: 12.5, family: getComputedStyle(document.body).fontFamily };
  return {
    width: node.clientWidth,
    height: node.clientHeight,
    showlegend: false,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font,
    hoverlabel: { bgcolor: look.card, bordercolor: look.accent, align: "left", font },
  };
}

/** The scale of colour beside a plot. */
export function colourBar({ text, ticks }) {
  const title = { text, side: "right", font: { size: 12 } };
  return { thickness: 10, outlinewidth: 0, title, tickfont: { size: 12 }, ...ticks };
}
