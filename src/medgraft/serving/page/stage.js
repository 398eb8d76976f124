// The image that is shown, and what lies over it: outlines and the explanation.

import { heatTable, outlineColour } from "./colours.js";
import { shownExplanation } from "./look.js";
import { lead, outline } from "./outline.js";
import { planesOf } from "./result.js";
import { faultOf, listen, resultOf, state, thresholdOf } from "./state.js";

const stage = document.getElementById("stage");
const picture = document.getElementById("picture");
const overlay = document.getElementById("overlay");
const table = heatTable();

/** What is unpacked of the image that is shown; nothing is kept of others. */
let shown = { result: null, fields: [] };
let heat = { explanation: undefined, canvas: null };

export function startStage() {
  new ResizeObserver(draw).observe(stage);
  listen((what, entry) => {
    if (what === "opacity") overlay.style.opacity = String(state.opacity);
    else if (what === "threshold" || what === "heat") show();
    else if (entry === null || entry === state.selected) show();
  });
  overlay.style.opacity = String(state.opacity);
}

function show() {
  const entry = state.selected;
  const result = entry ? resultOf(entry) : undefined;
  document.getElementById("viewer").hidden = !entry;
  picture.hidden = overlay.hidden = !result;
  stage.classList.toggle("blank", !result);
  document.getElementById("waiting").textContent = entry && !result && !faultOf(entry) ? entry.waiting : "";
  document.getElementById("caption").textContent = result ? `${result.width} x ${result.height} pixels` : "";
  if (!result) return;
  if (shown.result !== result) showOther(entry, result);
  if (heat.explanation !== shownExplanation()) showHeat(shownExplanation());
  drawSoon();
}

async function showOther(entry, result) {
  shown = { result, fields: [] };
  picture.src = result.preview;
  picture.alt = `${entry.name}, as it was read`;
  stage.style.setProperty("--ratio", String(result.width / result.height));
  const fields = fieldsOf(await planesOf(result.maps));
  if (shown.result !== result) return; // another one was chosen meanwhile
  shown.fields = fields;
  drawSoon();
}

async function showHeat(explanation) {
  heat = { explanation, canvas: null };
  if (!explanation) return;
  const canvas = paint(...await planesOf([explanation.png]));
  if (heat.explanation !== explanation) return;
  heat.canvas = canvas;
  drawSoon();
}

/** Of each structure {width, height, values, level}; `level` null stands for the threshold. */
function fieldsOf(planes) {
  if (planes.length === 0) return [];
  if (planes.length === 1) return [{ ...planes[0], level: null }];
  return planes.slice(1).map(({ width, height }, index) => (
    { width, height, values: lead(planes, index + 1), level: 0.5 }
  ));
}

function paint({ width, height, values }) {
  const pixels = new ImageData(width, height);
  values.forEach((level, index) => pixels.data.set(table.subarray(4 * level, 4 * level + 4), 4 * index));
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

let waits = false;

function drawSoon() {
  if (waits) return;
  waits = true;
  requestAnimationFrame(() => {
    waits = false;
    draw();
  });
}

function draw() {
  const scale = window.devicePixelRatio || 1;
  const width = Math.round(stage.clientWidth * scale);
  const height = Math.round(stage.clientHeight * scale);
  if (overlay.width !== width || overlay.height !== height) {
    overlay.width = width;
    overlay.height = height;
  }
  const context = overlay.getContext("2d");
  context.clearRect(0, 0, width, height);
  if (heat.canvas) context.drawImage(heat.canvas, 0, 0, width, height);
  shown.fields.forEach((field, index) => stroke(context, field, outlineColour(index), scale));
}

function stroke(context, field, colour, scale) {
  const level = field.level ?? 255 * thresholdOf(state.model) - 1e-6;
  const across = overlay.width / field.width;
  const down = overlay.height / field.height;
  const segments = outline(field.values, field.width, field.height, level);
  const path = new Path2D();
  for (let at = 0; at < segments.length; at += 4) {
    path.moveTo(segments[at] * across, segments[at + 1] * down);
    path.lineTo(segments[at + 2] * across, segments[at + 3] * down);
  }
  context.lineCap = "round";
  for (const [line, wide] of [["rgb(0 0 0 / 0.65)", 4], [colour, 2]]) {
    context.strokeStyle = line;
    context.lineWidth = wide * scale;
    context.stroke(path);
  }
}
