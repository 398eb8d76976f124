"""A head alone, on stored features: the loop without images, encoder and checkpoints, as all lies in memory."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medgraft.data.batches import EpochSampler
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.training.average import moving_average
from medgraft.training.feed import Rows, Share
from medgraft.training.monitor import Monitor
from medgraft.training.schedule import warmup_cosine
from medgraft.training.standing import WORST, Standing, standing
from medgraft.transfer import Features, ParamGroup


@dataclass
class HeadTrainer:
    """Trains a head as :class:`~medgraft.training.loop.Trainer` trains what learns, several times as fast a step.

    The order of images, the views, the rates, early stopping and the choice of the epoch that is kept are the same.
    Nothing is written: a training that was killed is run again, within seconds, to the same result.

    Attributes
    ----------
    head : maps features [B, D] to logits [B, 1 or C]; trained in place, on the CPU. At the end it has the weights of
        the best epoch.
    groups : of its parameters, as a strategy returns them.
    features : of every image, by view.
    targets : of every image, [N] or [N, C].
    rows : positions of the splits ``train`` and ``val`` (val may be empty).
    criterion : loss of logits and targets.
    monitor : the score that says which epoch is kept; of equal ones that with the smaller loss.
    share : says how often each training image is drawn.
    """

    head: nn.Module
    groups: list[ParamGroup]
    features: Features
    targets: Tensor
    rows: Rows
    recipe: Recipe
    criterion: Callable[[Tensor, Tensor], Tensor]
    monitor: Monitor
    share: Share
    observer: Observer
    history: list[dict[str, Any]] = field(default_factory=list)

    def fit(self) -> list[dict[str, Any]]:
        """Train to the last epoch or until patience runs out; return the history, a dict an epoch."""
        with _one_thread():
            return self._fit()

    def _fit(self) -> list[dict[str, Any]]:
        recipe = self.recipe
        sampler = EpochSampler(self.rows["train"], recipe.batch_size, recipe.seed, weights=self.share.weights)
        optimiser = torch.optim.AdamW([dict(group) for group in self.groups], fused=True)
        average = moving_average(self.head, recipe.ema)
        kept: nn.Module = self.head if average is None else average.module
        best, state, stale = WORST, copy.deepcopy(kept.state_dict()), 0
        for epoch in range(recipe.epochs):
            start = time.perf_counter()
            torch.manual_seed((recipe.seed * 1_000_003 + epoch) * 1009)
            train = self._epoch(epoch, sampler, optimiser, average)
            learnt = time.perf_counter()
            val = self._validate(kept)
            spent = {"learning": learnt - start, "validation": time.perf_counter() - learnt}
            self._record(epoch, optimiser, train, val, spent)
            reached: Standing | None = standing(val, self.monitor.key)
            improved = reached is None or reached > best
            if improved:
                best, state = reached or WORST, copy.deepcopy(kept.state_dict())
            stale = 0 if improved else stale + 1
            if 0 < recipe.patience <= stale:
                break
        self.head.load_state_dict(state)
        return self.history

    def _epoch(
        self, epoch: int, sampler: EpochSampler, optimiser: torch.optim.Optimizer, average: Any
    ) -> dict[str, float]:
        """One pass; the optimiser moves after every ``accumulate`` batches."""
        self.head.train()
        sampler.set_epoch(epoch)
        steps, every = len(sampler), self.recipe.accumulate
        per_epoch = -(-steps // every)
        tally, losses = self.monitor.tally(), []
        for step, keys in enumerate(sampler):
            rows = np.array([row for _, row in keys], dtype=np.int64)
            targets = self.targets[rows]
            logits = self.head(torch.from_numpy(self.features.take(rows, epoch)))
            loss = self.criterion(logits, targets)
            share = every if step < steps - steps % every else steps % every
            (loss / share).backward()
            if (step + 1) % every == 0 or step + 1 == steps:
                self._move(optimiser, epoch * per_epoch + step // every, per_epoch)
                if average is not None:
                    average.update_parameters(self.head)
            losses.append(float(loss.detach()))
            tally.add(logits, targets)
        self.observer.step(epoch + 1, self.recipe.epochs, steps, steps, losses[-1])
        return {"loss": float(np.mean(losses)), self.monitor.key: tally.value()}

    def _move(self, optimiser: torch.optim.Optimizer, step: int, per_epoch: int) -> None:
        factor = warmup_cosine(step, self.recipe.epochs * per_epoch, self.recipe.warmup)
        for group in optimiser.param_groups:
            group["lr"] = group["base_lr"] * factor
        if self.recipe.clip:
            _clip([p.grad for p in self.head.parameters() if p.grad is not None], self.recipe.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    @torch.no_grad()
    def _validate(self, head: nn.Module) -> dict[str, float]:
        rows = self.rows["val"]
        if len(rows) == 0:
            return {}
        logits, tally = head.eval()(torch.from_numpy(self.features.view(0, rows))), self.monitor.tally()
        tally.add(logits, self.targets[rows])
        return {"loss": float(self.criterion(logits, self.targets[rows])), self.monitor.key: tally.value()}

    def _record(
        self,
        epoch: int,
        optimiser: torch.optim.Optimizer,
        train: dict[str, float],
        val: dict[str, float],
        spent: dict[str, float],
    ) -> None:
        self.history.append(
            {
                "epoch": epoch + 1,
                "seconds": round(sum(spent.values()), 4),
                "stage": "head",
                "monitor": self.monitor.key,
                "engine": self.features.engine,
                "lr": {group["part"]: group["lr"] for group in optimiser.param_groups},
                "train": train,
                "val": val,
                "time": {part: round(seconds, 5) for part, seconds in spent.items()},
            }
        )
        self.observer.epoch(self.history[-1])


def _clip(gradients: list[Tensor], most: float) -> None:
    """As torch's ``clip_grad_norm_``, whose bookkeeping for many tensors takes a quarter of a step here."""
    total = torch.stack([gradient.norm() for gradient in gradients]).norm()
    if total > most:
        for gradient in gradients:
            gradient.mul_(most / (total + 1e-6))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread of torch inside the block: operations as small as a head's wait longer for threads than they take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
