"""What is measured of a data set before advice is given: its distance, and what the encoder's features are worth."""

from __future__ import annotations

from dataclasses import dataclass

from medgraft.advice.facts import Curve, Word
from medgraft.errors import DataError
from medgraft.evaluation.transferability import Transferability
from medgraft.models import FeatureEncoder, create_feature_encoder, find_weights
from medgraft.pipeline.prepare import Prepared
from medgraft.pipeline.transferability import measure_encoder
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.scores import Interval
from medgraft.training import accelerator_for
from medgraft.transfer.distance import DomainDistance, from_pretraining
from medgraft.transfer.moments import batches, carries_statistics, sample_rows


@dataclass(frozen=True)
class Measurements:
    """See :class:`~medgraft.advice.Facts` for the fields; ``extraction`` is in seconds an image, 0 if not measured."""

    distance: Interval | None
    word: Word | None
    probe: Interval | None
    gain: Interval | None
    curve: Curve | None
    extraction: float


DISTANCE_IMAGES = 256
"""Training images that the distance is measured on; its interval is narrow by then."""


def measure(prepared: Prepared, recipe: Recipe, observer: Observer) -> Measurements:
    """Measure the training images through the recipe's encoder.

    Raises WeightsError where the encoder's weights cannot be had. What a data set is too small to be probed for is
    None, and said.
    """
    weights = find_weights(recipe.encoder, recipe.weights)
    encoder = create_feature_encoder(recipe.encoder, recipe.channels, weights, recipe.adapt)
    distance = _distance(prepared, encoder, recipe, observer) if carries_statistics(encoder) else None
    try:
        found = measure_encoder(prepared, recipe, observer, weights)
    except DataError as error:
        observer.say(f"the features cannot be probed: {error}")
        return Measurements(*_of_distance(distance), None, None, None, 0.0)
    result = found.result
    return Measurements(*_of_distance(distance), result.probe, result.gain, _curve(result), found.extraction)


def _distance(prepared: Prepared, encoder: FeatureEncoder, recipe: Recipe, observer: Observer) -> DomainDistance:
    rows = prepared.rows["train"]
    rows = rows[sample_rows(len(rows), DISTANCE_IMAGES, recipe.seed)]
    table = prepared.manifest.table
    return from_pretraining(
        encoder.to(accelerator_for(recipe.device).device),
        batches(prepared.store.images, rows),
        table["group"].to_numpy()[rows] if prepared.manifest.has_groups else None,
        seed=recipe.seed,
        progress=lambda done: observer.working("measuring the distance", done, len(rows)),
    )


def _of_distance(distance: DomainDistance | None) -> tuple[Interval | None, Word | None]:
    if distance is None:
        return None, None
    return Interval(distance.value, distance.low, distance.high, distance.n), distance.word


def _curve(result: Transferability) -> Curve | None:
    if result.doubling is None:
        return None
    half, whole = (round(point.images) for point in result.curve[-2:])
    return Curve(half, whole, result.doubling, result.more_data)
