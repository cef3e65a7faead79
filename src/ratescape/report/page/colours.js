// Scales of colour.

/** A colour of a scale, part of the way along it. */
export function mixed(colours, along) {
  const place = along * (colours.length - 1);
  const first = Math.min(colours.length - 2, Math.floor(place));
  const channels = [1, 3, 5].map((from) => {
    const [one, other] = [first, first + 1].map((index) => Number.parseInt(colours[index].slice(from, from + 2), 16));
    return Math.round(one + (place - first) * (other - one));
  });
  return `rgb(${channels.join(", ")})`;
}
