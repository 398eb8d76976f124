"""Cross-entropy and focal loss of labels: a class an image, or several."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgraft.errors import RecipeError, suggest
from medgraft.losses.focal import SMALLEST

LabelKind = Literal["binary", "multiclass", "multilabel"]
LABEL_LOSSES = ("bce", "focal")


class LabelLoss(nn.Module):
    """Weighted cross-entropy of labels, discounted where the model is right already (focal loss).

    With ``q`` the probability given to the truth, the loss of an image is ``-w (1 - q)**gamma log q`` (Lin et al.
    2017, equation 5); ``gamma`` 0 is plain cross-entropy. The result is the weighted mean over images, ``sum(w l) /
    sum(w)``, as torch's ``cross_entropy`` takes it. Where an image may have several labels, each label is a binary
    question of its own and the mean is over images and labels.

    Parameters
    ----------
    kind : ``binary`` (logits [B, 1], of the second class), ``multiclass`` (logits [B, C]) or ``multilabel`` ([B, C]).
    weights : binary and multiclass: [C], weight of the images of each class (binary: 2). multilabel: [2, C], weights
        of absent and present labels. None weighs all the same.
    gamma : strength of the discount, 0 or more.

    Raises
    ------
    RecipeError
        If the kind is another one or gamma is negative.
    """

    weights: Tensor | None

    def __init__(self, kind: LabelKind, weights: Tensor | None = None, gamma: float = 0.0) -> None:
        super().__init__()
        if kind not in get_args(LabelKind):
            raise RecipeError(f"label loss: binary, multiclass or multilabel is wanted (got {kind!r}).")
        if not gamma >= 0:
            raise RecipeError(f"focal loss gamma: 0 or more is wanted (got {gamma}).")
        self.kind, self.gamma = kind, gamma
        self.register_buffer("weights", weights)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a float32 scalar.

        Parameters
        ----------
        logits : [B, 1 or C], of any floating-point type; computed in float32, also under autocast.
        target : [B] integer classes, or [B, C] of 0 and 1 where an image may have several.
        """
        with torch.autocast(logits.device.type, enabled=False):
            entropy = self._entropy(logits.float(), target)
            if self.gamma:
                missing = -torch.expm1(-entropy)
                entropy = entropy * missing.clamp_min(SMALLEST) ** self.gamma
            if self.weights is None:
                return entropy.mean()
            weights = self._of(target).to(entropy.dtype)
            return (entropy * weights).sum() / weights.sum()

    def _entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        """``-log q``: [B], or [B, C] where an image may have several labels."""
        if self.kind == "multiclass":
            return F.cross_entropy(logits, target.long(), reduction="none")
        plain = logits[:, 0] if self.kind == "binary" else logits
        return F.binary_cross_entropy_with_logits(plain, target.float(), reduction="none")

    def _of(self, target: Tensor) -> Tensor:
        assert self.weights is not None
        weights = self.weights.to(target.device)
        if self.kind != "multilabel":
            return weights[target.long()]
        return torch.where(target > 0, weights[1], weights[0])


def create_label_loss(name: str, kind: LabelKind, weights: Tensor | None = None, gamma: float = 2.0) -> LabelLoss:
    """The loss that a recipe names: ``bce`` (cross-entropy) or ``focal``; RecipeError for another one."""
    if name not in LABEL_LOSSES:
        raise RecipeError(
            f"loss: no loss {name!r} for labels; there are {', '.join(LABEL_LOSSES)}.{suggest(name, LABEL_LOSSES)}"
        )
    return LabelLoss(kind, weights, gamma if name == "focal" else 0.0)


def balanced_weights(labels: Tensor, kind: LabelKind, count: int) -> Tensor:
    """Weights that make every class count the same: images / (classes * images of the class).

    Parameters
    ----------
    labels : of the training images, [N] integer classes or [N, C] of 0 and 1.
    count : classes, C.

    Returns
    -------
    Tensor
        As :class:`LabelLoss` takes them, [C], or [2, C] for several labels. A class with no image (or a label that
        no image lacks) has weight 0: it is never asked for.
    """
    if kind == "multilabel":
        present = labels.float().sum(0)
        counts = torch.stack([len(labels) - present, present])
        return torch.where(counts > 0, len(labels) / (2 * counts.clamp_min(1)), 0.0)
    counts = torch.bincount(labels.long(), minlength=count).float()
    return torch.where(counts > 0, len(labels) / (count * counts.clamp_min(1)), 0.0)
