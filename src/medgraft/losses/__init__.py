"""Losses for segmentation: each takes logits, computes in float32 and says what an empty target does."""

from medgraft.losses.base import Mode, SegmentationLoss
from medgraft.losses.bce import BCE
from medgraft.losses.combo import Combo
from medgraft.losses.dice import Dice
from medgraft.losses.focal import Focal
from medgraft.losses.iou import IoU
from medgraft.losses.registry import create, list_losses, register

__all__ = [
    "BCE",
    "Combo",
    "Dice",
    "Focal",
    "IoU",
    "Mode",
    "SegmentationLoss",
    "create",
    "list_losses",
    "register",
]
