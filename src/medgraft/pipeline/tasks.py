"""What a task decides on the way from data to a reported run: targets, loss, watched score, evaluation, words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medgraft import losses
from medgraft.data import LabelClasses, Manifest, MaskClasses, PixelStore
from medgraft.recipe import Recipe, Task
from medgraft.scores import Scores
from medgraft.training import Monitor, monitor_of

Criterion = Callable[[Tensor, Tensor], Tensor]
Labels = npt.NDArray[Any]


SHOWN: dict[str, tuple[tuple[str, str], ...]] = {
    "segmentation": (("dice", "Dice"), ("jaccard", "Jaccard")),
    "classification": (("auc", "AUC"), ("balanced_accuracy", "balanced accuracy")),
}
"""By task, the scores that a line of text has room for, and what they are called; the first decides."""


class TargetTask(ABC):
    """What is to be predicted of an image.

    Attributes
    ----------
    name : ``segmentation`` or ``classification``.
    """

    name: Task

    @property
    @abstractmethod
    def kind(self) -> losses.LabelKind:
        """``binary``, ``multiclass``, or of labels ``multilabel``."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Logits a pixel or an image: 1 for a binary target."""

    @abstractmethod
    def criterion(self, recipe: Recipe, targets: Labels | None = None) -> Criterion:
        """The loss that the recipe names; ``targets`` are the training images', for the weights of classes."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """The classes, as a run keeps them."""

    @abstractmethod
    def about(self, manifest: Manifest) -> str:
        """What the images of ``manifest`` come with, for the user."""

    def draws(self, recipe: Recipe, targets: Labels) -> npt.NDArray[np.float64] | None:
        """How often each training image is drawn, [n]; None for once an epoch."""
        return None

    def monitor(self, recipe: Recipe) -> Monitor:
        """The score that early stopping looks at."""
        return monitor_of(self.name, self.kind, recipe.threshold)


@dataclass(frozen=True)
class Masks(TargetTask):
    """A class for each pixel."""

    classes: MaskClasses
    name = "segmentation"

    @property
    def kind(self) -> losses.LabelKind:
        """See :class:`TargetTask`."""
        return "binary" if self.classes.count == 2 else "multiclass"

    @property
    def outputs(self) -> int:
        """See :class:`TargetTask`."""
        return self.classes.outputs

    def criterion(self, recipe: Recipe, targets: Labels | None = None) -> Criterion:
        """See :class:`TargetTask`."""
        mode: losses.Mode = "binary" if self.outputs == 1 else "multiclass"
        return losses.create(recipe.loss, mode, recipe.loss_alpha, recipe.loss_gamma)

    def record(self) -> dict[str, Any]:
        """See :class:`TargetTask`."""
        return self.classes.to_dict()

    def about(self, manifest: Manifest) -> str:
        """See :class:`TargetTask`."""
        return f"{len(manifest)} images with masks ({self.classes.rule})"


@dataclass(frozen=True)
class Labelled(TargetTask):
    """A class for each image, or several."""

    classes: LabelClasses
    name = "classification"

    @property
    def kind(self) -> losses.LabelKind:
        """See :class:`TargetTask`."""
        return self.classes.kind

    @property
    def outputs(self) -> int:
        """See :class:`TargetTask`."""
        return self.classes.outputs

    def criterion(self, recipe: Recipe, targets: Labels | None = None) -> losses.LabelLoss:
        """See :class:`TargetTask`."""
        weights = self.class_weights(targets) if recipe.imbalance == "class_weights" and targets is not None else None
        return losses.create_label_loss(recipe.loss, self.kind, weights, recipe.loss_gamma)

    def class_weights(self, targets: Labels) -> Tensor:
        """Weights that make every class count the same."""
        return losses.balanced_weights(torch.from_numpy(targets), self.kind, self.classes.count)

    def draws(self, recipe: Recipe, targets: Labels) -> npt.NDArray[np.float64] | None:
        """Of several labels, an image is drawn as often as the rarest that it has (or has not, where it has none)."""
        if recipe.imbalance != "weighted_sampling":
            return None
        weights = self.class_weights(targets).double().numpy()
        if self.kind != "multilabel":
            return np.asarray(weights[targets])
        present = np.where(targets > 0, weights[1], 0.0).max(axis=1)
        drawn: npt.NDArray[np.float64] = np.where(present > 0, present, weights[0].mean())
        return drawn

    def record(self) -> dict[str, Any]:
        """See :class:`TargetTask`."""
        return self.classes.to_dict()

    def about(self, manifest: Manifest) -> str:
        """See :class:`TargetTask`."""
        counts = label_counts(manifest)
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        several = " (an image may have several)" if self.classes.multilabel else ""
        return f"{len(manifest)} images · {len(counts)} classes{several}: {listed}"


def task_of(manifest: Manifest, store: PixelStore) -> TargetTask:
    """The task that the data is for."""
    if manifest.classes is not None:
        return Labelled(manifest.classes)
    assert store.classes is not None
    return Masks(store.classes)


def expected_task(manifest: Manifest, recipe: Recipe) -> TargetTask:
    """The same before an image is decoded: masks are binary, unless the recipe maps their values to more classes."""
    if manifest.classes is not None:
        return Labelled(manifest.classes)
    if recipe.mask_values is None:
        return Masks(MaskClasses(("background", "foreground"), ((0, 0, 0), (255, 255, 1))))
    return Masks(MaskClasses.from_option(recipe.mask_values))


def headline(scores: Scores, task: TargetTask) -> str:
    """The scores of the test images (of the others, where there are none), as many as a line has room for."""
    split = "test" if "test" in scores else next(iter(scores))
    metrics, shown = scores[split], SHOWN[task.name]
    figures = [f"{title} {metrics[metric].brief()}" for metric, title in shown]
    return f"{split}   {' · '.join(figures)} · n = {metrics[shown[0][0]].n}"


def label_counts(manifest: Manifest) -> dict[str, int]:
    """How many images have each class, in class order."""
    assert manifest.classes is not None
    labels = manifest.labels
    if manifest.classes.multilabel:
        return dict(zip(manifest.classes.names, map(int, labels.sum(axis=0)), strict=True))
    counts = np.bincount(labels, minlength=manifest.classes.count)
    return dict(zip(manifest.classes.names, map(int, counts), strict=True))
