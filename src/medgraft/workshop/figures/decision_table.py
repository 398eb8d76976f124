"""Which strategy to begin with, by the number of patients and the distance of their images."""

from __future__ import annotations

from medgraft.workshop.figures.picture import BLUE, GREEN, ORANGE, VIOLET, Picture, box, drawing, picture, words

_ROWS = ("under 1,000", "1,000 to 50,000", "50,000 to 500,000", "above 500,000")
_CELLS = (
    (("frozen", BLUE), ("partial,\nlast 2 blocks", GREEN)),
    (("partial,\nlast 2 blocks", GREEN), ("partial, half of the\nblocks, lower rate", GREEN)),
    (("full", ORANGE), ("full", ORANGE)),
    (("full", ORANGE), ("scratch where far,\nelse full", VIOLET)),
)


def decision_table() -> Picture:
    """The table that ``medgraft advise`` begins with (docs/how-to/advise.md), before measurements move the choice."""
    alt = "A table of strategies. " + " ".join(
        f"{row} patients: {near[0]} where images are similar, {far[0]} where they are different."
        for row, (near, far) in zip(_ROWS, _CELLS, strict=True)
    ).replace("\n", " ")
    made = picture(7.4, 3.2, alt)
    axes = drawing(made.add_subplot(), 10, 4.7)
    words(axes, 1.3, 4.4, "patients")
    words(axes, 4.6, 4.4, "similar to the pretraining images")
    words(axes, 8.2, 4.4, "different")
    for line, (row, cells) in enumerate(zip(_ROWS, _CELLS, strict=True)):
        y = 3.2 - line
        words(axes, 1.3, y + 0.42, row)
        for x, (text, colour) in zip((3.0, 6.6), cells, strict=True):
            box(axes, x, y, 3.2, 0.84, text, colour)
    return made
