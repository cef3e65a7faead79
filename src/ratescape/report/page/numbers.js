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

/** "77.2 ± 1.4": a metric's number and, where it is known, its standard error, with as many digits. */
export function shownWithError(metric, number, error) {
  const text = shown(metric, number);
  if (number === null || error === null || error === undefined) return text;
  const digits = text.split(".")[1]?.length ?? 0;
  const least = 10 ** -digits;
  const size = error * (metric.percent ? 100 : 1);
  return `${text} ± ${size < least / 2 ? `<${least}` : size.toFixed(digits)}`;
}

export function withUnit(metric, number, error) {
  return `${shownWithError(metric, number, error)} ${metric.unit}`.trim();
}
