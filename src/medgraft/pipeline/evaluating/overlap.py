"""Whether other data holds what the model learned from: the same pixels, or the names of the same patients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data import PixelStore
from medgraft.errors import counted, listing
from medgraft.pipeline.evaluating.data import EXTERNAL, Subject
from medgraft.run import Run

Rows = npt.NDArray[np.int64]

_AT_ONCE = 64


def overlap_notes(run: Run, subject: Subject, training: Subject | None) -> list[str]:
    """Sentences on what the training and other data share; none where nothing is known to be shared.

    Parameters
    ----------
    training : the run's own data where it is at hand; pixels are compared then, at working size.
    """
    said = []
    if training is not None:
        found = shared_pixels(training.store, training.manifest.rows("train"), subject.store, subject.rows[EXTERNAL])
        if found:
            ids = listing(subject.manifest.table["id"].iloc[found], 3)
            said.append(
                f"{counted(len(found), 'image')} ({ids}) {'is' if len(found) == 1 else 'are'}, pixel for pixel, among "
                "the images that the model learned from: the scores are too good. Leave them out with --exclude."
            )
    shared = _shared_patients(run, subject)
    if shared:
        said.append(
            f"{counted(len(shared), 'patient')} ({listing(shared, 3)}) of {subject.name} {_HAS[len(shared) == 1]} the "
            "name of a patient that the model learned from: where they are the same people, the scores are too good."
        )
    return said


_HAS = {True: "has", False: "have"}


def shared_pixels(known: PixelStore, known_rows: Rows, other: PixelStore, rows: Rows) -> list[int]:
    """Rows of ``other`` whose stored image is the same, bit for bit, as one of ``known``."""
    if known.images.shape[1:] != other.images.shape[1:] or known.images.dtype != other.images.dtype:
        return []
    # Two lines of each image tell nearly all of them apart, so that few have to be read as a whole.
    seen: dict[bytes, list[int]] = {}
    for row, digest in _lines(known, known_rows):
        seen.setdefault(digest, []).append(row)
    return [
        row
        for row, digest in _lines(other, rows)
        if any(np.array_equal(other.images[row], known.images[twin]) for twin in seen.get(digest, ()))
    ]


def _lines(store: PixelStore, rows: Rows) -> Iterator[tuple[int, bytes]]:
    """Each row with a digest of two lines of its image."""
    side = store.images.shape[1]
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        lines = np.ascontiguousarray(store.images[part][:, [side // 3, side // 2]])
        yield from ((int(row), hashlib.sha1(line.tobytes()).digest()) for row, line in zip(part, lines, strict=True))


def _shared_patients(run: Run, subject: Subject) -> list[str]:
    if not subject.manifest.has_groups:
        return []
    split = pd.read_csv(run.folder / "split.csv", dtype=str, keep_default_na=False)
    if "group" not in split:
        return []
    known = set(split.loc[split["split"] == "train", "group"])
    groups = subject.manifest.table["group"].iloc[subject.rows[EXTERNAL]]
    return sorted(known & set(groups.astype(str)))
