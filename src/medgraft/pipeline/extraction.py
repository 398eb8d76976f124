"""Features of a frozen prefix, computed once where recipe and strategy allow it, and heads that learn on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medgraft.data import Augmenter, scale, training_loader
from medgraft.errors import RecipeError
from medgraft.models import Classifier, Encoder, FeatureEncoder
from medgraft.pipeline.assemble import Assembled
from medgraft.pipeline.prepare import Prepared
from medgraft.pipeline.tasks import Criterion, Labelled
from medgraft.policy import Augment
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.training import HeadTrainer, Monitor, Share
from medgraft.transfer import (
    Engine,
    Features,
    TorchEngine,
    Views,
    encoder_of,
    engine_for,
    extract,
    named_engine,
    solve,
    too_large,
)
from medgraft.transfer.features import FloatArray
from medgraft.transfer.linear_probe import Attempt

SAMPLE = 4
"""Images on which engines are compared and measured."""
AUGMENTED_VIEWS = 4
"""Views of each training image where blocks behind the fixed ones learn, and images are augmented."""


def views_of(recipe: Recipe, assembled: Assembled, augmentation: Callable[..., Any] | None) -> int:
    """How many views of each training image are extracted; 0 where the prefix runs anew in every epoch.

    A change of images by the user's own code has no name that stored features could be found by.
    """
    encoder = encoder_of(assembled.model)
    if not isinstance(encoder, FeatureEncoder) or augmentation is not None:
        return 0
    stop = assembled.strategy.prefix(encoder, 0)
    if stop == 0:
        return 0
    if recipe.views is not None:
        return recipe.views
    return 1 if stop == len(encoder.blocks) or recipe.augment == Augment() else AUGMENTED_VIEWS


def solves(recipe: Recipe) -> bool:
    """Whether the head is solved at once, on features of all encoder blocks, instead of trained epoch by epoch.

    Raises RecipeError where ``solver: lbfgs`` is asked for and cannot be.
    """
    reasons = {
        "the strategy leaves no encoder fixed": recipe.strategy not in ("frozen", "lp_ft"),
        "the head is not linear": recipe.head != "linear",
        "it minimises cross-entropy (loss bce) only": recipe.loss != "bce",
        "no features are stored (views 0)": recipe.views == 0,
        "the data has masks": recipe.task != "classification",
    }
    against = next((reason for reason, holds in reasons.items() if holds), None)
    if recipe.solver == "lbfgs" and against:
        raise RecipeError(f"solver: lbfgs cannot be used here, as {against}; leave it at auto.")
    return recipe.solver != "adamw" and against is None


def extract_features(
    prepared: Prepared, assembled: Assembled, recipe: Recipe, views: int, engine: str, observer: Observer
) -> Features | None:
    """Run the frozen prefix on every image, once, on the engine of that name; ``auto`` takes one that is fast.

    None where the disk has no room for the features.
    """
    encoder = encoder_of(assembled.model)
    assert encoder is not None
    stop = assembled.strategy.prefix(encoder, 0)
    if too_large(prepared.store, encoder, stop, views):
        observer.say("features are not stored, as they would fill the disk: the fixed blocks run in every epoch")
        return None
    train = prepared.rows["train"]
    images = len(prepared.store) + (views - 1) * len(train)
    sample = scale(next(iter(training_loader(prepared.store, train, None, SAMPLE, recipe.seed))).images)
    runner = _engine(encoder, stop, sample.to(next(encoder.parameters()).device), images, engine)
    features = extract(
        prepared.store,
        encoder,
        runner,
        train,
        Views(views, Augmenter(recipe.augment), recipe.seed),
        progress=lambda done, total: observer.working("extracting features", done, total),
    )
    observer.say(_sentence(features, recipe))
    return features


def _engine(encoder: Encoder, stop: int, sample: Tensor, images: int, name: str) -> Engine:
    """In float32, so that stored features are those of the model as it will be used."""
    if sample.device.type != "cpu":
        return TorchEngine(encoder, stop)
    if name == "auto":
        return engine_for(encoder, stop, sample, images)[0]
    return named_engine(name, encoder, stop, sample, streams=torch.get_num_threads())[0]


def _sentence(features: Features, recipe: Recipe) -> str:
    count = len(features.arrays[0])
    views = f", {len(features.arrays)} views of those to train on" if len(features.arrays) > 1 else ""
    how = f"by {features.engine} in {features.seconds:.1f} s" if features.seconds else "found in the cache"
    unseen = len(features.arrays) == 1 and recipe.augment != Augment()
    hint = "; augmentation plays no part (--views 4 adds augmented views)" if unseen else ""
    return f"features of {count} images extracted once{views}: {how}, {features.megabytes:.1f} MB{hint}"


def solve_head(prepared: Prepared, assembled: Assembled, features: Features, recipe: Recipe) -> list[dict[str, Any]]:
    """Solve the linear head by L-BFGS and give it its weights; return the penalties tried, as lines of a history."""
    task, model, rows = prepared.task, assembled.model, prepared.rows
    assert isinstance(task, Labelled) and isinstance(model, Classifier)
    views, targets = len(features.arrays), prepared.targets("train")
    train = np.concatenate([features.view(view, rows["train"]) for view in range(views)])
    labels = np.concatenate([targets] * views)
    val, val_labels = features.view(0, rows["val"]), prepared.targets("val")
    weights = None if recipe.imbalance == "none" else task.class_weights(targets)
    probe = solve(train, labels, val, val_labels, task.kind, task.classes.count, weights)
    probe.load_into(model.final)
    scored = {"train": (train, labels)} | ({"val": (val, val_labels)} if len(val) else {})
    return [
        {
            "epoch": number,
            "seconds": round(attempt.seconds, 4),
            "stage": "logistic regression",
            "monitor": task.monitor(recipe).key,
            "engine": features.engine,
            "lr": {},
            "penalty": attempt.penalty,
            "chosen": attempt is probe.best,
            "train": {},
            "val": {},
            "time": {"learning": round(attempt.seconds, 4)},
        }
        | {split: _scores(attempt, split, x, y, task.monitor(recipe)) for split, (x, y) in scored.items()}
        for number, attempt in enumerate(probe.attempts, start=1)
    ]


def train_head(
    prepared: Prepared,
    assembled: Assembled,
    features: Features,
    recipe: Recipe,
    criterion: Criterion,
    observer: Observer,
) -> list[dict[str, Any]]:
    """Train the head alone; return its history. Every process does the same, as that is sooner done than shared."""
    model, task = assembled.model.cpu(), prepared.task
    assert isinstance(model, Classifier)
    return HeadTrainer(
        model.head,
        assembled.strategy.apply(model, weight_decay=recipe.weight_decay),
        features,
        torch.from_numpy(prepared.store.targets),
        prepared.rows,
        recipe,
        criterion,
        task.monitor(recipe),
        Share(0, 1, torch.device("cpu"), task.draws(recipe, prepared.targets("train"))),
        observer,
    ).fit()


def _scores(
    attempt: Attempt, split: str, features: FloatArray, labels: npt.NDArray[Any], monitor: Monitor
) -> dict[str, float]:
    tally = monitor.tally()
    tally.add(torch.from_numpy(features @ attempt.weight.T + attempt.bias), torch.from_numpy(labels))
    return {"loss": attempt.train_loss if split == "train" else attempt.val_loss, monitor.key: tally.value()}
