"""How far other data is from what a run learned from, as the run's own encoder sees both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.errors import MedgraftError
from medgraft.models import Encoder, create_feature_encoder, find_weights
from medgraft.pipeline.evaluating.data import EXTERNAL, Subject
from medgraft.progress import Observer
from medgraft.run import Run
from medgraft.transfer import encoder_of
from medgraft.transfer.distance import DRAWS, ImageSet, distance_between, pretraining_distance
from medgraft.transfer.moments import LayerMoments, Observed, batches, carries_statistics, observe, sample_rows

TRAINING, OTHER, HELD_OUT = 128, 128, 96
"""Images that are looked at, at most, of each: 100 place a data set to 0.02 or better."""

FALLBACK = "tf_efficientnet_lite0"
"""The encoder that looks where the model has none of its own (the plain U-Net)."""


def measure_distance(run: Run, subject: Subject, training: Subject | None, observer: Observer) -> dict[str, Any] | None:
    """The distance of other data, in plain types; None where nothing can be measured.

    Parameters
    ----------
    training : the run's own data, where it is at hand. The distance is then from its training images, and that of its
        held-out images from them is given too (``held_out``): what to expect of images from the same source. Without
        it, the distance is from what the encoder's BatchNorms remember: its pretraining images, or the training's
        where they learned.

    Returns
    -------
    ``against`` (``training`` or ``statistics``), ``encoder``, ``value``, ``low``, ``high``, ``n``, ``excess``,
    ``by_block``, and ``held_out`` (the same again, or None).
    """
    encoder = _encoder(run)
    if encoder is None:
        return None
    here = _looked(encoder, subject, subject.rows[EXTERNAL], OTHER, "images of the data", 1, observer)
    if training is None:
        if not carries_statistics(encoder):
            return None
        return _told(pretraining_distance(here).to_dict()) | _about(encoder, "statistics", None)
    learned = training.manifest.rows("train")
    known = _looked(encoder, training, learned, TRAINING, "training images", 0, observer)
    held_out = None
    if "val" in training.rows:
        others = _looked(encoder, training, training.rows["val"], HELD_OUT, "validation images", 2, observer)
        held_out = _told(distance_between(others, known).to_dict())
    return _told(distance_between(here, known).to_dict()) | _about(encoder, "training", held_out)


def _about(encoder: Encoder, against: str, held_out: dict[str, Any] | None) -> dict[str, Any]:
    return {"against": against, "encoder": encoder.name, "held_out": held_out}


def _told(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in ("value", "low", "high", "n", "excess", "by_block")}


def _encoder(run: Run) -> Encoder | None:
    """The run's own (of a cross-validation the first fold's); else the one that needs no network, where installed."""
    single = run.folds[0] if run.folds else run
    predictor = single.predictor if run.task == "segmentation" else single.label_predictor
    own = encoder_of(predictor.model)
    if own is not None:
        return own
    try:
        return create_feature_encoder(FALLBACK, predictor.channels, find_weights(FALLBACK))
    except MedgraftError:
        return None


def _looked(
    encoder: Encoder,
    subject: Subject,
    rows: npt.NDArray[np.int64],
    limit: int,
    what: str,
    stream: int,
    observer: Observer,
) -> ImageSet:
    drawn = rows[sample_rows(len(rows), limit)]
    count = len(drawn)
    seen = observe(
        encoder,
        batches(subject.store.images, drawn),
        lambda done: observer.working(f"measuring the distance: {what}", done, count),
    )
    table = subject.manifest.table
    groups = table["group"].to_numpy()[drawn] if subject.manifest.has_groups else None
    return ImageSet(seen if seen.layers else _of_features(seen), groups, DRAWS, (0, stream))


def _of_features(seen: Observed) -> Observed:
    """Of an encoder without BatchNorm the pooled features are compared, as if one layer had received them."""
    features, width = seen.features, seen.features.shape[1]
    last = len(seen.block_names) - 1
    layer = LayerMoments("pooled features", last, features, features**2, np.zeros(width), np.ones(width))
    return replace(seen, layers=(layer,))
