"""How well one encoder's features suit a data set: extracted from the training images, with those of its random twin.

The twin is the same encoder with random weights. What the probe reaches on the twin's features is what the
architecture, the colours and the resolution give without any pretraining; what it reaches beyond that, is reuse.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medgraft.data import evaluation_loader, scale
from medgraft.errors import DataError, RecipeError
from medgraft.evaluation.resampling import Bootstrap
from medgraft.evaluation.transferability import Transferability, judge
from medgraft.models import FeatureEncoder, Weights, create_feature_encoder, find_weights
from medgraft.pipeline.prepare import Prepared
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.training import accelerator_for
from medgraft.transfer import Engine, TorchEngine, adapt_statistics, engine_for, extract_rows, least_milliseconds
from medgraft.transfer.features import FloatArray
from medgraft.transfer.onnx_export import evaluating
from medgraft.transfer.transferability import (
    LabelledFeatures,
    Measured,
    Probed,
    labelled_cells,
    measure,
    probe_alone,
)

IMAGES = 2000
"""Training images that are measured on at most, patient by patient; more would narrow intervals that are narrow."""
MASKED_IMAGES = 300
"""Images with masks, of which each gives many cells."""
TWIN_IMAGES = 64
"""Images from which the twin's BatchNorm statistics are estimated."""
STRIDE = 16
"""Of the feature map that masks are probed on: fine enough for outlines, deep enough for what is inside them."""
SAMPLE = 4
"""Images on which engines are compared and measured."""
BATCH = 8

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EncoderMeasured:
    """One encoder on one data set.

    Attributes
    ----------
    encoder, source : its name and where its weights came from.
    size : side of the images.
    images : training images that were looked at.
    result : the figures with their intervals.
    measured, twin : what they rest on; two encoders are compared by it.
    seconds : what it took, decoding aside.
    extraction : seconds that its features take an image, on the engine that was taken.
    """

    encoder: str
    source: str
    size: int
    images: int
    result: Transferability
    measured: Measured
    twin: Probed
    seconds: float
    extraction: float


def measure_encoder(
    prepared: Prepared, recipe: Recipe, observer: Observer, weights: Weights | None = None
) -> EncoderMeasured:
    """Measure the recipe's encoder on the training images; val and test are not looked at.

    Images with labels are measured by their pooled features, images with masks by cells of the feature map of stride
    16 (see :func:`~medgraft.transfer.transferability.labelled_cells`).

    Parameters
    ----------
    prepared : data with splits, decoded at ``recipe.size``.
    recipe : its ``encoder``, ``weights``, ``channels``, ``adapt``, ``seed``, ``device`` and ``bootstrap`` count.
    weights : of the encoder, where they were found before.

    Raises
    ------
    WeightsError
        Where the weights cannot be had. Random ones never stand in.
    RecipeError
        Where the encoder is unknown, takes no images of that size, or has no feature map to probe masks on.
    DataError
        Where the training images are too few to measure on.
    """
    start = time.perf_counter()
    looked = look(prepared, recipe, observer, weights)
    encoder, rows, data, extraction = looked.encoder, looked.rows, looked.data, looked.extraction
    stop, device = _stop(encoder, prepared), next(encoder.parameters()).device
    twin = random_twin(encoder, prepared, rows, recipe.seed).to(device)
    plain, _ = _extract(prepared, twin, stop, rows, observer, f"features of {recipe.encoder} with random weights")
    probed = probe_alone(_labelled(prepared, plain, rows, twin, recipe.seed), recipe.seed)
    what = f"measuring {recipe.encoder}"
    measured = measure(data, recipe.seed, lambda done, total: observer.working(what, done, total))
    result = judge(measured, probed, Bootstrap(recipe.bootstrap, seed=recipe.seed))
    took = time.perf_counter() - start
    return EncoderMeasured(
        recipe.encoder, looked.source, recipe.size, len(rows), result, measured, probed, round(took, 2), extraction
    )


@dataclass(frozen=True, eq=False)
class Looked:
    """What an encoder sees in the training images.

    Attributes
    ----------
    encoder, source : with its weights, and where they came from.
    rows : positions of the training images that were looked at.
    data : their features and what is true of them.
    extraction : seconds that the features take an image.
    """

    encoder: FeatureEncoder
    source: str
    rows: Rows
    data: LabelledFeatures
    extraction: float


def look(prepared: Prepared, recipe: Recipe, observer: Observer, weights: Weights | None = None) -> Looked:
    """Extract what :func:`measure_encoder` measures; parameters and errors are the same."""
    weights = weights or find_weights(recipe.encoder, recipe.weights)
    encoder = create_feature_encoder(recipe.encoder, recipe.channels, weights, recipe.adapt).eval()
    stop = _stop(encoder, prepared)
    rows = sampled_rows(prepared, recipe.seed)
    device = accelerator_for(recipe.device).device
    features, extraction = _extract(prepared, encoder.to(device), stop, rows, observer, f"features of {recipe.encoder}")
    data = _labelled(prepared, features, rows, encoder, recipe.seed)
    return Looked(encoder, weights.source, rows, data, extraction)


def sampled_rows(prepared: Prepared, seed: int) -> Rows:
    """Positions of the training images that are measured on: all, or whole patients drawn until there are enough."""
    rows = prepared.rows["train"]
    limit = IMAGES if prepared.manifest.classes is not None else MASKED_IMAGES
    if len(rows) <= limit:
        return rows
    groups = _groups(prepared, rows)
    codes = np.arange(len(rows)) if groups is None else np.unique(groups, return_inverse=True)[1]
    order = np.random.default_rng(seed).permutation(int(codes.max()) + 1)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    sizes = np.bincount(codes)[order].cumsum()
    return rows[place[codes] < max(2, int((sizes <= limit).sum()))]


def random_twin(encoder: FeatureEncoder, prepared: Prepared, rows: Rows, seed: int) -> FeatureEncoder:
    """The same encoder with random weights, and BatchNorm statistics of the data.

    As it is made, a BatchNorm takes its inputs to have mean 0 and spread 1. With random weights they have neither, and
    over dozens of layers the features vanish. So the statistics are estimated from some of the images, without labels.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        twin = create_feature_encoder(encoder.name, encoder.in_channels, None, "sum", encoder.mean, encoder.std)
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:TWIN_IMAGES])
    adapt_statistics(twin, _images(prepared, chosen))
    return twin.eval()


def _images(prepared: Prepared, rows: Rows) -> Iterator[Tensor]:
    for batch in evaluation_loader(prepared.store, rows, 2 * BATCH):
        yield scale(batch.images)


def _stop(encoder: FeatureEncoder, prepared: Prepared) -> int:
    """How many blocks are run: all, or for masks those up to the feature map."""
    if prepared.manifest.classes is not None:
        return len(encoder.blocks)
    if STRIDE not in encoder.strides:
        raise RecipeError(
            f"encoder {encoder.name!r} has no feature map of stride {STRIDE}, which masks are measured on; choose "
            "one with a feature pyramid, such as resnet50."
        )
    return encoder.taps[encoder.strides.index(STRIDE)] + 1


def _extract(
    prepared: Prepared, encoder: FeatureEncoder, stop: int, rows: Rows, observer: Observer, what: str
) -> tuple[FloatArray, float]:
    """Features of the images, and the seconds that the engine takes for one (also where they were in the cache)."""
    sample = scale(next(iter(evaluation_loader(prepared.store, rows[:SAMPLE], SAMPLE))).images)
    sample = sample.to(next(encoder.parameters()).device)
    engine: Engine = TorchEngine(encoder, stop)
    if sample.device.type == "cpu":
        engine, found = engine_for(encoder, stop, sample, len(rows))
        milliseconds = found.milliseconds[engine.name]
    else:
        with evaluating(encoder):
            milliseconds = least_milliseconds({"all": lambda: engine(sample)[0].cpu()}, rounds=1)["all"]
    features = extract_rows(
        prepared.store, encoder, engine, rows, BATCH, lambda done, total: observer.working(what, done, total)
    )
    return features, milliseconds / 1000 / len(sample)


def _labelled(
    prepared: Prepared, features: FloatArray, rows: Rows, encoder: FeatureEncoder, seed: int
) -> LabelledFeatures:
    """The features with what is true of them."""
    groups, store, task = _groups(prepared, rows), prepared.store, prepared.task
    try:
        if prepared.manifest.classes is not None:
            count = prepared.manifest.classes.count
            return LabelledFeatures.of(features, store.targets[rows], groups, task.kind, count)
        assert store.classes is not None
        channels = encoder.channels[encoder.strides.index(STRIDE)]
        maps = features if features.shape[1] == channels else features.transpose(0, 3, 1, 2)
        return labelled_cells(maps, store.masks[rows], groups, store.classes.count, seed)
    except DataError as error:
        raise DataError(f"{prepared.manifest.root}: {error}") from None


def _groups(prepared: Prepared, rows: Rows) -> npt.NDArray[np.object_] | None:
    table = prepared.manifest.table
    return table["group"].to_numpy(dtype=object)[rows] if prepared.manifest.has_groups else None
