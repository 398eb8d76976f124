// From the server's answer for one image to what the page keeps of it: PNGs stay PNGs, only counts are unpacked.

/**
 * What is kept: `width`, `height`, `familiarity`, `probabilities` (labels), `maps` and `mask` (PNGs of masks), `areas`,
 * `picture` (a PNG) and `preview` (its address, for an <img>), `explanations` (PNGs by class, see look.js), and of masks:
 * `counts` (two classes) how many pixels have each of the 256 levels of probability; `certainty` (more classes) the
 * mean probability of the class that is given, over the pixels that are not background.
 */
export async function understand(answer, model) {
  const preview = pngOf(answer.preview);
  const result = {
    width: answer.width,
    height: answer.height,
    familiarity: answer.familiarity,
    probabilities: answer.probabilities ?? null,
    areas: answer.area_fraction ?? null,
    preview: URL.createObjectURL(preview),
    picture: preview,
    maps: mapsOf(answer, model),
    mask: answer.mask ? pngOf(answer.mask) : null,
    explanations: new Map(),
  };
  if (result.maps.length === 1) result.counts = countLevels((await planesOf(result.maps))[0].values);
  if (result.maps.length > 1) result.certainty = certaintyOf(await planesOf(result.maps));
  return result;
}

export function pngOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return new Blob([bytes], { type: "image/png" });
}

function mapsOf(answer, model) {
  if (answer.probability_map) return [pngOf(answer.probability_map)];
  if (answer.probability_maps) return model.classes.map((name) => pngOf(answer.probability_maps[name]));
  return [];
}

/** Grey PNGs as {width, height, values}, values from 0 to 255. */
export function planesOf(pngs) {
  return Promise.all(pngs.map(planeOf));
}

async function planeOf(png) {
  // Levels are numbers here and no colours: nothing may adapt them to a screen.
  const bitmap = await createImageBitmap(png, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const pixels = context.getImageData(0, 0, width, height).data;
  const values = new Uint8Array(width * height);
  for (let index = 0; index < values.length; index += 1) values[index] = pixels[4 * index];
  return { width, height, values };
}

function countLevels(values) {
  const counts = new Uint32Array(256);
  for (const value of values) counts[value] += 1;
  return counts;
}

function certaintyOf(planes) {
  let sum = 0;
  let count = 0;
  for (let index = 0; index < planes[0].values.length; index += 1) {
    let best = 0;
    for (let plane = 1; plane < planes.length; plane += 1) {
      if (planes[plane].values[index] > planes[best].values[index]) best = plane;
    }
    if (best > 0) {
      sum += planes[best].values[index];
      count += 1;
    }
  }
  return count ? sum / count / 255 : null;
}

/** Of a mask's pixels: the share that reaches the threshold, their mean probability, and the highest of all. */
export function measure(counts, threshold) {
  const from = Math.ceil(255 * threshold - 1e-9);
  let all = 0;
  let inside = 0;
  let sum = 0;
  let highest = 0;
  counts.forEach((number, level) => {
    all += number;
    if (number) highest = level;
    if (level >= from) {
      inside += number;
      sum += number * level;
    }
  });
  return { area: inside / all, mean: inside ? sum / inside / 255 : null, highest: highest / 255 };
}
