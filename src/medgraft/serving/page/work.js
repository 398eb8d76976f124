// Images on their way: a few at once to the server; a busy server and one that wants a token are waited for.

import { Fault, fetchModels, predict } from "./api.js";
import { understand } from "./result.js";
import { changed, faultOf, isMoved, newEntry, resultOf, select, state, thresholdOf } from "./state.js";
import { bytesText, familiarityMark, finding } from "./words.js";

const AT_ONCE = 3;
const FORM_BYTES = 2048; // around a file in a request
const THUMBNAIL = 96;

const queue = []; // {entry, model}
let working = 0;
let shut = false; // while the server waits for a token
let done = []; // entries that were seen to since nothing was in work
let openDoor = () => {};

/** Ask what is served. Where a token is wanted, here or later, `door` is called; `begin` again with the token in place. */
export async function begin(door) {
  openDoor = door;
  try {
    state.models = await fetchModels();
  } catch (error) {
    if (error.status !== 401) throw error;
    door();
    return;
  }
  state.model = state.models.find((model) => model.name === state.model?.name) ?? state.models[0];
  shut = false;
  changed("models");
  work();
}

/** Put files, {name, file} or {name, fault}, on the list and send those that can be sent. */
export function add(files) {
  if (isIdle()) done = [];
  const entries = files.map(({ name, file }) => newEntry(name, file));
  state.entries.push(...entries);
  changed("list");
  entries.forEach((entry, index) => {
    entry.unfit = files[index].fault ?? "";
    send(entry);
  });
  if (entries.length) select(entries[0]);
}

/** Ask the current model about an entry, unless it has answered or has the question. */
export function send(entry) {
  const { model } = state;
  if (resultOf(entry) || queue.some((one) => one.entry === entry && one.model === model)) return;
  const wrong = entry.unfit || faultBefore(entry.file, model);
  if (wrong) {
    refuse(entry, model, new Fault(wrong, 0, false));
    return;
  }
  entry.faults.delete(model.name);
  queue.push({ entry, model });
  say(entry, "Waits its turn");
  work();
}

/** Answers of the other model stay, and are shown when that is chosen again. */
export function chooseModel(name) {
  state.model = state.models.find((model) => model.name === name);
  changed("models");
  state.entries.forEach(send);
}

/** What speaks against sending a file, or "". */
function faultBefore(file, model) {
  if (file.size === 0) return "The file is empty (0 bytes).";
  const most = model.limits.max_bytes;
  if (file.size + FORM_BYTES <= most) return "";
  return `The file has ${bytesText(file.size)} and was not sent: this server takes at most ${bytesText(most)}.`;
}

function work() {
  while (!shut && working < AT_ONCE && queue.length) {
    const { entry, model } = queue.shift();
    if (!state.entries.includes(entry)) continue;
    working += 1;
    ask(entry, model).finally(() => {
      working -= 1;
      work();
      if (isIdle()) summarise();
    });
  }
}

async function ask(entry, model) {
  say(entry, "In work");
  try {
    const waiting = (seconds, tries) => say(entry, busyText(seconds, tries));
    const answer = await predict(entry.file, entry.name, { model: model.name }, { waiting });
    const result = await understand(answer, model);
    entry.thumbnail ??= await thumbnailOf(result);
    entry.results.set(model.name, result);
    done.push(entry);
    changed("entry", entry);
  } catch (error) {
    if (error.status === 401) {
      shut = true;
      queue.unshift({ entry, model });
      say(entry, "Waits for the token");
      openDoor();
      return;
    }
    const unread = () => new Fault(`The answer could not be read (${error.message}).`, 0, true);
    refuse(entry, model, error instanceof Fault ? error : unread());
  }
}

function isIdle() {
  return !working && !queue.length;
}

function busyText(seconds, tries) {
  return `The server is busy; it is asked again in ${seconds} s (try ${tries + 1})`;
}

function say(entry, text) {
  entry.waiting = text;
  changed("entry", entry);
}

function refuse(entry, model, fault) {
  entry.faults.set(model.name, fault);
  done.push(entry);
  changed("entry", entry);
  document.getElementById("alarm").textContent = `${entry.name}: ${fault.sentence}`;
}

/** For those who hear the page. */
function summarise() {
  const { model } = state;
  const read = done.filter(resultOf);
  let text = "";
  if (read.length === 1) {
    text = `${read[0].name}: ${finding(resultOf(read[0]), model, thresholdOf(model), isMoved(model))}${familiarityMark(resultOf(read[0]))}.`;
  } else if (read.length) {
    text = `${read.length} images are done.`;
    const unlike = read.filter((entry) => familiarityMark(resultOf(entry))).length;
    if (unlike) text += ` ${unlike} of them unlike the training images.`;
  }
  const unread = done.filter(faultOf).length;
  if (unread) text += ` ${unread} could not be used.`;
  document.getElementById("said").textContent = text;
}

async function thumbnailOf({ picture, width, height }) {
  const scale = Math.min(1, THUMBNAIL / Math.max(width, height));
  const side = (length) => Math.max(1, Math.round(length * scale));
  return createImageBitmap(picture, { resizeWidth: side(width), resizeHeight: side(height), resizeQuality: "high" });
}
