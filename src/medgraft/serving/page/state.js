// What the page knows: the models, the images seen so far, and how they are looked at.

export const state = {
  models: [],
  model: null, // one of them
  entries: [], // see newEntry
  selected: null, // one of those
  thresholds: new Map(), // by model: what the slider was moved to
  opacity: 0.85,
  heat: false, // whether explanations are wanted
};

const listeners = [];

/** Call `listener(what, entry)` after each change: "models", "list", "entry", "selected", "threshold", "opacity", "heat". */
export function listen(listener) {
  listeners.push(listener);
}

export function changed(what, entry = null) {
  for (const listener of listeners) listener(what, entry);
}

let count = 0;

/**
 * An image in the list; `results` and `faults` are by the model's name, `unfit` says why it is not to be sent at all,
 * `waiting` what is being waited for.
 */
export function newEntry(name, file) {
  count += 1;
  return { id: count, name, file, thumbnail: null, unfit: "", waiting: "", results: new Map(), faults: new Map() };
}

/** What the current model says of an entry, or undefined. */
export function resultOf(entry) {
  return state.model ? entry.results.get(state.model.name) : undefined;
}

export function faultOf(entry) {
  return entry.faults.get(state.model ? state.model.name : "");
}

/** The threshold in use for a model: where the slider stands, or the model's own. */
export function thresholdOf(model) {
  return state.thresholds.get(model.name) ?? model.threshold;
}

/** Whether the slider was moved from the model's own threshold. */
export function isMoved(model) {
  return state.thresholds.has(model.name);
}

export function setThreshold(model, value) {
  if (value === null) state.thresholds.delete(model.name);
  else state.thresholds.set(model.name, value);
  changed("threshold");
}

export function select(entry) {
  if (entry === state.selected) return;
  state.selected = entry;
  changed("selected");
}

/** Take an entry off the list; its neighbour is shown. */
export function remove(entry) {
  const place = state.entries.indexOf(entry);
  state.entries.splice(place, 1);
  for (const result of entry.results.values()) URL.revokeObjectURL(result.preview);
  if (state.selected === entry) state.selected = state.entries[Math.min(place, state.entries.length - 1)] ?? null;
  changed("list");
  changed("selected");
}
