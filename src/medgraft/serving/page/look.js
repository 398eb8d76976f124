// "Where did it look?": explanations, asked for when somebody wants to see them, as they take the server seconds.

import { predict } from "./api.js";
import { pngOf } from "./result.js";
import { changed, listen, resultOf, state, thresholdOf } from "./state.js";
import { explanationOf } from "./words.js";

const LINGER = 250; // milliseconds that an image is looked at, or the slider rests, before the server is asked

const line = document.getElementById("heat-state");
let asking = null; // {result, key, control} of the request on its way

export function startLook(openDoor) {
  listen((what, entry) => {
    if (what !== "opacity" && (entry === null || entry === state.selected)) update(openDoor);
  });
}

/** The explanation that belongs to what is shown, {class, png}; undefined where it is not there, or not wanted. */
export function shownExplanation() {
  const result = state.heat && state.selected ? resultOf(state.selected) : undefined;
  return result?.explanations.get(explanationOf(result, state.model, thresholdOf(state.model)));
}

function update(openDoor) {
  const entry = state.selected;
  const result = entry ? resultOf(entry) : undefined;
  if (!state.heat || !result) {
    leave();
    line.textContent = "";
    return;
  }
  const key = explanationOf(result, state.model, thresholdOf(state.model));
  const known = shownExplanation();
  if (known) {
    leave();
    line.textContent = `Bright where hiding that part of the image takes most from ${known.class}.`;
  } else if (asking?.result !== result || asking.key !== key) {
    leave();
    asking = { result, key, control: new AbortController() };
    line.textContent = "The server hides one part of the image after another; that takes a moment.";
    ask(entry, asking, openDoor);
  }
}

/** Nobody waits for it any more: the server stops working on it. */
function leave() {
  asking?.control.abort();
  asking = null;
}

async function ask(entry, question, openDoor) {
  const { model } = state;
  const { signal } = question.control;
  const options = { model: model.name, threshold: thresholdOf(model), explain: 1, pictures: 0 };
  try {
    await new Promise((resolve) => { setTimeout(resolve, LINGER); });
    if (signal.aborted) return;
    const waiting = () => { line.textContent = "The server is busy; it is asked again."; };
    const answer = await predict(entry.file, entry.name, options, { signal, waiting });
    question.result.explanations.set(question.key, { class: answer.explained_class, png: pngOf(answer.explanation) });
    asking = null;
    changed("entry", entry);
  } catch (error) {
    if (error.name === "AbortError") return;
    asking = null;
    if (error.status === 401) openDoor();
    state.heat = false;
    document.getElementById("heat").checked = false;
    changed("heat");
    line.textContent = error.sentence ?? `The map could not be read (${error.message}).`;
  }
}
