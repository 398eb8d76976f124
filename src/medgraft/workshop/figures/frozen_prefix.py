"""Blocks that do not learn, and what can be kept of them."""

from __future__ import annotations

from medgraft.workshop.figures.picture import BLUE, GREY, INK, ORANGE, Picture, arrow, box, drawing, picture, words


def frozen_prefix(blocks: int = 8, learning: int = 0) -> Picture:
    """An encoder of so many blocks, the last ``learning`` of which learn; what lies before them runs once an image."""
    fixed = blocks - learning
    told = f"The last {learning} blocks and the head learn" if learning else "The head alone learns"
    alt = (
        f"An encoder of {blocks} blocks in a row, and behind it a head or decoder. The first {fixed} blocks are fixed: "
        "their output is computed once for each image and kept. "
        f"{told} in every epoch."
    )
    made = picture(8.2, 2.2, alt)
    axes = drawing(made.add_subplot(), blocks + 3.4, 3)
    words(axes, 0.25, 1.6, "image")
    for block in range(blocks):
        x = 0.8 + block + (0.7 if block >= fixed else 0)
        box(axes, x, 1.2, 0.8, 0.8, str(block + 1), GREY if block < fixed else ORANGE)
    kept = 0.8 + fixed
    box(axes, kept - 0.35, 0.1, 1.2, 0.5, "kept", BLUE)
    arrow(axes, (kept - 0.5, 1.15), (kept - 0.05, 0.65), BLUE)
    arrow(axes, (kept + 0.85, 0.4), (kept + (0.9 if learning else 1.0), 1.15), BLUE)
    box(axes, blocks + 1.6, 1.2, 1.5, 0.8, "head or\ndecoder", ORANGE)
    words(axes, 0.8 + fixed / 2, 2.5, "fixed: once an image, no gradient, BatchNorm in eval mode", INK)
    words(axes, blocks + 2.0, 2.5, "learns: every epoch", ORANGE)
    return made
