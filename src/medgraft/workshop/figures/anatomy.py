"""What anatomy forbids: a drawn chest, and what becomes of it under changes that suit other images."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.workshop.figures.picture import GREEN, INK, ORANGE, Picture, picture, words

Pixels = npt.NDArray[np.float32]
_ALLOWED = (("as it is", True), ("turned by 8°", True), ("darker", True), ("mirrored", False), ("upside down", False))
_WHY = ("", "fine", "fine", "heart on the\nwrong side", "no such\npatient")


def chest(side: int = 96) -> Pixels:
    """A sketch of a chest X-ray ``[side, side]`` in 0 to 1: two dark lungs, the heart, ribs, a letter at the side.

    It is seen from the front, so the patient's left is on the right of the picture, and the heart is there.
    """
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / (side - 1)
    body = _ellipse(rows, columns, (0.6, 0.5), (0.62, 0.46))
    lungs = _ellipse(rows, columns, (0.5, 0.3), (0.32, 0.15)) + _ellipse(rows, columns, (0.5, 0.7), (0.32, 0.15))
    heart = _ellipse(rows, columns, (0.62, 0.58), (0.18, 0.14))
    ribs = 0.06 * (np.sin(2 * np.pi * (9 * rows + 1.5 * np.abs(columns - 0.5))) > 0.5)
    spine = 0.2 * np.exp(-(((columns - 0.5) / 0.04) ** 2))
    picture = 0.05 + 0.5 * body - 0.38 * lungs * (1 - heart) + 0.22 * heart + body * (ribs + spine)
    picture = np.where(_letter(rows, columns), 0.95, picture)
    return np.asarray(cv2.GaussianBlur(np.clip(picture, 0, 1).astype(np.float32), (0, 0), side / 120))


def _ellipse(rows: Pixels, columns: Pixels, middle: tuple[float, float], radii: tuple[float, float]) -> Pixels:
    away = ((rows - middle[0]) / radii[0]) ** 2 + ((columns - middle[1]) / radii[1]) ** 2
    return np.asarray(1 / (1 + np.exp(np.minimum(14 * (away - 1), 60))), np.float32)


def _letter(rows: Pixels, columns: Pixels) -> npt.NDArray[np.bool_]:
    """An L, which marks the patient's left."""
    upright = (columns > 0.9) & (columns < 0.92) & (rows > 0.06) & (rows < 0.17)
    foot = (columns > 0.9) & (columns < 0.96) & (rows > 0.15) & (rows < 0.17)
    return np.asarray(upright | foot)


def turned(picture: Pixels, degrees: float) -> Pixels:
    """The picture turned about its middle, counter-clockwise; what comes in at the border is black."""
    middle = ((picture.shape[1] - 1) / 2, (picture.shape[0] - 1) / 2)
    return np.asarray(cv2.warpAffine(picture, cv2.getRotationMatrix2D(middle, degrees, 1.0), picture.shape[::-1]))


def what_anatomy_forbids() -> Picture:
    """The chest under five changes, and which of them a radiologist could meet."""
    plain = chest()
    pictures = (plain, turned(plain, 8), 0.75 * plain, plain[:, ::-1], plain[::-1])
    figure = picture(
        8.0,
        2.4,
        "A drawn chest X-ray five times. As it is, turned by 8 degrees, and darker: such an image can occur. "
        "Mirrored, the heart lies on the wrong side; upside down, no patient is X-rayed so.",
    )
    for axes, shown, (name, allowed), why in zip(figure.subplots(1, 5), pictures, _ALLOWED, _WHY, strict=True):
        axes.imshow(shown, cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
        axes.set_title(name, color=INK, fontsize=10)
        mark = f"{'✓' if allowed else '✗'} {why}".strip()
        words(axes, 0.5, -0.04, mark, GREEN if allowed else ORANGE, transform=axes.transAxes, va="top")
    return figure
