"""distance: how far images are from an encoder's pretraining images, or from other images, as the encoder sees both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from medgraft.data import Manifest
from medgraft.errors import DataError, RecipeError
from medgraft.models import FeatureEncoder, Weights, create_feature_encoder, find_weights
from medgraft.pipeline.distance_data import Reader, Sample, draw_sample
from medgraft.pipeline.folders import settle
from medgraft.progress import Observer, Terminal
from medgraft.recipe import Recipe
from medgraft.training import accelerator_for
from medgraft.transfer.anchors import Anchors, anchors
from medgraft.transfer.distance import (
    DRAWS,
    DomainDistance,
    ImageSet,
    distance_between,
    pretraining_distance,
    refuse_without_statistics,
)
from medgraft.transfer.frechet import FeatureDistance, FeatureSet, feature_distance
from medgraft.transfer.moments import carries_statistics, observe
from medgraft.transfer.reference import Reference

IMAGES = 512
"""Images that are looked at, at most; 100 already place a data set to 0.02 or better."""
SIZE = 224


@dataclass(frozen=True)
class Looked:
    """Images that were looked at: name of the data, how many, out of how many, their groups, and what is to be said."""

    name: str
    images: int
    total: int
    groups: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class DistanceReport:
    """What was measured.

    Attributes
    ----------
    data : the images.
    encoder, source, size, channels : what they were looked at with, and its weights' source.
    against : what they were compared with; None for the pretraining images.
    reference : the file that its statistics were read from.
    layers : the distance at the BatchNorms; None for an encoder without.
    features : the Frechet distance of pooled features; None from pretraining images, of which there are none.
    anchors : what photographs and noise come to; None where other images were compared with.
    saved : the file of statistics that was written.
    """

    data: Looked
    encoder: str
    source: str
    size: int
    channels: int
    against: Looked | None = None
    reference: Path | None = None
    layers: DomainDistance | None = None
    features: FeatureDistance | None = None
    anchors: Anchors | None = None
    saved: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types that JSON can hold; an undefined number is None."""
        features = None if self.features is None else asdict(self.features) | {"inflated": self.features.inflated}
        layers = None if self.layers is None else self.layers.to_dict()
        if layers is not None and self.against is None and self.layers is not None:
            layers["word"] = self.layers.word
        return {
            "data": asdict(self.data) | {"notes": list(self.data.notes)},
            "against": None if self.against is None else asdict(self.against) | {"notes": list(self.against.notes)},
            "encoder": self.encoder, "weights": self.source, "size": self.size, "channels": self.channels,
            "reference": None if self.reference is None else str(self.reference),
            "layers": layers,
            "features": features and {key: None if value != value else value for key, value in features.items()},
            "anchors": None if self.anchors is None else asdict(self.anchors),
            "saved": None if self.saved is None else str(self.saved),
        }  # fmt: skip


def distance_from_pretraining(
    data: str | Path | Manifest,
    *,
    images: int = IMAGES,
    save_reference: str | Path | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> DistanceReport:
    """How far ``data`` is from the images that a BatchNorm encoder was pretrained on; none of those is needed.

    Parameters
    ----------
    data : anything that :func:`medgraft.open` reads or has read, or a folder with images in it. Test images are not
        looked at.
    images : how many are looked at, at most.
    save_reference : a file for the statistics of ``data``, for :func:`distance_from_reference`. An encoder without
        BatchNorm can do nothing but write it.
    observer : who is told of the progress; default: a bar on standard error.
    options : of a recipe: encoder, weights, size (224 unless told), channels, seed, device, and how data is read.

    Raises
    ------
    MedgraftError
        For anything about the data or the options that the caller can mend.
    """
    if save_reference is not None:
        _refuse_unwritable(Path(save_reference))
    with _Look.begun(images, options, observer) as look:
        if save_reference is None:
            refuse_without_statistics(look.encoder)
        report, found = look.at(data)
        if save_reference is not None:
            if len(found.observed) < 2:
                raise DataError(f"{data}: one image alone has no statistics to compare with; two are the least.")
            Reference.of(look.encoder, look.recipe.size, report.data.name, found).save(save_reference)
            report = replace(report, saved=Path(save_reference))
        if not carries_statistics(look.encoder):
            return report
        return replace(report, layers=pretraining_distance(found), anchors=look.anchors())


def layers_from_pretraining(
    data: str | Path | Manifest, *, images: int = IMAGES, observer: Observer | None = None, **options: Any
) -> DistanceReport:
    """The same for those who only compare data sets: without anchors, which take longer than a hundred images.

    Parameters and errors are those of :func:`distance_from_pretraining`.
    """
    with _Look.begun(images, options, observer) as look:
        refuse_without_statistics(look.encoder)
        report, found = look.at(data)
        return replace(report, layers=pretraining_distance(found))


def distance_between_data(
    data: str | Path,
    other: str | Path,
    *,
    images: int = IMAGES,
    observer: Observer | None = None,
    **options: Any,
) -> DistanceReport:
    """How far ``data`` is from ``other``, by pooled features (FID), and at the BatchNorms where there are any.

    Parameters and errors are those of :func:`distance_from_pretraining`.
    """
    with _Look.begun(images, options, observer) as look:
        report, ours = look.at(data)
        about, theirs = look.at(other, stream=1)
        _refuse_single(report.data, about.data)
        seed = look.recipe.seed
        features = feature_distance(_features(ours), _features(theirs), seed=seed)
        layers = distance_between(ours, theirs) if ours.observed.layers else None
        return replace(report, against=about.data, layers=layers, features=features)


def distance_from_reference(
    data: str | Path,
    reference: str | Path,
    *,
    images: int = IMAGES,
    observer: Observer | None = None,
    **options: Any,
) -> DistanceReport:
    """How far ``data`` is from images whose statistics were saved; as :func:`distance_between_data` else.

    Raises
    ------
    MedgraftError
        As :func:`distance_from_pretraining`, and where the statistics are of another encoder, other weights or
        images of another size.
    """
    saved = Reference.load(reference)
    with _Look.begun(images, options, observer) as look:
        saved.refuse_other(look.encoder, look.recipe.size, reference)
        report, ours = look.at(data)
        _refuse_single(report.data)
        features = feature_distance(_features(ours), saved.features, seed=look.recipe.seed)
        layers = distance_between(ours, saved.statistics) if ours.observed.layers else None
        count = saved.features.count
        against = Looked(saved.name, count, count, None, ())
        return replace(report, against=against, reference=Path(reference), layers=layers, features=features)


@dataclass
class _Look:
    """An encoder, and how images are brought before it."""

    encoder: FeatureEncoder
    weights: Weights
    recipe: Recipe
    images: int
    observer: Observer

    @classmethod
    @contextmanager
    def begun(cls, images: int, options: dict[str, Any], observer: Observer | None) -> Iterator[_Look]:
        """Build the encoder; the observer is closed behind."""
        if images < 1:
            raise RecipeError(f"images: at least 1 is wanted, not {images}.")
        observer = observer or Terminal()
        recipe = settle(None, {"size": SIZE} | options)
        try:
            weights = find_weights(recipe.encoder, recipe.weights)
            encoder = create_feature_encoder(recipe.encoder, recipe.channels, weights, recipe.adapt)
            if encoder.only and "size" not in options:
                recipe = Recipe.make(recipe, size=encoder.only)
            yield cls(encoder.to(accelerator_for(recipe.device).device), weights, recipe, images, observer)
        finally:
            observer.close()

    def at(self, data: str | Path | Manifest, stream: int = 0) -> tuple[DistanceReport, ImageSet]:
        """Run the encoder on a sample of the data; two sets are drawn from in two ``streams``."""
        sample = draw_sample(data, self.recipe, self.images, self.observer)
        reader, count = Reader(sample, self.recipe), len(sample.images)
        what = f"looking at {sample.name}"
        observed = observe(self.encoder, reader, lambda done: self.observer.working(what, done, count))
        self.observer.working(what, count, count)
        found = ImageSet(observed, reader.groups, DRAWS, (self.recipe.seed, stream))
        looked = _looked(sample, reader, found)
        recipe = self.recipe
        return DistanceReport(looked, recipe.encoder, self.weights.source, recipe.size, recipe.channels), found

    def anchors(self) -> Anchors:
        """What photographs and noise come to."""
        return anchors(
            self.encoder,
            self.recipe.size,
            progress=lambda done, total: self.observer.working("measuring photographs and noise", done, total),
        )


def _looked(sample: Sample, reader: Reader, found: ImageSet) -> Looked:
    left_out = reader.left_out()
    notes = (*sample.notes, left_out) if left_out else sample.notes
    groups = None if sample.groups is None else found.groups
    return Looked(sample.name, len(reader.read), sample.total, groups, notes)


def _features(images: ImageSet) -> FeatureSet:
    return FeatureSet(images.observed.features, images.codes)


def _refuse_unwritable(file: Path) -> None:
    """Before any long work is done for it."""
    if file.is_dir():
        raise RecipeError(f"save_reference: {file} is a folder, and a file is wanted there; name one in it.")
    nearest = next(place for place in file.absolute().parents if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise RecipeError(
            f"save_reference: {file} cannot be written, as {nearest} is no folder that can be written to; "
            "choose another place."
        )


def _refuse_single(*looked: Looked) -> None:
    for each in looked:
        if each.images < 2:
            raise DataError(f"{each.name}: one image alone has no spread to compare; two are the least.")
