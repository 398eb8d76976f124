// Where the page starts: models, the door for a token, and who listens to what.

import { setToken } from "./api.js";
import { startFiles } from "./files.js";
import { startList } from "./list.js";
import { startLook } from "./look.js";
import { startPanel } from "./panel.js";
import { saveMask, saveTable } from "./save.js";
import { startStage } from "./stage.js";
import { listen, resultOf, state } from "./state.js";
import { add, begin, chooseModel, send } from "./work.js";
import { bytesText, calibration, thresholdText, usesThreshold } from "./words.js";

const part = (id) => document.getElementById(id);
const door = part("door");

function complain(sentence) {
  part("message").textContent = sentence;
  part("message").hidden = !sentence;
}

/** Ask for the token; where one was given already, it was wrong. */
function openDoor() {
  if (door.open) return;
  part("door-fault").textContent = part("token").value ? "The server does not take this token." : "";
  part("token").value = "";
  door.showModal();
}

async function start() {
  complain("");
  try {
    await begin(openDoor);
  } catch (error) {
    complain(error.sentence ?? `The server cannot be asked what it serves (${error.message}).`);
  }
}

function showModels() {
  const select = part("model");
  if (select.options.length !== state.models.length) {
    select.replaceChildren(...state.models.map((model) => new Option(model.name, model.name)));
  }
  const several = state.models.length > 1;
  select.hidden = !several;
  select.value = state.model.name;
  part("model-label").htmlFor = several ? "model" : "";
  part("model-name").textContent = several ? "" : state.model.name;
  part("model-choice").hidden = part("about").hidden = false;
  part("choose").disabled = part("choose-first").disabled = false;
  const { limits } = state.model;
  part("limits").textContent = `, up to ${bytesText(limits.max_bytes)} and ${limits.max_pixels / 1e6}\u00a0megapixels each`;
  showFacts(state.model);
}

function showFacts(model) {
  const facts = {
    "It answers with": model.task === "segmentation" ? "an outline" : "probabilities of classes",
    Classes: model.classes.join(", "),
    Threshold: usesThreshold(model) ? thresholdText(model.threshold) : "none; the most probable class is given",
    Calibration: calibration(model),
    "Works at": `${model.size} x ${model.size} pixels, ${model.channels === 1 ? "grey" : "colour"}`,
    Encoder: model.encoder ?? "none",
    "Licence of the pretrained weights": model.licence ?? "none",
    Note: model.notice,
  };
  part("model-facts").replaceChildren(...Object.entries(facts).flatMap(([term, text]) => {
    const [name, value] = [document.createElement("dt"), document.createElement("dd")];
    name.textContent = term;
    value.textContent = text;
    return [name, value];
  }));
}

/** What is said of the model lies over the page, so it goes when one turns to something else. */
function closeFacts(event) {
  const about = part("about");
  if (event.type === "keydown" ? event.key === "Escape" : !about.contains(event.target)) about.open = false;
}

async function downloadMask() {
  part("save-mask").disabled = true;
  complain("");
  try {
    await saveMask();
  } catch (error) {
    if (error.status === 401) openDoor();
    else complain(`The mask could not be made. ${error.sentence ?? error.message}`);
  }
  part("save-mask").disabled = false;
}

startFiles((files) => {
  if (state.model) add(files);
  else complain("The server has not said yet what it serves; try again in a moment.");
});
startList();
startPanel(send);
startStage();
startLook(openDoor);
listen((what) => {
  if (what === "models") showModels();
  part("save-csv").disabled = !state.entries.some((entry) => resultOf(entry) || entry.faults.size);
});
part("where").textContent = location.host;
part("model").addEventListener("change", () => chooseModel(part("model").value));
part("save-csv").addEventListener("click", saveTable);
part("save-mask").addEventListener("click", downloadMask);
for (const kind of ["keydown", "click", "focusin"]) document.addEventListener(kind, closeFacts);
door.addEventListener("cancel", () => complain("Nothing is answered without the token; load this page again to be asked."));
part("door-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(part("token").value);
  door.close();
  start();
});
start();
