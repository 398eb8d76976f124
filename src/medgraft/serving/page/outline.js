// Outlines of a field of numbers: marching squares, with the crossings interpolated along the edges of the squares.

/**
 * Segments [x1, y1, x2, y2, ...] of the lines that part values of at least `level` from lower ones.
 *
 * `values` are row by row, and a pixel's value stands at its middle; coordinates count pixels from the upper left
 * corner. What lies beyond the picture counts as low, so that outlines are closed at its border.
 */
export function outline(values, width, height, level) {
  const segments = [];
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? -Infinity : values[y * width + x]);
  for (let y = -1; y < height; y += 1) {
    // Of each square only the right side is new; most squares lie all on one side of the level.
    let left = 0;
    for (let x = -1; x < width; x += 1) {
      const right = (at(x + 1, y) >= level ? 2 : 0) + (at(x + 1, y + 1) >= level ? 4 : 0);
      const kind = left + right;
      if (kind !== 0 && kind !== 15) march(kind, x, y, at, level, segments);
      left = (right & 2 ? 1 : 0) + (right & 4 ? 8 : 0);
    }
  }
  return segments;
}

const [TOP, RIGHT, BOTTOM, LEFT] = [0, 1, 2, 3];
/** Which sides of a square a line joins, by which of its corners are high: 1, 2, 4, 8 clockwise from the upper left. */
const SIDES = {
  1: [LEFT, TOP], 2: [TOP, RIGHT], 3: [LEFT, RIGHT], 4: [RIGHT, BOTTOM], 6: [TOP, BOTTOM], 7: [BOTTOM, LEFT],
  8: [BOTTOM, LEFT], 9: [TOP, BOTTOM], 11: [RIGHT, BOTTOM], 12: [LEFT, RIGHT], 13: [TOP, RIGHT], 14: [LEFT, TOP],
};
/** Where two high corners lie across: lines around the upper right and lower left corner, or around the others. */
const ACROSS = [[LEFT, BOTTOM, TOP, RIGHT], [LEFT, TOP, RIGHT, BOTTOM]];

/** The lines through the square between the middles of four pixels, of which (x, y) is the upper left one. */
function march(kind, x, y, at, level, segments) {
  const [a, b, c, d] = [at(x, y), at(x + 1, y), at(x + 1, y + 1), at(x, y + 1)];
  // Two high corners that lie across hang together where the mean of all four is high.
  const together = a + b + c + d >= 4 * level;
  const sides = SIDES[kind] ?? ACROSS[(kind === 5) === together ? 0 : 1];
  for (const side of sides) {
    if (side === TOP) segments.push(x + 0.5 + crossing(a, b, level), y + 0.5);
    else if (side === RIGHT) segments.push(x + 1.5, y + 0.5 + crossing(b, c, level));
    else if (side === BOTTOM) segments.push(x + 0.5 + crossing(d, c, level), y + 1.5);
    else segments.push(x + 0.5, y + 0.5 + crossing(a, d, level));
  }
}

/** Where between two neighbours the level is crossed, 0 to 1; half way towards what lies beyond the picture. */
function crossing(first, second, level) {
  if (first === -Infinity || second === -Infinity) return 0.5;
  return (level - first) / (second - first);
}

/** How far class `index` is ahead of the best other one, at each pixel: at least 1 where it is the one that is given. */
export function lead(planes, index) {
  const values = planes[index].values;
  const ahead = new Int16Array(values.length);
  for (let at = 0; at < values.length; at += 1) {
    let other = 0;
    for (let plane = 0; plane < planes.length; plane += 1) {
      if (plane !== index && planes[plane].values[at] > other) other = planes[plane].values[at];
    }
    ahead[at] = values[at] - other;
  }
  return ahead;
}
