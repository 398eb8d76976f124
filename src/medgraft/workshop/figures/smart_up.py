"""One step up of a decoder, with the sizes of its maps."""

from __future__ import annotations

from medgraft.workshop.figures.picture import BLUE, GREEN, ORANGE, Picture, arrow, box, drawing, picture, words


def smart_up(
    coarse: tuple[int, int, int] = (320, 4, 4), skip: tuple[int, int, int] = (112, 7, 7), out: int = 64
) -> Picture:
    """How a coarse map [channels, h, w] meets a skip of any size and any number of channels."""
    (deep, rows, columns), (beside, height, width) = coarse, skip
    alt = (
        f"A step up. The coarse map {deep} x {rows} x {columns} is enlarged to the skip's size, {height} x {width}, "
        f"laid beside the skip's {beside} channels, which makes {deep + beside}; two convolutions make {out} of it."
    )
    made = picture(8.2, 2.3, alt)
    axes = drawing(made.add_subplot(), 11, 3)
    box(axes, 0.1, 1.9, 1.8, 0.8, f"x\n{deep} x {rows} x {columns}", ORANGE)
    box(axes, 0.1, 0.3, 1.8, 0.8, f"skip\n{beside} x {height} x {width}", BLUE)
    box(axes, 2.9, 1.9, 2.0, 0.8, f"enlarged to\n{height} x {width}", ORANGE)
    box(axes, 5.7, 1.1, 2.0, 0.8, f"side by side\n{deep + beside} x {height} x {width}", GREEN)
    box(axes, 8.5, 1.1, 2.3, 0.8, f"two 3x3 convolutions\n{out} x {height} x {width}", GREEN)
    arrow(axes, (1.95, 2.3), (2.85, 2.3), ORANGE)
    arrow(axes, (4.95, 2.2), (5.65, 1.7), ORANGE)
    arrow(axes, (1.95, 0.7), (5.65, 1.3), BLUE)
    arrow(axes, (7.75, 1.5), (8.45, 1.5), GREEN)
    words(axes, 2.4, 0.45, "gives the size", BLUE, ha="left")
    words(axes, 6.7, 0.75, "cat, dim=1", GREEN)
    return made
