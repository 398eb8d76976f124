"""A row an image: what is true, what was said, how good that is, and how unsure the model was."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from medgraft.data import LabelClasses
from medgraft.evaluation import known_spacings, mask_row, save_mask
from medgraft.evaluation.uncertainty import mask_uncertainty
from medgraft.inference import Answer
from medgraft.pipeline.evaluating.data import EXTERNAL, Subject
from medgraft.prediction import LabelPrediction, Prediction
from medgraft.progress import Observer

SAVED = ("test", EXTERNAL)
"""The splits whose predicted masks are kept."""

Row = dict[str, Any]


class Rows(Protocol):
    """Makes the row of an image; may be called in threads."""

    def __call__(self, position: int, answer: Answer) -> Row:
        """The row of the image at a position of the manifest."""


class LabelRows:
    """Rows of images with labels."""

    def __init__(self, subject: Subject, classes: LabelClasses) -> None:
        self.subject, self.classes = subject, classes
        self._split = split_of(subject)

    def __call__(self, position: int, answer: Answer) -> Row:
        """See :class:`Rows`."""
        said, manifest = answer.prediction, self.subject.manifest
        assert isinstance(said, LabelPrediction)
        shares = {f"p_{name}": float(p) for name, p in zip(said.names, said.probabilities, strict=True)}
        target = str(manifest.table["target"].iloc[position])
        right = float(sorted(said.label.split("|")) == sorted(target.split("|")))
        told = manifest.recorded(position) | {"split": self._split[position], "predicted": said.label}
        return told | shares | {"correct": right} | apart(answer)


class MaskRows:
    """Rows of images with masks, scored at the masks' own size.

    Parameters
    ----------
    folder : where predicted masks go, as ``predictions/ID.png``.
    """

    def __init__(self, subject: Subject, folder: Path, observer: Observer) -> None:
        self.subject, self.folder = subject, folder
        self._split = split_of(subject)
        self._spacing = known_spacings(subject.manifest, list(self._split), observer)

    def __call__(self, position: int, answer: Answer) -> Row:
        """See :class:`Rows`."""
        said, manifest = answer.prediction, self.subject.manifest
        assert isinstance(said, Prediction)
        split = self._split[position]
        if split in SAVED:
            save_mask(self.folder / "predictions" / f"{manifest.table['id'].iloc[position]}.png", said.mask)
        row = mask_row(said.classes, manifest, self.subject.store, position, self._spacing[position])
        unsure = mask_uncertainty(said.probability, said.classes)
        return row | {"split": split, "uncertainty": unsure} | apart(answer)


def apart(answer: Answer) -> Row:
    """How far models disagree, where there are several."""
    return {} if answer.disagreement is None else {"disagreement": answer.disagreement}


def split_of(subject: Subject) -> dict[int, str]:
    """By the position of an image the split that it is scored in, in the order in which images are scored."""
    return {int(position): split for split, rows in subject.rows.items() for position in rows}
