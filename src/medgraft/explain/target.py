"""What is explained: the logit of a class, or those of a structure summed over where it was found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medgraft.data import LabelClasses, MaskClasses
from medgraft.errors import RecipeError, listing, suggest
from medgraft.prediction import Array

EMPTY_REGION = (
    "no pixel of this image was given to {name}, so its logit is explained as the sum over the whole image instead"
)


@dataclass(frozen=True, eq=False)
class Target:
    """One number that a model gives for an image.

    Attributes
    ----------
    name : of the class.
    column : of the logits.
    sign : -1 for the first of two classes, whose logit is the other's negative.
    region : bool [H, W] at the working size, over which a structure's logits are summed; None for whole images.
    note : a sentence on how it was chosen, where there is one to say.
    rivals : whether the classes share one probability, so that a logit counts by how far it stands above the others.
    """

    name: str
    column: int
    sign: float = 1.0
    region: Array | None = None
    note: str = ""
    rivals: bool = False

    def __call__(self, logits: Tensor) -> Tensor:
        """Map logits [B, C] or [B, C, H, W] to the number of each image, [B]."""
        chosen = self.sign * logits[:, self.column].float()
        if self.region is None:
            return chosen
        region = torch.from_numpy(self.region).to(chosen.device)
        return (chosen * region).sum(dim=(1, 2))

    def odds(self, logits: Tensor) -> Tensor:
        """The same as log-odds, [B]: of rivals, the logit above the others' logarithm of summed exponentials."""
        chosen = self(logits)
        if not self.rivals:
            return chosen
        others = torch.arange(logits.shape[1], device=logits.device) != self.column
        return chosen - logits[:, others].float().logsumexp(dim=1)


def label_target(classes: LabelClasses, probabilities: Array, name: str | None = None) -> Target:
    """The class ``name`` of an image, or the most probable one.

    Parameters
    ----------
    probabilities : [C], of all classes in order.

    Raises
    ------
    RecipeError
        Where there is no such class.
    """
    index = int(probabilities.argmax()) if name is None else _index(name, classes.names)
    if classes.kind != "binary":
        return Target(classes.names[index], index, rivals=classes.kind == "multiclass")
    return Target(classes.names[index], 0, 1.0 if index else -1.0)


def mask_target(classes: MaskClasses, probability: Array, threshold: float, name: str | None = None) -> Target:
    """The structure ``name`` where the model found it, or the largest that it found.

    The logits of the structure are summed over the region that the model gave to it (Vinogradova, Dibrov & Myers 2020,
    "Towards Interpretable Semantic Segmentation via Gradient-weighted Class Activation Mapping", equation 2). Where
    it found none of it, they are summed over the whole image.

    Parameters
    ----------
    probability : [1 or C, H, W], at the working size.
    threshold : probability from which a pixel is foreground, in the binary case.

    Raises
    ------
    RecipeError
        Where there is no such structure.
    """
    binary = len(probability) == 1
    decided = (probability[0] >= threshold).astype(np.int64) if binary else probability.argmax(0)
    areas = np.bincount(decided.ravel(), minlength=classes.count)
    index = 1 + int(areas[1:].argmax()) if name is None else _index(name, classes.names)
    chosen, region = classes.names[index], decided == index
    column, sign = (0, 1.0 if index else -1.0) if binary else (index, 1.0)
    if not region.any():
        return Target(chosen, column, sign, np.ones_like(region), EMPTY_REGION.format(name=chosen))
    return Target(chosen, column, sign, region)


def _index(name: str, names: tuple[str, ...]) -> int:
    if name not in names:
        raise RecipeError(f"class: the run has no class {name!r}; it has {listing(names, 30)}.{suggest(name, names)}")
    return names.index(name)
