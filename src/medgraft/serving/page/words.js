// What an answer means, in words: which class is given at a threshold, how surely, and how familiar the image is.

import { measure } from "./result.js";

const CLOSE = 0.1; // of a probability to its threshold
const CLOSE_CALL = 0.2; // of the most probable class to the next
const UNSURE = 0.75; // mean probability inside an outline
const USUAL = 0.9; // shares of held-out images, as in serving/answers.py
const RARE = 0.99;

/** A share as people read it; never 0% or 100% for what is not quite that. */
export function percent(share, digits = 0) {
  const least = 10 ** -digits;
  const shown = 100 * share;
  if (shown > 0 && shown < least / 2) return `<${least}%`;
  if (shown < 100 && shown > 100 - least / 2) return `>${(100 - least).toFixed(digits)}%`;
  return `${shown.toFixed(digits)}%`;
}

/** A probability as people read it. No model is quite certain: the server rounds to six digits, and 1 is what it rounds to. */
export function chance(probability, digits = 0) {
  return percent(Math.min(1 - 5e-7, Math.max(5e-7, probability)), digits);
}

/** A threshold, in tenths of a percent as the slider steps. */
export function thresholdText(threshold) {
  return `${Number((100 * threshold).toFixed(1))}%`;
}

/** The classes that are given at a threshold; the same rule as medgraft.prediction.decide_label. */
export function labelsOf(result, model, threshold) {
  const { classes, kind } = model;
  const shares = classes.map((name) => result.probabilities[name]);
  if (kind === "multilabel") return classes.filter((_, index) => shares[index] >= threshold);
  if (kind === "binary") return [classes[shares[1] >= threshold ? 1 : 0]];
  return [classes[shares.indexOf(Math.max(...shares))]];
}

/**
 * Which explanation belongs to an answer. The server explains the class that is given: of two labels that changes with
 * the threshold; otherwise there is one explanation, called "".
 */
export function explanationOf(result, model, threshold) {
  return result.probabilities && model.kind === "binary" ? labelsOf(result, model, threshold)[0] : "";
}

/** Whether the threshold changes the answers of a model. */
export function usesThreshold(model) {
  return model.kind !== "multiclass";
}

/**
 * Shares of the image, [name, share] by structure in the model's own order (an object would put names that are numbers
 * first), at a threshold that may have been moved from the one that was answered.
 */
export function areasOf(result, model, threshold, moved) {
  if (result.counts && moved) return [[model.classes[1], measure(result.counts, threshold).area]];
  return model.classes.slice(1).map((name) => [name, result.areas[name]]);
}

/** The answer in a few words, for the list and as a headline. */
export function finding(result, model, threshold, moved) {
  if (result.probabilities) {
    const labels = labelsOf(result, model, threshold);
    if (!labels.length) return "none of the classes";
    if (labels.length > 1) return labels.join(", ");
    return `${labels[0]} (${chance(result.probabilities[labels[0]])})`;
  }
  const found = areasOf(result, model, threshold, moved).filter(([, share]) => share > 0);
  if (!found.length) return "nothing outlined";
  if (found.length > 3) return `${found.length} structures outlined`;
  return found.map(([name, share]) => `${name}: ${percent(share, 1)} of the image`).join(", ");
}

/** How sure the model is: {text, careful}. */
export function sureness(result, model, threshold) {
  if (!result.probabilities) return surenessOfMask(result, threshold);
  if (model.kind === "multiclass") return surenessOfBest(result.probabilities);
  const positives = model.kind === "binary" ? [model.classes[1]] : model.classes;
  const shares = positives.map((name) => [name, result.probabilities[name]]);
  shares.sort((a, b) => Math.abs(a[1] - threshold) - Math.abs(b[1] - threshold));
  const [name, share] = shares[0];
  const careful = Math.abs(share - threshold) < CLOSE;
  const side = share >= threshold ? "above" : "below";
  const subject = model.kind === "binary" ? `Probability of ${name}` : `Nearest to the threshold is ${name}`;
  const text = `${subject}: ${chance(share, 1)}, ${side} the threshold of ${thresholdText(threshold)}.`;
  return { careful, text: careful ? `${text} That is close: a small change could turn the answer.` : text };
}

function surenessOfBest(probabilities) {
  const [[best, first], [next, second]] = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  const careful = first - second < CLOSE_CALL;
  const start = careful ? "A close call" : "The most probable class";
  return { careful, text: `${start}: ${best} with ${chance(first, 1)}; the next is ${next} with ${chance(second, 1)}.` };
}

function surenessOfMask(result, threshold) {
  if (!result.counts) {
    if (result.certainty === null) return { careful: false, text: "Background is the most probable class everywhere." };
    return inside(result.certainty, "Inside the outlines the class that is given has a mean probability of");
  }
  const { mean, highest } = measure(result.counts, threshold);
  if (mean === null) {
    const text = `No place reaches the threshold of ${thresholdText(threshold)}; the highest probability is ${chance(highest)}.`;
    return { careful: threshold - highest < CLOSE, text };
  }
  return inside(mean, "Inside the outline the mean probability is");
}

function inside(mean, start) {
  const careful = mean < UNSURE;
  return { careful, text: `${start} ${chance(mean)}${careful ? ": the model is unsure of it." : "."}` };
}

/** "usual", "far", "unlike", or "unknown". */
export function familiarityLevel(quantile) {
  if (quantile === null) return "unknown";
  if (quantile < USUAL) return "usual";
  return quantile < RARE ? "far" : "unlike";
}

/** What a line that has no room for the sentence adds to an answer; "" for an image as the model knows them. */
export function familiarityMark(result) {
  return familiarityLevel(result.familiarity.quantile) === "unlike" ? " \u00b7 unlike the training images" : "";
}

/** Whether the probabilities were calibrated. */
export function calibration(model) {
  if (model.temperature === 1) return "The probabilities are the model's own; no temperature was fitted to calibrate them.";
  const value = Number(model.temperature.toPrecision(3));
  return `The probabilities are calibrated: a temperature of ${value} was fitted on validation images.`;
}

/** Bytes as people read them. */
export function bytesText(bytes) {
  if (bytes >= 2 ** 20) return `${Number((bytes / 2 ** 20).toFixed(1))}\u00a0MiB`;
  return `${Math.max(1, Math.round(bytes / 1024))}\u00a0KiB`;
}
