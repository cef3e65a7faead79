// A canvas to draw on, with mouse, finger or pen, and with keys: arrows move the pen, Space sets it down and lifts it.

const PEN_STEP = 0.02; // of an arrow key, in parts of the width

const TURNS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Make a canvas one to draw on.
 *
 * @param {HTMLCanvasElement} canvas
 * @param options width and height in pixels; radius() of the pen in pixels; colour(); drawn() after each stroke
 */
export function buildPad(canvas, options) {
  Object.assign(canvas, { width: options.width, height: options.height });
  const pad = { canvas, options, last: null, pen: [options.width / 2, options.height / 2], down: false };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pad.last = null;
    strokeTo(pad, placeIn(canvas, event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) strokeTo(pad, placeIn(canvas, part));
  });
  canvas.addEventListener("pointerup", () => options.drawn?.());
  canvas.addEventListener("keydown", (event) => press(pad, event));
  return pad;
}

/** Fill everything with a colour, or with nothing. */
export function clearPad({ canvas }, colour) {
  const drawing = canvas.getContext("2d");
  drawing.clearRect(0, 0, canvas.width, canvas.height);
  if (!colour) return;
  drawing.fillStyle = colour;
  drawing.fillRect(0, 0, canvas.width, canvas.height);
}

function placeIn(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) / box.width) * canvas.width,
    ((event.clientY - box.top) / box.height) * canvas.height,
  ];
}

function strokeTo(pad, [x, y]) {
  const { canvas, options } = pad;
  const drawing = canvas.getContext("2d");
  const [fromX, fromY] = pad.last ?? [x, y];
  Object.assign(drawing, { strokeStyle: options.colour(), lineWidth: 2 * options.radius(), lineCap: "round" });
  drawing.beginPath();
  drawing.moveTo(fromX, fromY);
  drawing.lineTo(x + 0.01, y);
  drawing.stroke();
  pad.last = pad.pen = [x, y];
}

function press(pad, event) {
  const arrow = TURNS[event.key];
  if (!arrow && event.key !== " ") return;
  event.preventDefault();
  const { canvas, options } = pad;
  if (arrow) {
    const far = PEN_STEP * canvas.width * (event.shiftKey ? 4 : 1);
    const limits = [canvas.width, canvas.height];
    pad.last = pad.pen;
    pad.pen = pad.pen.map((value, axis) => Math.min(limits[axis], Math.max(0, value + far * arrow[axis])));
  } else {
    pad.down = !pad.down;
    pad.last = null;
    if (!pad.down) options.drawn?.();
  }
  if (pad.down) strokeTo(pad, pad.pen);
}
