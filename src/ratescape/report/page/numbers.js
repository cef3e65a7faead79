// Numbers as text.

/** A number with the digits that it is worth, and a proper minus sign; a dash for none. */
export function written(number) {
  if (number === null || number === undefined) return "–";
  const size = Math.abs(number);
  let digits = 2;
  if (size >= 1000) digits = 0;
  else if (size >= 100) digits = 1;
  return number.toFixed(digits).replace("-", "−");
}

/** A metric's number without its unit; fractions in percent. */
export function shown(metric, number) {
  if (!metric.percent || number === null || number === undefined) return written(number);
  return (100 * number).toFixed(1);
}

export function withUnit(metric, number) {
  return `${shown(metric, number)} ${metric.short_unit}`.trim();
}
