"""What neighbours are looked for among: features of images with labels, or of places in images with masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from medgraft.data import LabelClasses
from medgraft.pipeline.evaluating.data import Subject
from medgraft.prediction import decide_label
from medgraft.run import Run
from medgraft.transfer.reuse.outputs import maps_of, pooled
from medgraft.transfer.transferability.dense_probe import majority

Presence = npt.NDArray[np.uint8]
PLACES = 8
"""Places taken of each image with a mask, in equal parts of the classes that it has there."""


@dataclass(frozen=True, eq=False)
class Taken:
    """Features of images or places.

    Attributes
    ----------
    features : [n, D] float32.
    rows : [n], the image that each is of.
    labels : [n], the class of a place; of whole images, whose labels the manifest has, 0.
    """

    features: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]


class ImageLabels:
    """Labels of whole images."""

    def __init__(self, run: Run, subject: Subject) -> None:
        self.classes = LabelClasses.from_dict(run.model_info["classes"])
        self.subject, self._presence = subject, subject.manifest.presence

    def take(self, rows: list[int], output: Tensor) -> Taken | None:
        """Pooled features."""
        return Taken(pooled(output).cpu().numpy(), np.array(rows, np.int64), np.zeros(len(rows), np.int64))

    def presence(self, taken: Taken) -> npt.NDArray[np.uint8]:
        """[n, C] of what was taken."""
        return np.asarray(self._presence[taken.rows], np.uint8)

    def table(self, taken: Taken, shares: npt.NDArray[np.float64]) -> pd.DataFrame:
        """A row an image, in the form of ``predictions.csv``."""
        rows = []
        for place, share in zip(taken.rows.tolist(), shares, strict=True):
            said = decide_label(share, self.classes, 0.5)
            told = {f"p_{name}": float(p) for name, p in zip(said.names, share, strict=True)}
            rows.append(self.subject.manifest.recorded(place) | {"predicted": said.label} | told)
        return pd.DataFrame(rows)


class PlaceLabels:
    """Classes of places in images with masks: the class that most pixels of the mask have there."""

    def __init__(self, subject: Subject, seed: int) -> None:
        assert subject.store.classes is not None
        self.subject, self.seed, self.names = subject, seed, subject.store.classes.names

    def take(self, rows: list[int], output: Tensor) -> Taken | None:
        """Features of a few places of each image; None where the output has no places."""
        maps = maps_of(output)
        if maps is None or maps.shape[2] * maps.shape[3] < 2:
            return None
        height, width = maps.shape[2:]
        classes = majority(self.subject.store.masks[rows], height, width, len(self.names)).reshape(len(rows), -1)
        flat = maps.float().flatten(2).cpu().numpy()
        features, which, labels = [], [], []
        for place, row in enumerate(rows):
            chosen = _sample(classes[place], np.random.default_rng((self.seed, row)))
            features.append(flat[place][:, chosen].T)
            which += [row] * len(chosen)
            labels.append(classes[place][chosen])
        return Taken(np.concatenate(features), np.array(which, np.int64), np.concatenate(labels))

    def presence(self, taken: Taken) -> npt.NDArray[np.uint8]:
        """[n, C] of what was taken."""
        return np.eye(len(self.names), dtype=np.uint8)[taken.labels]

    def table(self, taken: Taken, shares: npt.NDArray[np.float64]) -> pd.DataFrame:
        """A row a place; those of an image (or of its patient) are drawn together."""
        rows = []
        for number, (row, label, share) in enumerate(zip(taken.rows.tolist(), taken.labels, shares, strict=True)):
            told = self.subject.manifest.recorded(row)
            rows.append(
                {"id": f"{told['id']}#{number}", "split": told["split"], "group": told.get("group") or told["id"]}
                | {"target": self.names[label], "predicted": self.names[int(share.argmax())]}
                | {f"p_{name}": float(p) for name, p in zip(self.names, share, strict=True)}
            )
        return pd.DataFrame(rows)


Taker = ImageLabels | PlaceLabels


def _sample(classes: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    present = np.unique(classes)
    each = max(1, PLACES // len(present))
    return np.concatenate([rng.permutation(np.flatnonzero(classes == c))[:each] for c in present])
