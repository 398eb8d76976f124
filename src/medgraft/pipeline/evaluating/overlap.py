"""Whether scored images are ones that a model learned from: the same pixels, or the names of the same patients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.data import PixelStore
from medgraft.errors import counted, listing
from medgraft.pipeline.evaluating.data import Subject
from medgraft.run import Run

Rows = npt.NDArray[np.int64]

_AT_ONCE = 64


def overlap_notes(run: Run, subject: Subject, training: Subject | None, who: str = "the model") -> list[str]:
    """Sentences on what a run's training images and those that are scored share; none where nothing is known of it.

    Parameters
    ----------
    training : the run's own data where it is at hand; pixels are compared then, at working size.
    who : what the run is called in the sentences.
    """
    said = []
    if training is not None:
        found = _learned(subject, training)
        if found:
            ids = listing(subject.manifest.table["id"].iloc[found], 3)
            said.append(
                f"{counted(len(found), 'image')} ({ids}) {'is' if len(found) == 1 else 'are'}, pixel for pixel, among "
                f"the images that {who} learned from: the scores are too good. {_CURE[subject.own]}"
            )
    shared = _shared_patients(run, subject)
    if shared:
        said.append(
            f"{counted(len(shared), 'patient')} ({listing(shared, 3)}) of {subject.name} {_HAS[len(shared) == 1]} the "
            f"name of a patient that {who} learned from: where they are the same people, the scores are too good."
        )
    return said


_CURE = {
    True: "Train the runs of an ensemble on one split (--split-column, or the same --seed).",
    False: "Leave them out with --exclude.",
}
_HAS = {True: "has", False: "have"}


def _learned(subject: Subject, training: Subject) -> list[int]:
    """Rows that are scored and were learned from: the same pixels, or of the same data the same id."""
    known, rows = training.manifest.rows("train"), _scored(subject)
    found = set(shared_pixels(training.store, known, subject.store, rows))
    if training.manifest.root == subject.manifest.root:
        ids = set(training.manifest.table["id"].iloc[known])
        found |= {int(row) for row in rows if subject.manifest.table["id"].iloc[row] in ids}
    return sorted(found)


def _scored(subject: Subject) -> Rows:
    return np.concatenate(list(subject.rows.values()))


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
    # Of a cross-validation each image was learned from, by all folds but one.
    split = pd.read_csv((run.folds or [run])[0].folder / "split.csv", dtype=str, keep_default_na=False)
    if "group" not in split:
        return []
    learned = split if run.folds else split[split["split"] == "train"]
    groups = subject.manifest.table["group"].iloc[_scored(subject)]
    return sorted(set(learned["group"]) & set(groups.astype(str)))
