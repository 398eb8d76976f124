"""Where a picture has what looks like writing burned into it: sharp steps of brightness, many side by side in a line.

A step is a difference of a fifth of the range between neighbours in a row; letters with their outlines make several in
a few pixels, anatomy hardly any. Every second row is looked at. A block of 8 x 8 pixels is written on where a seventh
of its pixels are steps, and a line of writing is a connected set of such blocks, at least 24 pixels wide and at most 24
high. Single letters make no line, but count among the blocks.

Letters from about 8 to 24 pixels high are found, bright or dark; a picture with a side of more than 768 pixels is
halved before. Upright lines of writing are not found, and rulers, hairs and grids may be taken for writing.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.audit.reduce import halved, within

PLACES = 4
"""Writing is located on a grid of 4 x 4 parts of the picture."""
FEATURES = 2 + PLACES * PLACES
"""Lines of writing, the share of blocks that are written on, and that share in each part, row by row."""

_LONGEST = 768
_STEP = 50
_DENSITY = 0.15
_BLOCK = 8
_LEAST_WIDTH, _MOST_HEIGHT = 3, 3  # blocks

Grey = npt.NDArray[np.uint8]


def text_features(grey: Grey) -> npt.NDArray[np.float32]:
    """Return the features [FEATURES] of a grey picture [H, W], uint8."""
    found = np.zeros(FEATURES, np.float32)
    blocks = _written(within(grey, _LONGEST))
    if blocks is None or cv2.countNonZero(blocks) == 0:
        return found
    found[0] = _lines(blocks)
    found[1] = blocks.mean()
    found[2:] = cv2.resize(blocks.astype(np.float32), (PLACES, PLACES), interpolation=cv2.INTER_AREA).ravel()
    return found


def _lines(blocks: npt.NDArray[Any]) -> int:
    """How many connected sets of blocks have the shape of a line of writing."""
    beside = blocks[:, 2:] & blocks[:, 1:-1] & blocks[:, :-2]
    if not beside.any():
        return 0
    boxes = cv2.connectedComponentsWithStats(blocks, connectivity=8)[2][1:]
    wide = boxes[:, cv2.CC_STAT_WIDTH] >= _LEAST_WIDTH
    return int((wide & (boxes[:, cv2.CC_STAT_HEIGHT] <= _MOST_HEIGHT)).sum())


def _written(grey: Grey) -> npt.NDArray[Any] | None:
    """1 for each block that is written on, else 0; None where the picture is too small for any."""
    if min(grey.shape) < 2 * _BLOCK:
        return None
    rows = grey[::2]
    steps = cv2.threshold(cv2.absdiff(rows[:, 1:], rows[:, :-1]), _STEP, 255, cv2.THRESH_BINARY)[1]
    steps = halved(halved(steps))  # 8 rows by 4 columns
    even = steps[:, : steps.shape[1] // 2 * 2]
    blocks = cv2.resize(even, (even.shape[1] // 2, len(even)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.threshold(blocks, _DENSITY * 255, 1, cv2.THRESH_BINARY)[1])
