"""Pictures of a classification report: the images that a model was surest of, rightly and wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medgraft.data.formats import AUTO, Address
from medgraft.errors import DataError
from medgraft.report.label_table import LabelTable
from medgraft.report.pictures import Picture, displayed, encoded, inlined, labelled
from medgraft.report.rendering import write_bytes

Integers = npt.NDArray[np.int64]

# How many images at most of either kind, and the long side of a thumbnail in pixels.
SHOWN = 8
THUMBNAIL = 320


def most_confident(table: LabelTable, right: bool, count: int = SHOWN) -> Integers:
    """Positions of the images that the model was surest of and right (or wrong) about, the surest first.

    Images that are as sure as each other come in the order of their ids.
    """
    rows = np.flatnonzero(table.outcomes.correct == right)
    sure = table.sureness
    return np.array(sorted(rows, key=lambda row: (-sure[row], table.ids[row]))[:count], dtype=np.int64)


def confident_pictures(
    table: LabelTable, figures: Path, synthetic: bool, window: str = AUTO
) -> Iterator[tuple[str, str, list[Picture]]]:
    """Heading, a sentence, and pictures of the surest wrong and the surest right images; none of what is none.

    Every picture is written to ``figures`` too. There are none where no image has a place, as in a copy of a run that
    is handed on.
    """
    if not any(table.images):
        return
    for heading, right in (("Wrong, and sure of it", False), ("Right, and sure of it", True)):
        rows = most_confident(table, right)
        all_rows = int((table.outcomes.correct == right).sum())
        name = "right" if right else "wrong"
        pictures = [
            thumbnail(table, int(row), _caption(table, int(row)), figures / f"{name}-{place}.png", synthetic, window)
            for place, row in enumerate(rows, start=1)
        ]
        if pictures:
            yield heading, f"The surest {len(rows)} of {all_rows} that it got {name}.", pictures


def thumbnail(table: LabelTable, row: int, caption: str, file: Path, synthetic: bool, window: str = AUTO) -> Picture:
    """One image with its caption, small, on the page and in ``file``; or the words that say why it is not there."""
    image = Address.parse(table.images[row])
    if not image.file.is_file():
        file.unlink(missing_ok=True)
        return Picture(caption, "", problem=f"The image {image.name} is not there any more.")
    try:
        pixels = labelled(displayed(str(image), THUMBNAIL, window), synthetic)
    except (DataError, OSError) as error:
        file.unlink(missing_ok=True)
        return Picture(caption, "", problem=f"{image.name} cannot be shown: {error}")
    write_bytes(file, encoded(pixels, "png"))
    return Picture(caption, f"Image {table.ids[row]}; {caption}".replace("\n", "; "), inlined(pixels))


def _caption(table: LabelTable, row: int) -> str:
    truth, said = table.names(table.truth[row]), table.names(table.decided[row])
    sure = f"{table.sureness[row]:.2f}"
    if not table.classes.multilabel:
        return f"true: {truth}\npredicted: {said}, {sure}\n{table.ids[row]}"
    if table.outcomes.correct[row]:
        return f"true and predicted: {truth}\nsure of each label by {sure} or more\n{table.ids[row]}"
    return f"true: {truth}\npredicted: {said}\n{_worst_label(table, row)}\n{table.ids[row]}"


def _worst_label(table: LabelTable, row: int) -> str:
    """The wrong decision that the model was surest of, with the label's probability."""
    wrong: Sequence[int] = np.flatnonzero(table.truth[row] != table.decided[row]).tolist()
    probability = table.probability[row]
    worst = max(wrong, key=lambda k: probability[k] if table.decided[row, k] else 1 - probability[k])
    return f"probability of {table.classes.names[worst]} {probability[worst]:.2f}"
