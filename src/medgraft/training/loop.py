"""The training loop: epochs, stages, early stopping, checkpoints."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from medgraft.data import Augmenter, PixelStore, evaluation_loader, scale
from medgraft.errors import EngineError
from medgraft.files import write_text
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.training.average import moving_average
from medgraft.training.checkpoint import Checkpoint
from medgraft.training.feed import Clock, FeatureFeed, Feed, PixelFeed, Rows, Share
from medgraft.training.monitor import Monitor
from medgraft.training.probe import NONE, Choices
from medgraft.training.schedule import warmup_cosine
from medgraft.training.standing import WORST, standing
from medgraft.training.trainee import LAYOUTS, Learner, autocast
from medgraft.transfer import (
    Engine,
    Features,
    Strategy,
    TorchEngine,
    blocks_of,
    checked_engine,
    encoder_of,
    named_engine,
    rest_name,
)

Criterion = Callable[[Tensor, Tensor], Tensor]

CHECKED = 8
"""Training images on which the engine of a stage is compared with PyTorch."""


class Trainer:
    """Trains ``model`` under ``strategy`` and keeps the best weights and a checkpoint in the run's folder.

    Batch order and augmentation are functions of (seed, epoch, image), torch's generator is seeded anew at every
    epoch, and the stage is a function of the epoch: a run that is killed and resumed from its last checkpoint does
    the same arithmetic as an unbroken one. Under ``torchrun`` or ``accelerate launch`` each process takes its share
    of every global batch (``batch_size`` images a process) and gradients are averaged over processes.

    Parameters
    ----------
    model : on the CPU, weights loaded; trained in place.
    rows : integer positions in ``store`` of the splits ``train`` and ``val`` (val may be empty: then there is no
        early stopping and the last weights are kept).
    criterion : loss of logits and targets, a mean over images.
    monitor : the score that says which epoch's weights are kept; of equal ones those with the smaller loss.
    folder : the run's folder; ``history.jsonl`` and ``checkpoint/`` are written there.
    features : the outputs of the first stage's frozen prefix, where they were stored; None runs it on every batch.
    weights : how often each training image is drawn; None for once an epoch.
    """

    def __init__(
        self,
        model: nn.Module,
        strategy: Strategy,
        recipe: Recipe,
        choices: Choices,
        store: PixelStore,
        rows: Rows,
        criterion: Criterion,
        monitor: Monitor,
        augmenter: Augmenter,
        folder: Path,
        accelerator: Accelerator,
        observer: Observer,
        features: Features | None = None,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.model, self.strategy, self.recipe, self.choices = model, strategy, recipe, choices
        self.store, self.rows, self.criterion, self.monitor = store, rows, criterion, monitor
        self.augmenter, self.features = augmenter, features
        self.share = Share(accelerator.process_index, accelerator.num_processes, accelerator.device, weights)
        self.folder, self.accelerator, self.observer = folder, accelerator, observer
        self.checkpoint = Checkpoint(folder / "checkpoint")
        self.encoder = encoder_of(model)
        model.to(accelerator.device)
        model.to(memory_format=LAYOUTS[choices.memory_format])
        groups = strategy.apply(model, weight_decay=recipe.weight_decay)
        fused = accelerator.device.type in ("cpu", "cuda")
        self.optimiser = torch.optim.AdamW([dict(group) for group in groups], fused=fused)
        self.scaler = torch.amp.GradScaler(accelerator.device.type, enabled=choices.precision == "fp16")
        self.average = moving_average(model, recipe.ema)
        self.epoch, self.stale = 0, 0
        self.best = WORST
        self.history: list[dict[str, Any]] = []
        self.stage: str | None = None
        self.engine: Engine | None = None
        self.learner: nn.Module = model
        self.stop = 0
        self.feed: Feed

    # -- the whole training ------------------------------------------------------------------------------------

    def fit(self, resume: bool = False) -> list[dict[str, Any]]:
        """Train to the last epoch or until patience runs out; return the history, a dict an epoch."""
        if resume:
            self._restore()
        while self.epoch < self.recipe.epochs and not self._out_of_patience():
            self._enter_stage()
            start = time.perf_counter()
            train, spent = self._train_epoch()
            spent["validation"] = -time.perf_counter()
            val = self._validate()
            spent["validation"] += time.perf_counter()
            self.history.append(
                {
                    "epoch": self.epoch + 1,
                    "seconds": round(time.perf_counter() - start, 3),
                    "stage": self.stage,
                    "monitor": self.monitor.key,
                    "engine": self._engine_name(),
                    "lr": {group["part"]: group["lr"] for group in self.optimiser.param_groups},
                    "train": train,
                    "val": val,
                    "time": {name: round(seconds, 3) for name, seconds in spent.items()},
                }
            )
            self._keep(val)
            self.observer.epoch(self.history[-1])
        return self.history

    def _out_of_patience(self) -> bool:
        return 0 < self.recipe.patience <= self.stale

    def evaluated(self) -> nn.Module:
        """The model whose weights are scored and kept: the moving average where there is one."""
        return self.model if self.average is None else self.average.module

    # -- one epoch ---------------------------------------------------------------------------------------------

    def _train_epoch(self) -> tuple[dict[str, float], dict[str, float]]:
        torch.manual_seed((self.recipe.seed * 1_000_003 + self.epoch) * 1009 + self.accelerator.process_index)
        self.model.train()
        steps, every = len(self.feed), self.recipe.accumulate
        steps_an_epoch = -(-steps // every)
        losses, tally, clock = [], self.monitor.tally(), Clock("data", "encoder", "learning")
        for step, (inputs, targets) in enumerate(self.feed.training(self.epoch, clock)):
            last = (step + 1) % every == 0 or step + 1 == steps
            share = every if step < steps - steps % every else steps % every
            loss, logits = self._backward(inputs, targets, share, last)
            if last:
                self._step_optimiser(self.epoch * steps_an_epoch + step // every, steps_an_epoch)
            losses.append(loss)
            tally.add(logits, targets)
            clock.lap("learning")
            self.observer.step(self.epoch + 1, self.recipe.epochs, step + 1, steps, loss)
        return {"loss": float(np.mean(losses)), self.monitor.key: tally.value()}, clock.spent

    def _backward(self, inputs: list[Tensor], targets: Tensor, share: int, last: bool) -> tuple[float, Tensor]:
        waiting = contextlib.nullcontext() if last else self.accelerator.no_sync(self.learner)
        with waiting, autocast(self.accelerator.device, self.choices.precision):
            logits = self.learner(inputs, self._size())
            loss = self.criterion(logits, targets)
            self.scaler.scale(loss / share).backward()
        return float(loss.detach()), logits.detach()

    def _size(self) -> tuple[int, int]:
        return self.store.images.shape[1], self.store.images.shape[2]

    def _step_optimiser(self, step: int, steps_an_epoch: int) -> None:
        factor = warmup_cosine(step, self.recipe.epochs * steps_an_epoch, self.recipe.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = group["base_lr"] * factor
        if self.recipe.clip:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.grad is not None], self.recipe.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update_parameters(self.model)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Loss and score at working size over the images of the split."""
        if len(self.rows["val"]) == 0:
            return {}
        learner = Learner(self.evaluated().eval(), self.stop)
        losses, tally = [], self.monitor.tally()
        for inputs, targets in self.feed.validation():
            with autocast(self.accelerator.device, self.choices.precision):
                logits = learner(inputs, self._size())
            losses += [float(self.criterion(logits, targets))] * len(targets)
            tally.add(logits, targets)
        # Each process moved its own BatchNorm statistics: all must follow one score, or patience would part them.
        return self._from_main({"loss": float(np.mean(losses)), self.monitor.key: tally.value()})

    def _from_main(self, scores: dict[str, float]) -> dict[str, float]:
        held = [scores]
        broadcast_object_list(held)
        return held[0]

    # -- stages ------------------------------------------------------------------------------------------------

    def _enter_stage(self) -> None:
        """Apply the strategy to this epoch; where the stage changed, build its prefix and wrap the rest anew."""
        blocks = blocks_of(self.model)
        stage = self.strategy.stage(blocks, self.epoch, rest_name(self.model))
        if stage == self.stage:
            return
        self.strategy.on_epoch(self.model, self.optimiser.param_groups, self.epoch)
        stop = self.strategy.prefix(blocks, self.epoch)
        self.learner = Learner(self.model, stop)
        self.feed = self._feed(stop)
        if self.accelerator.num_processes > 1:
            self.learner = self.accelerator.prepare_model(self.learner)
        self.stage, self.stop = stage, stop

    def _feed(self, stop: int) -> Feed:
        """Stored features where they are this stage's; else pixels, through an engine where blocks are fixed."""
        if self.features is not None and self.features.stop == stop:
            self.engine = None
            return FeatureFeed(self.features, self.store.targets, self.rows, self.recipe, self.share, self.choices)
        self.engine = self._engine(stop) if stop else None
        return PixelFeed(self.store, self.rows, self.augmenter, self.recipe, self.share, self.choices, self.engine)

    def _engine_name(self) -> str:
        if isinstance(self.feed, FeatureFeed):
            return self.feed.features.engine
        return self.engine.name if self.engine else NONE

    def _engine(self, stop: int) -> Engine:
        """The chosen engine for this stage's prefix; torch where it was the probe's choice and cannot run this one."""
        assert self.encoder is not None
        few = self.rows["train"][:CHECKED]
        batch = next(iter(evaluation_loader(self.store, few, CHECKED)))
        sample = scale(batch.images).to(self.accelerator.device)
        given = self.choices.engine, self.encoder, stop, sample, self.choices.precision
        if self.recipe.engine != "auto":
            return named_engine(*given)[0]
        try:
            return checked_engine(*given)[0]
        except EngineError as error:
            self.observer.say(f"the {stop} fixed encoder blocks of this stage run on torch: {error}")
            return TorchEngine(self.encoder, stop)

    # -- keeping -----------------------------------------------------------------------------------------------

    def _keep(self, val: Mapping[str, float]) -> None:
        """Count the epoch, keep its weights where they are the best, and write the checkpoint."""
        reached = standing(val, self.monitor.key)
        improved = reached is None or reached > self.best
        self.best, self.stale = (reached or WORST, 0) if improved else (self.best, self.stale + 1)
        self.epoch += 1
        if not self.accelerator.is_main_process:
            return
        if improved:
            self.checkpoint.save_best(self.evaluated().state_dict())
        ended = self.epoch == self.recipe.epochs or self._out_of_patience()
        if ended or self.epoch % self.recipe.checkpoint_every == 0:
            self._save()
        write_text(self.folder / "history.jsonl", "".join(json.dumps(line) + "\n" for line in self.history))

    def _save(self) -> None:
        state = {
            "epoch": self.epoch,
            "best": self.best,
            "stale": self.stale,
            "history": self.history,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }
        self.checkpoint.save_state(state)

    def _restore(self) -> None:
        state = self.checkpoint.load_state()
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.epoch, self.best, self.stale = state["epoch"], tuple(state["best"]), state["stale"]
        self.history = state["history"]
