"""fastai on the same model and weights: its data loaders, its augmentation, its one-cycle training.

Imported by ``strategies.py`` only where fastai is installed (``pip install -r benchmarks/requirements.txt``).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from fastai.vision.all import (
    Callback,
    DataLoaders,
    ImageDataLoaders,
    Learner,
    Normalize,
    Resize,
    ResizeMethod,
    aug_transforms,
)
from torch import Tensor, nn
from torch.nn import functional as F

from peers.frozen_loop import Told


class _Epochs(Callback):
    """Seconds of the training part of each epoch."""

    def __init__(self, told: Told) -> None:
        self.told = told

    def before_train(self) -> None:
        self.start = time.perf_counter()

    def after_train(self) -> None:
        self.told.epochs.append(time.perf_counter() - self.start)
        self.told.steps += len(self.learn.dls.train)


def train(
    model: nn.Module, table: pd.DataFrame, size: int, mean: float, std: float, epochs: int, batch_size: int,
    lr: float, encoder_lr: float, seed: int,
) -> Told:  # fmt: skip
    """Train on the rows ``train`` of a table with image, target (0, 1) and split; score the rows ``test``."""
    torch.manual_seed(seed)
    told = Told()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaders = _loaders(table[table["split"] == "train"], size, mean, std, batch_size)
        learner = Learner(loaders, model, loss_func=_loss, splitter=_splitter(model), cbs=_Epochs(told), train_bn=False)
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(epochs, slice(encoder_lr or lr, lr))
            test = table[table["split"] == "test"]
            logits, _ = learner.get_preds(dl=loaders.test_dl([Path(file) for file in test["image"]]))
    told.probabilities = logits[:, 0].sigmoid().numpy()
    return told


def _loaders(rows: pd.DataFrame, size: int, mean: float, std: float, batch_size: int) -> DataLoaders:
    changes = aug_transforms(do_flip=False, max_rotate=10, max_zoom=1.1, max_lighting=0.2, max_warp=0)
    return ImageDataLoaders.from_df(
        rows.assign(target=rows["target"].astype(str)), path="/", fn_col="image", label_col="target", valid_pct=0.0,
        item_tfms=Resize(size, method=ResizeMethod.Squish), bs=batch_size, num_workers=0,
        batch_tfms=[*changes, Normalize.from_stats([mean] * 3, [std] * 3)], device=torch.device("cpu"),
    )  # fmt: skip


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(torch.as_tensor(logits)[:, 0], torch.as_tensor(labels).float())


def _splitter(model: nn.Module) -> Callable[[nn.Module], list[list[Any]]]:
    head = {id(parameter) for parameter in model.get_classifier().parameters()}

    def split(learned: nn.Module) -> list[list[Any]]:
        free = [p for p in learned.parameters() if p.requires_grad]
        return [[p for p in free if id(p) not in head], [p for p in free if id(p) in head]]

    return split
