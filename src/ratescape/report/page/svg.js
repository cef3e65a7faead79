// Elements of drawings.

const SVG = "http://www.w3.org/2000/svg";

/** A new element with attributes and, optionally, a text. */
export function svg(tag, attributes = {}, text = undefined) {
  const node = document.createElementNS(SVG, tag);
  setAll(node, attributes);
  if (text !== undefined) node.textContent = text;
  return node;
}

export function setAll(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}
