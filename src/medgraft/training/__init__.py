"""The training loop and what it needs: schedule, probe, checkpoints."""

from medgraft.training.checkpoint import Checkpoint
from medgraft.training.device import accelerator_for, require_device
from medgraft.training.feed import Share
from medgraft.training.head import HeadTrainer
from medgraft.training.loop import Trainer
from medgraft.training.monitor import Monitor, batch_dice, monitor_of
from medgraft.training.probe import Choices, choose
from medgraft.training.schedule import warmup_cosine

__all__ = [
    "Checkpoint",
    "Choices",
    "HeadTrainer",
    "Monitor",
    "Share",
    "Trainer",
    "accelerator_for",
    "batch_dice",
    "choose",
    "monitor_of",
    "require_device",
    "warmup_cosine",
]
