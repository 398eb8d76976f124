"""What the learner is fed: outputs of the frozen prefix and targets, from pixels or from stored features."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medgraft.data import Augmenter, PixelStore, evaluation_loader, scale, training_loader
from medgraft.data.batches import EpochSampler
from medgraft.recipe import Recipe
from medgraft.training.probe import Choices
from medgraft.training.trainee import arranged, autocast, run_prefix
from medgraft.transfer import Engine, Features

Fed = tuple[list[Tensor], Tensor]
Rows = Mapping[str, npt.NDArray[np.int64]]


class Clock:
    """Adds the time since the last lap to the part that took it."""

    def __init__(self, *parts: str) -> None:
        self.spent = dict.fromkeys(parts, 0.0)
        self.last = time.perf_counter()

    def lap(self, part: str) -> None:
        """Charge the time since the last lap to ``part``."""
        now = time.perf_counter()
        self.spent[part] += now - self.last
        self.last = now


class Feed(Protocol):
    """Batches for the learner: what the frozen prefix returns (or the images, where nothing is fixed) and targets."""

    def __len__(self) -> int: ...

    def training(self, epoch: int, clock: Clock) -> Iterator[Fed]:
        """The batches of an epoch, in an order that depends on the seed and the epoch alone."""

    def validation(self) -> Iterator[Fed]:
        """All validation images, in order, unchanged."""


@dataclass(frozen=True)
class Share:
    """Which part of every global batch is this process's.

    Attributes
    ----------
    rank, world : of this process, and how many there are.
    device : where the learner is.
    weights : how often each training image is drawn; None for once an epoch.
    """

    rank: int
    world: int
    device: torch.device
    weights: npt.NDArray[np.float64] | None = None


class PixelFeed:
    """Images from the store, augmented, through the engine of the frozen prefix."""

    def __init__(
        self,
        store: PixelStore,
        rows: Rows,
        augmenter: Augmenter,
        recipe: Recipe,
        share: Share,
        choices: Choices,
        engine: Engine | None,
    ) -> None:
        self.store, self.rows, self.engine, self.device = store, rows, engine, share.device
        self.choices, self.batch_size = choices, recipe.batch_size
        self.loader = training_loader(
            store,
            rows["train"],
            augmenter,
            recipe.batch_size,
            recipe.seed,
            workers=recipe.workers,
            rank=share.rank,
            world=share.world,
            weights=share.weights,
        )

    def __len__(self) -> int:
        return len(self.loader)

    def training(self, epoch: int, clock: Clock) -> Iterator[Fed]:
        """See :class:`Feed`."""
        self.loader.set_epoch(epoch)
        for batch in self.loader:
            images, targets = scale(batch.images).to(self.device), batch.targets.to(self.device)
            clock.lap("data")
            inputs = self._inputs(images)
            clock.lap("encoder")
            yield inputs, targets

    def validation(self) -> Iterator[Fed]:
        """See :class:`Feed`."""
        for batch in evaluation_loader(self.store, self.rows["val"], self.batch_size):
            images = scale(batch.images).to(self.device)
            yield self._inputs(images), batch.targets.to(self.device)

    def _inputs(self, images: Tensor) -> list[Tensor]:
        # Never around a yield: autocast keeps its copies of the weights until its context is left.
        with autocast(self.device, self.choices.precision):
            return run_prefix(self.engine, images, self.choices.memory_format)


class FeatureFeed:
    """What the frozen prefix returned, once, for every view of every image: neither pixels nor encoder are needed."""

    def __init__(
        self,
        features: Features,
        targets: npt.NDArray[Any],
        rows: Rows,
        recipe: Recipe,
        share: Share,
        choices: Choices,
    ) -> None:
        self.features, self.targets, self.rows = features, torch.from_numpy(targets), rows
        self.device, self.choices, self.batch_size = share.device, choices, recipe.batch_size
        self.sampler = EpochSampler(
            rows["train"], recipe.batch_size, recipe.seed, share.rank, share.world, share.weights
        )

    def __len__(self) -> int:
        return len(self.sampler)

    def training(self, epoch: int, clock: Clock) -> Iterator[Fed]:
        """See :class:`Feed`; the views of an image take turns from epoch to epoch."""
        self.sampler.set_epoch(epoch)
        for keys in self.sampler:
            rows = np.array([row for _, row in keys], dtype=np.int64)
            fed = self._fed(rows, epoch)
            clock.lap("data")
            yield fed

    def validation(self) -> Iterator[Fed]:
        """See :class:`Feed`."""
        rows = self.rows["val"]
        for start in range(0, len(rows), self.batch_size):
            yield self._fed(rows[start : start + self.batch_size], 0)

    def _fed(self, rows: npt.NDArray[np.int64], turn: int) -> Fed:
        inputs = torch.from_numpy(self.features.take(rows, turn)).to(self.device)
        with autocast(self.device, self.choices.precision):
            return [arranged(inputs, self.choices.memory_format)], self.targets[rows].to(self.device)
