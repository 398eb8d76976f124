"""The training loop and what it needs: schedule, probe, checkpoints."""

from medgraft.training.checkpoint import Checkpoint
from medgraft.training.device import accelerator_for, require_device
from medgraft.training.loop import Trainer
from medgraft.training.probe import Choices, choose
from medgraft.training.schedule import warmup_cosine
from medgraft.training.validation import batch_dice

__all__ = [
    "Checkpoint",
    "Choices",
    "Trainer",
    "accelerator_for",
    "batch_dice",
    "choose",
    "require_device",
    "warmup_cosine",
]
