"""Dice as areas: what two masks share, over what they hold together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.workshop.figures.picture import BLUE, GREEN, INK, ORANGE, Picture, picture, words

Mask = npt.NDArray[np.bool_]
_SIDE = 64
_SHIFTS = (0, 4, 10, 30)
_RADII = (15, 4)


def overlap_scores(truth: Mask, predicted: Mask) -> tuple[float, float]:
    """Dice and Jaccard index of two masks; 1 for both where both are empty."""
    shared, either = int((truth & predicted).sum()), int((truth | predicted).sum())
    if not either:
        return 1.0, 1.0
    return 2 * shared / (shared + either), shared / either


def disc(radius: float, shift: float, side: int = _SIDE) -> Mask:
    """A disc in the middle of a square, moved to the right by ``shift`` pixels."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    return np.asarray(rows**2 + (columns + _SHIFTS[-1] / 2 - shift) ** 2 <= radius**2)


def dice_overlap() -> Picture:
    """A large and a small lesion; the prediction has the right form, and is moved by the same pixels in both."""
    pairs = [[(disc(radius, 0), disc(radius, shift)) for shift in _SHIFTS] for radius in _RADII]
    scores = [[overlap_scores(*pair)[0] for pair in row] for row in pairs]
    figure = picture(
        7.6,
        4.2,
        "Two discs, truth and prediction, in four positions: the prediction is moved by "
        f"{', '.join(str(shift) for shift in _SHIFTS)} pixels. Dice of a large lesion: {_listed(scores[0])}; of a "
        f"small one: {_listed(scores[1])}. The same few pixels cost a small lesion far more.",
    )
    for row, panels in enumerate(figure.subplots(2, len(_SHIFTS))):
        for axes, pair, shift in zip(panels, pairs[row], _SHIFTS, strict=True):
            axes.imshow(_painted(*pair), interpolation="nearest")
            axes.set_axis_off()
            dice, jaccard = overlap_scores(*pair)
            axes.set_title(f"moved by {shift}" if row == 0 else "", color=INK, fontsize=10)
            words(axes, 0.5, -0.06, f"Dice {dice:.2f}, IoU {jaccard:.2f}", transform=axes.transAxes)
    for x, name, color in ((0.22, "truth only", BLUE), (0.5, "shared", GREEN), (0.78, "prediction only", ORANGE)):
        figure.text(x, 0.0, f"■ {name}", color=color, ha="center", va="bottom", fontsize=9)
    figure.set_layout_engine("constrained", rect=(0, 0.06, 1, 0.94))
    return figure


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def _painted(truth: Mask, predicted: Mask) -> Any:
    """The masks in three colours on nothing, ``[H, W, 4]``."""
    from matplotlib.colors import to_rgba

    painted = np.zeros((*truth.shape, 4))
    painted[..., :] = to_rgba(BLUE, 0.06)
    for where, color in ((truth & ~predicted, BLUE), (predicted & ~truth, ORANGE), (truth & predicted, GREEN)):
        painted[where] = to_rgba(color, 0.85)
    return painted
