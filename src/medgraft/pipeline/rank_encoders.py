"""Several encoders on one data set, ranked by how well their features suit it before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.data import Manifest
from medgraft.errors import MedgraftError, RecipeError, WeightsError, listing
from medgraft.evaluation.resampling import Bootstrap
from medgraft.evaluation.transferability import Transferability, difference
from medgraft.models import Weights, available_weights, create_feature_encoder, find_weights
from medgraft.pipeline.prepare import Prepared, complete, open_for, prepare
from medgraft.pipeline.transferability import EncoderMeasured, measure_encoder
from medgraft.progress import Observer, Terminal
from medgraft.recipe import Recipe
from medgraft.scores import Interval


@dataclass(frozen=True, eq=False)
class Ranked:
    """One encoder in the ranking.

    Attributes
    ----------
    name : as it was asked for, with its weights where they were named.
    measured : all figures.
    behind : its probe's AUC less that of the first, paired; None for the first.
    """

    name: str
    measured: EncoderMeasured
    behind: Interval | None

    @property
    def level(self) -> bool:
        """Whether these images do not tell it from the first."""
        return self.behind is None or not self.behind.high < 0

    @property
    def result(self) -> Transferability:
        """The figures with their intervals."""
        return self.measured.result

    def to_dict(self) -> dict[str, Any]:
        """Plain types that JSON can hold."""
        plain = self.result.to_dict()
        behind = None if self.behind is None else {"value": self.behind.value, "low": self.behind.low,
                                                   "high": self.behind.high, "level": self.level}  # fmt: skip
        return {
            "encoder": self.name,
            "weights": self.measured.source,
            "size": self.measured.size,
            "seconds": self.measured.seconds,
            "behind": behind,
            **plain,
        }


@dataclass(frozen=True, eq=False)
class Ranking:
    """Encoders by the AUC of their probe, the best first.

    Attributes
    ----------
    about : the data in words.
    task : ``classification`` or ``segmentation``.
    images, groups : training images that were measured on, and patients (images, where no group is known).
    encoders : best first.
    skipped : by encoder, why it was not measured.
    known : whether patients are known; else every image counts as one.
    """

    about: str
    task: str
    images: int
    groups: int
    encoders: tuple[Ranked, ...]
    skipped: dict[str, str]
    known: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain types that JSON can hold."""
        return {
            "data": self.about,
            "task": self.task,
            "images": self.images,
            "groups": self.groups,
            "encoders": [ranked.to_dict() for ranked in self.encoders],
            "skipped": self.skipped,
        }


def rank_encoders(
    data: str | Path | Manifest,
    encoders: Sequence[str] = (),
    *,
    observer: Observer | None = None,
    **options: Any,
) -> Ranking:
    """Measure several encoders on the training images of ``data`` and rank them.

    Parameters
    ----------
    data, options : as :func:`~medgraft.pipeline.fit` takes them.
    encoders : names, each with its weights behind ``=`` where they are not the default ones (``resnet50=FILE``,
        ``resnet50=medical:NAME``). None: all whose weights are at hand without a network.
    observer : who is told of the progress; default: a bar on standard error.

    Raises
    ------
    MedgraftError
        For anything about the data that the caller can mend; and where no encoder at all can be measured. Where some
        can, the others are skipped, with the reason.

    Examples
    --------
    >>> rank_encoders("xrays/", ["tf_efficientnet_lite0", "resnet50"])  # doctest: +SKIP
    """
    observer = observer or Terminal()
    names = list(dict.fromkeys(encoders)) or available_weights()
    if not names:
        raise WeightsError("no encoder's weights are at hand without a network; name encoders with --encoder.")
    try:
        recipe = Recipe.make(**options, strategy="frozen")
        manifest = open_for(data, recipe)
        return _Measuring(manifest, complete(recipe, manifest), observer).run(names)
    finally:
        observer.close()


class _Measuring:
    """Measures one encoder after the other on the same images, decoded once for each size."""

    def __init__(self, manifest: Manifest, recipe: Recipe, observer: Observer) -> None:
        self.manifest, self.recipe, self.observer = manifest, recipe, observer
        self.prepared: dict[int, Prepared] = {}

    def run(self, names: Sequence[str]) -> Ranking:
        """All that can be measured; the error of the only one, where there is one."""
        sizes, skipped = {}, {}
        for name in names:
            # Before an image is decoded, so that a name misspelt costs no time.
            try:
                sizes[name] = self._size(name)
            except (WeightsError, RecipeError) as error:
                skipped[name] = _refused(error, names)
        found = {}
        for name, size in sizes.items():
            try:
                found[name] = self._measured(name, size)
            except (WeightsError, RecipeError) as error:
                skipped[name] = _refused(error, names)
        if not found:
            raise WeightsError(f"none of the {len(names)} encoders can be measured: {listing(_reasons(skipped))}")
        return self._ranking(found, skipped)

    def _size(self, name: str) -> int:
        """The side of the images that the encoder is to see: the recipe's, or the only one that it takes."""
        recipe, weights = self._of(name)
        encoder = create_feature_encoder(recipe.encoder, recipe.channels, weights, recipe.adapt)
        return encoder.only or recipe.size

    def _of(self, name: str) -> tuple[Recipe, Weights]:
        encoder, _, weights = name.partition("=")
        recipe = Recipe.make(self.recipe, encoder=encoder, **({"weights": weights} if weights else {}))
        return recipe, find_weights(encoder, weights or None)

    def _measured(self, name: str, size: int) -> EncoderMeasured:
        recipe, weights = self._of(name)
        recipe = Recipe.make(recipe, size=size)
        if size not in self.prepared:
            self.prepared[size] = prepare(self.manifest, recipe, self.observer)
        return measure_encoder(self.prepared[size], recipe, self.observer, weights)

    def _ranking(self, found: dict[str, EncoderMeasured], skipped: dict[str, str]) -> Ranking:
        order = sorted(found, key=lambda name: -found[name].result.probe.value)
        first, bootstrap = found[order[0]], Bootstrap(self.recipe.bootstrap, seed=self.recipe.seed)
        ranked = tuple(
            Ranked(name, one, None if one is first else difference(one.measured, first.measured, bootstrap))
            for name, one in ((name, found[name]) for name in order)
        )
        prepared = next(iter(self.prepared.values()))
        about = f"{self.manifest.name}: {prepared.task.about(prepared.manifest)}"
        known = self.manifest.has_groups
        return Ranking(about, self.manifest.task, first.images, first.result.groups, ranked, skipped, known)


def _refused(error: MedgraftError, names: Sequence[str]) -> str:
    """The first line of why one of several is skipped; of the only one the error is raised."""
    if len(names) == 1:
        raise error
    return str(error).splitlines()[0]


def _reasons(skipped: dict[str, str]) -> list[str]:
    return [f"{name} ({reason.rstrip('.')})" for name, reason in skipped.items()]
