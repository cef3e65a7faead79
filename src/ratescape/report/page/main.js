// Draws the landscape and shows the selected model.

import { drawAsked } from "./asked.js";
import { connectBrushed, drawBrushed } from "./brushed.js";
import { connectControls, drawControls } from "./controls.js";
import { data } from "./data.js";
import { drawFixed } from "./fixed.js";
import { drawKey } from "./key.js";
import { connectModel, drawModel } from "./model.js";
import { connectParallel, drawParallel } from "./parallel.js";
import { drawPicks, drawPressed, reported } from "./picks.js";
import { fitPictures } from "./pictures.js";
import { drawPlots } from "./plots.js";
import { drawRefined } from "./refined.js";
import { onChange, state } from "./state.js";
import { drawSurface, watchSurface } from "./surface.js";
import { drawTable1 } from "./table1.js";

function drawAll() {
  drawControls();
  drawKey();
  drawParallel();
  drawBrushed();
  drawPlots(drawSurface);
  drawModel();
  drawPressed(data.runs[state.selected].run);
}

/** Everything that depends on the size of the window or on its colours. */
function drawAgain() {
  drawParallel();
  drawPlots(drawSurface);
}

function connectWindow() {
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // phones report a change of height on every scroll
    width = innerWidth;
    drawAgain();
    fitPictures();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAgain);
}

drawFixed();
drawPicks();
drawTable1();
drawAsked();
drawRefined(reported);
connectControls();
connectModel();
if (data.many) {
  connectParallel();
  connectBrushed();
}
drawAll();
onChange(drawAll);
connectWindow();
watchSurface();
