// The list of the images seen so far: a listbox that arrow keys move through.

import { faultOf, isMoved, listen, remove, resultOf, select, state, thresholdOf } from "./state.js";
import { familiarityMark, finding } from "./words.js";

const list = document.getElementById("list");
const items = new Map(); // by entry

export function startList() {
  list.addEventListener("keydown", onKey);
  listen((what, entry) => {
    if (what === "list") arrange();
    if (what === "entry") fill(entry);
    if (what === "threshold" || what === "models") state.entries.forEach(fill);
    if (what === "selected" || what === "list") mark();
  });
}

function arrange() {
  document.getElementById("seen").hidden = state.entries.length === 0;
  document.getElementById("empty").hidden = state.entries.length > 0;
  for (const entry of items.keys()) {
    if (!state.entries.includes(entry)) {
      items.get(entry).remove();
      items.delete(entry);
    }
  }
  for (const entry of state.entries) {
    if (!items.has(entry)) {
      items.set(entry, itemFor(entry));
      list.append(items.get(entry));
      fill(entry);
    }
  }
}

function itemFor(entry) {
  const item = document.createElement("li");
  item.role = "option";
  item.id = `image-${entry.id}`;
  const thumbnail = document.createElement("canvas");
  thumbnail.width = thumbnail.height = 96;
  thumbnail.ariaHidden = "true";
  const text = document.createElement("div");
  const name = document.createElement("span");
  name.className = "name";
  name.textContent = name.title = entry.name;
  const line = document.createElement("span");
  line.className = "line";
  text.append(name, line);
  item.append(thumbnail, text);
  item.addEventListener("click", () => {
    select(entry);
    item.focus({ preventScroll: true });
    bringIntoSight(document.getElementById("viewer"));
  });
  return item;
}

/** On a phone the list lies below what it chooses. */
function bringIntoSight(element) {
  const { top, bottom } = element.getBoundingClientRect();
  if (bottom < 100 || top > window.innerHeight - 100) element.scrollIntoView();
}

function fill(entry) {
  const item = items.get(entry);
  if (!item) return;
  const result = resultOf(entry);
  const fault = faultOf(entry);
  const line = item.querySelector(".line");
  item.classList.toggle("fault", Boolean(fault));
  item.ariaBusy = String(!result && !fault);
  if (fault) line.textContent = fault.sentence;
  else if (result) line.textContent = answerOf(result, state.model);
  else line.textContent = entry.waiting;
  if (entry.thumbnail && !item.classList.contains("drawn")) drawThumbnail(item, entry.thumbnail);
}

function answerOf(result, model) {
  return finding(result, model, thresholdOf(model), isMoved(model)) + familiarityMark(result);
}

function drawThumbnail(item, bitmap) {
  const canvas = item.querySelector("canvas");
  const scale = Math.min(canvas.width / bitmap.width, canvas.height / bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  canvas.getContext("2d").drawImage(
    bitmap, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height,
  );
  item.classList.add("drawn");
}

function mark() {
  for (const [entry, item] of items) {
    const chosen = entry === state.selected;
    item.ariaSelected = String(chosen);
    item.tabIndex = chosen ? 0 : -1;
    if (chosen) item.scrollIntoView({ block: "nearest" });
  }
}

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 5, PageUp: -5 };

function onKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own keys, such as the way back
  const last = state.entries.length - 1;
  const place = state.entries.indexOf(state.selected);
  let next;
  if (event.key in STEPS) next = place + STEPS[event.key];
  else if (event.key === "Home") next = 0;
  else if (event.key === "End") next = last;
  else if (event.key === "Delete" || event.key === "Backspace") remove(state.selected);
  else return;
  event.preventDefault();
  if (next !== undefined) select(state.entries[Math.min(last, Math.max(0, next))]);
  if (state.selected) items.get(state.selected).focus();
  else document.getElementById("choose").focus();
}
