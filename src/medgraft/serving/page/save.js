// Downloads: the mask of an image, and a table of all results.

import { predict } from "./api.js";
import { pngOf } from "./result.js";
import { isMoved, resultOf, state, thresholdOf } from "./state.js";
import { areasOf, labelsOf, usesThreshold } from "./words.js";

/**
 * Save the mask of the image that is shown. At a threshold that was moved the server is asked for it: it decides from
 * the probabilities themselves and at the image's own size, where this page has 256 levels of a preview.
 */
export async function saveMask() {
  const { selected: entry, model } = state;
  let { mask } = resultOf(entry);
  if (isMoved(model) && usesThreshold(model)) {
    const options = { model: model.name, threshold: thresholdOf(model), pictures: 0 };
    mask = pngOf((await predict(entry.file, entry.name, options)).mask);
  }
  save(mask, `${entry.name.replace(/\.[^.]*$/, "")}_mask.png`);
}

export function saveTable() {
  // The mark in front tells spreadsheets that this is UTF-8.
  save(new Blob(["\ufeff", tableText()], { type: "text/csv;charset=utf-8" }), "medgraft-results.csv");
}

/** CSV (RFC 4180) with a row an image and model, at the thresholds that are set. */
export function tableText() {
  const rows = state.entries.flatMap((entry) => state.models.flatMap((model) => rowsOf(entry, model)));
  const own = ["image", "model", "width", "height", "threshold", "label"];
  const measured = new Set(rows.flatMap((row) => Object.keys(row)).filter((key) => /^(p|area)_/.test(key)));
  const columns = [...own, ...measured, "familiarity", "error"];
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))];
  return lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

function rowsOf(entry, model) {
  const start = { image: entry.name, model: model.name };
  const fault = entry.faults.get(model.name);
  if (fault) return [{ ...start, error: fault.sentence }];
  const result = entry.results.get(model.name);
  if (!result) return [];
  const threshold = thresholdOf(model);
  const row = { ...start, width: result.width, height: result.height, familiarity: result.familiarity.quantile };
  if (usesThreshold(model)) row.threshold = threshold;
  if (!result.probabilities) return [{ ...row, ...named("area", areasOf(result, model, threshold, isMoved(model))) }];
  row.label = labelsOf(result, model, threshold).join("|");
  return [{ ...row, ...named("p", model.classes.map((name) => [name, result.probabilities[name]])) }];
}

function named(prefix, shares) {
  return Object.fromEntries(shares.map(([name, share]) => [`${prefix}_${name}`, share]));
}

function cell(value) {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return String(Number(value.toFixed(6)));
  // A spreadsheet would take a name that starts so for a formula.
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  // Some spreadsheets part at semicolons and tabs too; what follows one must not become a cell of its own.
  return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function save(content, name) {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
