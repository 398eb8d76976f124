// What is said of the image that is shown, and the sliders.

import { outlineColour } from "./colours.js";
import { shownExplanation } from "./look.js";
import {
  changed, faultOf, isMoved, listen, remove, resultOf, setThreshold, state, thresholdOf,
} from "./state.js";
import {
  areasOf, calibration, chance, familiarityLevel, finding, labelsOf, percent, sureness, thresholdText, usesThreshold,
} from "./words.js";

const part = (id) => document.getElementById(id);
const slider = part("threshold");
const STEP = 0.01; // of an arrow key; the slider itself is ten times finer

export function startPanel(tryAgain) {
  listen((what, entry) => {
    if (what === "opacity") sayOpacity();
    else if (entry === null || entry === state.selected) fill();
  });
  slider.addEventListener("input", () => setThreshold(state.model, Number(slider.value)));
  slider.addEventListener("keydown", stepThreshold);
  part("threshold-reset").addEventListener("click", () => {
    setThreshold(state.model, null);
    slider.focus();
  });
  part("opacity").addEventListener("input", () => {
    state.opacity = Number(part("opacity").value) / 100;
    changed("opacity");
  });
  part("heat").addEventListener("change", () => {
    state.heat = part("heat").checked;
    changed("heat");
  });
  part("again").addEventListener("click", () => tryAgain(state.selected));
  part("remove").addEventListener("click", () => {
    remove(state.selected);
    (state.selected ? part(`image-${state.selected.id}`) : part("choose")).focus();
  });
  part("opacity").value = String(100 * state.opacity);
  sayOpacity();
}

function sayOpacity() {
  part("opacity-value").textContent = `${Math.round(100 * state.opacity)}%`;
}

/** Arrow keys move by a hundredth; with Shift by what the slider itself steps. */
function stepThreshold(event) {
  const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
  if (!way || event.shiftKey) return;
  event.preventDefault();
  const value = Math.min(Number(slider.max), Math.max(Number(slider.min), Number(slider.value) + way * STEP));
  setThreshold(state.model, Number(value.toFixed(3)));
}

function fill() {
  const entry = state.selected;
  part("panel").hidden = !entry;
  if (!entry) return;
  const result = resultOf(entry);
  const fault = faultOf(entry);
  part("name").textContent = entry.name;
  part("fault").hidden = !fault;
  part("answer").hidden = !result;
  if (fault) {
    part("fault-text").textContent = fault.sentence;
    part("again").hidden = !fault.again;
  }
  if (result) fillAnswer(result, state.model);
}

function fillAnswer(result, model) {
  const threshold = thresholdOf(model);
  part("finding").textContent = finding(result, model, threshold, isMoved(model));
  const { text, careful } = sureness(result, model, threshold);
  part("sure").textContent = text;
  part("sure").classList.toggle("careful", careful);
  part("familiar").textContent = result.familiarity.sentence;
  part("familiar").className = familiarityLevel(result.familiarity.quantile);
  part("calibrated").textContent = calibration(model);
  if (result.probabilities) fillProbabilities(result, model, threshold);
  else fillAreas(areasOf(result, model, threshold, isMoved(model)));
  fillThreshold(model, threshold);
  fillOverlay(result, model);
}

function fillThreshold(model, threshold) {
  part("threshold-control").hidden = false;
  slider.value = String(threshold);
  slider.disabled = !usesThreshold(model);
  part("threshold-value").textContent = slider.disabled ? "" : thresholdText(threshold);
  const own = thresholdText(model.threshold);
  part("threshold-hint").textContent = hintOf(model, own);
  part("threshold-reset").hidden = !isMoved(model);
  part("threshold-reset").textContent = `Back to ${own}`;
}

function hintOf(model, own) {
  if (!usesThreshold(model)) return "Of several classes the most probable is given, so no threshold is used.";
  const rule = {
    segmentation: "A place is inside the outline",
    multilabel: "A class is given",
    binary: `${model.classes[1]} is given`,
  }[model.task === "segmentation" ? model.task : model.kind];
  return `${rule} from this probability on; the model's own threshold is ${own}.`;
}

function fillOverlay(result, model) {
  part("opacity").disabled = !result.maps.length && !shownExplanation();
  part("heat-legend").hidden = !shownExplanation();
  part("mask-control").hidden = !result.mask;
  const moved = isMoved(model) && usesThreshold(model);
  const how = moved
    ? `The server makes it at the threshold of ${thresholdText(thresholdOf(model))}`
    : "As the server answered";
  part("mask-hint").textContent =
    `${how}: PNG of the image's own size (${result.width} x ${result.height}), in the values of the training masks.`;
}

function fillProbabilities(result, model, threshold) {
  const given = new Set(labelsOf(result, model, threshold));
  const rows = model.classes.map((name) => [name, result.probabilities[name]]);
  if (model.kind !== "binary") rows.sort((a, b) => b[1] - a[1]);
  const bars = rows.map(([name, share]) => {
    const marked = model.kind === "multilabel" || (model.kind === "binary" && name === model.classes[1]);
    const row = rowOf(name, chance(share, 1), share);
    row.classList.toggle("given", given.has(name));
    if (marked) row.querySelector(".bar").append(tick(threshold));
    return row;
  });
  part("bars").replaceChildren(...bars);
}

function fillAreas(areas) {
  const rows = areas.map(([name, share], index) => {
    const row = rowOf(name, `${percent(share, 1)} of the image`, share);
    const swatch = document.createElement("i");
    swatch.className = "swatch";
    swatch.style.background = outlineColour(index);
    row.prepend(swatch);
    return row;
  });
  part("bars").replaceChildren(...rows);
}

function rowOf(name, number, share) {
  const row = document.createElement("li");
  const label = document.createElement("span");
  label.textContent = name;
  const value = document.createElement("b");
  value.textContent = number;
  const bar = document.createElement("div");
  bar.className = "bar";
  const length = document.createElement("i");
  length.style.width = `${100 * share}%`;
  bar.append(length);
  row.append(label, value, bar);
  return row;
}

function tick(threshold) {
  const line = document.createElement("u");
  line.style.left = `${100 * threshold}%`;
  return line;
}
