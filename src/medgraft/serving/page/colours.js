// Colours that are drawn on images: they stay the same in the light and in the dark.

/** Outlines by structure, the first one first; each has a dark edge, so that it shows on bright ground too. */
const OUTLINES = ["#ff9f1c", "#40c4ff", "#3fe0a0", "#ff8fd0", "#ffe14d", "#b9a5ff", "#ff7a6b", "#c5e86c"];

export function outlineColour(index) {
  return OUTLINES[index % OUTLINES.length];
}

/** From little to much, as the legend in style.css shows it. */
const HEAT = [[58, 20, 110], [178, 44, 96], [245, 128, 48], [252, 232, 120]];
const STRONGEST = 210; // opacity of the strongest places, of 255

/** The colour of each of 256 levels, [red, green, blue, opacity] one after the other. */
export function heatTable() {
  const table = new Uint8ClampedArray(4 * 256);
  for (let level = 0; level < 256; level += 1) {
    const place = (level / 255) * (HEAT.length - 1);
    const start = Math.min(HEAT.length - 2, Math.floor(place));
    for (let part = 0; part < 3; part += 1) {
      table[4 * level + part] = HEAT[start][part] + (place - start) * (HEAT[start + 1][part] - HEAT[start][part]);
    }
    table[4 * level + 3] = STRONGEST * (level / 255);
  }
  return table;
}
