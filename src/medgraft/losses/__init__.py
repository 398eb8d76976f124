"""Losses for segmentation and for labels: each takes logits, computes in float32 and says what an empty target does."""

from medgraft.losses.base import Mode, SegmentationLoss
from medgraft.losses.bce import BCE
from medgraft.losses.combo import Combo
from medgraft.losses.dice import Dice
from medgraft.losses.focal import Focal
from medgraft.losses.iou import IoU
from medgraft.losses.labels import LABEL_LOSSES, LabelKind, LabelLoss, balanced_weights, create_label_loss
from medgraft.losses.registry import create, list_losses, register

__all__ = [
    "BCE",
    "LABEL_LOSSES",
    "Combo",
    "Dice",
    "Focal",
    "IoU",
    "LabelKind",
    "LabelLoss",
    "Mode",
    "SegmentationLoss",
    "balanced_weights",
    "create",
    "create_label_loss",
    "list_losses",
    "register",
]
