"""The peer: a segmentation workshop's own training loop, written out plainly.

Every sample of every epoch is decoded by PIL, resized, and changed by albumentations; batches come from a torch
DataLoader; the encoder is "frozen" by ``requires_grad = False`` alone, with ``model.train()`` over everything; Adam at
one rate, Dice loss, plain float32 in contiguous memory. Nothing here is made slower than such loops are written:
workers persist from epoch to epoch, and the weights that do best on the validation images are kept.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import albumentations as A
import cv2
import numpy as np
import pandas as pd
import torch
from albumentations.pytorch import ToTensorV2
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from medgraft.policy import Augment


def training_transform(policy: Augment, size: int) -> A.Compose:
    """The kinds and ranges of change of one of Medgraft's policies, in albumentations' own terms."""
    return A.Compose(
        [
            A.Resize(size, size),
            A.HorizontalFlip(p=policy.flip_horizontal),
            A.VerticalFlip(p=policy.flip_vertical),
            A.Affine(
                scale=(1 - policy.scale, 1 + policy.scale),
                translate_percent=(-policy.shift, policy.shift),
                rotate=(-policy.rotation, policy.rotation),
                border_mode=cv2.BORDER_REFLECT_101,
                p=1.0,
            ),
            A.ColorJitter(
                brightness=(1 - policy.brightness, 1 + policy.brightness),
                contrast=(1 - policy.contrast, 1 + policy.contrast),
                saturation=(1 - policy.saturation, 1 + policy.saturation),
                hue=(-policy.hue, policy.hue),
                p=1.0,
            ),
            A.ToFloat(max_value=255),
            ToTensorV2(),
        ]
    )


def plain_transform(size: int) -> A.Compose:
    """Resize alone, as for validation and test images."""
    return A.Compose([A.Resize(size, size), A.ToFloat(max_value=255), ToTensorV2()])


class WorkshopDataset(Dataset[tuple[Tensor, Tensor]]):
    """Image float32 [3, S, S] in [0, 1] and mask float32 [S, S] of 0 and 1, decoded anew at every access.

    Parameters
    ----------
    table : columns ``image`` and ``target``, paths of images and of binary masks.
    """

    def __init__(self, table: pd.DataFrame, transform: A.Compose) -> None:
        self.images, self.masks = list(table["image"]), list(table["target"])
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = np.array(Image.open(self.images[index]).convert("RGB"))
        mask = np.array(Image.open(self.masks[index]).convert("L"))
        changed = self.transform(image=image, mask=mask)
        return changed["image"], (changed["mask"] > 127).float()


def loader(dataset: WorkshopDataset, batch_size: int, workers: int, training: bool) -> DataLoader:
    """Batches in shuffled order and of full size for training, in file order otherwise."""
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=training,
        # As Medgraft's loader does, so that both take the same number of steps of the same size.
        drop_last=training and len(dataset) >= batch_size,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_one_thread,
    )


def _one_thread(worker: int) -> None:
    # As albumentations advises: OpenCV's threads in every worker would fight over the cores.
    cv2.setNumThreads(0)


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """One minus the soft Dice of logits [B, 1, H, W] and masks [B, H, W], over the batch."""
    probabilities = torch.sigmoid(logits[:, 0])
    shared = (probabilities * masks).sum()
    return 1 - (2 * shared + 1) / (probabilities.sum() + masks.sum() + 1)


@dataclass(frozen=True)
class Epoch:
    """Seconds of an epoch by part: training (of which ``waiting`` for batches) and validation; and its val Dice."""

    training: float
    waiting: float
    validation: float
    dice: float


def train(
    model: nn.Module,
    training: DataLoader,
    validation: DataLoader,
    epochs: int,
    lr: float,
    progress: Callable[[int, Epoch], None],
) -> list[Epoch]:
    """Train ``model`` (with ``model.encoder``) in place and leave it with the weights of its best epoch."""
    for parameter in model.encoder.parameters():
        parameter.requires_grad = False
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    history: list[Epoch] = []
    best, kept = -1.0, model.state_dict()
    for number in range(1, epochs + 1):
        start = time.perf_counter()
        waiting = _train_epoch(model, training, optimiser)
        middle = time.perf_counter()
        dice = _validate(model, validation)
        history.append(Epoch(middle - start, waiting, time.perf_counter() - middle, dice))
        if dice > best:
            best, kept = dice, copy.deepcopy(model.state_dict())
        progress(number, history[-1])
    model.load_state_dict(kept)
    return history


def _train_epoch(model: nn.Module, batches: DataLoader, optimiser: torch.optim.Optimizer) -> float:
    """One pass with steps; returns the seconds spent waiting for batches."""
    model.train()
    waiting, before = 0.0, time.perf_counter()
    for images, masks in batches:
        waiting += time.perf_counter() - before
        loss = dice_loss(model(images), masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        before = time.perf_counter()
    return waiting


@torch.no_grad()
def _validate(model: nn.Module, batches: DataLoader) -> float:
    """Mean Dice of the images at working size."""
    model.eval()
    scores: list[float] = []
    for images, masks in batches:
        predicted = (model(images)[:, 0] > 0).float()
        shared, total = (predicted * masks).sum((1, 2)), predicted.sum((1, 2)) + masks.sum((1, 2))
        scores += torch.where(total > 0, 2 * shared / total.clamp(min=1), 1.0).tolist()
    return float(np.mean(scores)) if scores else 0.0
