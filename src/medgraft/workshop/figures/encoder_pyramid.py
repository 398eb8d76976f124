"""An encoder's pyramid and the steps up that make a U-Net of it."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from medgraft.workshop.figures.picture import BLUE, INK, ORANGE, Picture, arrow, box, drawing, picture, words


def encoder_pyramid(channels: Sequence[int], size: int = 128) -> Picture:
    """A U-Net on an encoder whose stages have these channels, fine to coarse, for square images of ``size`` pixels."""
    stages = len(channels)
    alt = (
        f"A U-Net on an encoder. On the left an image of {size} pixels goes down through {stages} stages with "
        f"{', '.join(map(str, channels))} channels, each half as large. On the right steps up lead back to the size of "
        "the image; each takes the stage of its own size as a skip."
    )
    made = picture(8.2, 4.4, alt)
    axes = drawing(made.add_subplot(), 10, stages + 1.3)
    box(axes, 0.2, stages + 0.3, 2.2, 0.6, f"image, {size} px", INK)
    for stage, channel in enumerate(channels):
        _stage(axes, stage, stages, channel, size)
    _steps_up(axes, stages, size)
    words(axes, 1.3, 0.05, "encoder, pretrained", BLUE)
    words(axes, 8.5, 0.05, "decoder, new", ORANGE)
    return made


def _row(stage: int, stages: int) -> float:
    return stages - 0.7 - stage


def _stage(axes: Axes, stage: int, stages: int, channels: int, size: int) -> None:
    y, side = _row(stage, stages), -(-size // 2 ** (stage + 1))
    inset = 0.2 + 0.11 * (stage + 1)
    box(axes, inset, y, 2.6 - 2 * inset, 0.6, f"{channels} x {side} x {side}", BLUE)
    arrow(axes, (1.3, y + 1.0), (1.3, y + 0.62), BLUE)
    words(axes, 2.75, y + 0.14, f"stride {2 ** (stage + 1)}", fontsize=7)


def _steps_up(axes: Axes, stages: int, size: int) -> None:
    for stage in range(stages - 1):
        y = _row(stage, stages)
        box(axes, 7.3, y, 2.4, 0.6, "SmartUp", ORANGE)
        arrow(axes, (2.5, y + 0.36), (7.25, y + 0.36), INK, dashed=True)
        words(axes, 4.9, y + 0.5, "skip", fontsize=7)
        if stage < stages - 2:
            arrow(axes, (8.5, y - 0.38), (8.5, y - 0.02), ORANGE)
    lowest = _row(stages - 1, stages) + 0.3
    arrow(axes, (2.5, lowest), (8.5, _row(stages - 2, stages) - 0.02), ORANGE)
    top = stages + 0.3
    box(axes, 7.3, top, 2.4, 0.6, f"logits, {size} px", INK)
    arrow(axes, (8.5, _row(0, stages) + 0.62), (8.5, top - 0.02), ORANGE)
    words(axes, 8.3, top - 0.2, "1x1 convolution,\nenlarged", fontsize=7, ha="right")
