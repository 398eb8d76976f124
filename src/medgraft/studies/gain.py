"""What weights give over their statistics, and these over chance, against the number of training images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medgraft.studies.contrasts import PAIRS, Contrast
from medgraft.studies.scored import Scored


@dataclass(frozen=True)
class Point:
    """The gain at one number of images.

    Attributes
    ----------
    n : as the grid has it.
    images : that the cells learned from, in the mean; NaN where none is finished.
    contrast : the gain itself.
    """

    n: str
    images: float
    contrast: Contrast


@dataclass(frozen=True)
class Curve:
    """The gain of one initialisation over another, of one model, by rising numbers of images."""

    encoder: str
    strategy: str
    better: str
    worse: str
    points: tuple[Point, ...]


def gain_curves(scored: Scored, found: Sequence[Contrast]) -> list[Curve]:
    """The gains that the study's initialisations tell, in the order of its models and of ``contrasts.PAIRS``."""
    known = {(each.better, each.worse): each for each in found}
    models = dict.fromkeys((way.encoder, way.strategy) for way in scored.ways)
    curves = []
    for encoder, strategy in models:
        own = [way for way in scored.ways if (way.encoder, way.strategy) == (encoder, strategy)]
        for better, worse in PAIRS:
            points = [
                Point(way.n, float(scored.of(way)["images"].mean()), known[way, way._replace(init=worse)])
                for way in own
                if way.init == better and (way, way._replace(init=worse)) in known
            ]
            if points:
                curves.append(Curve(encoder, strategy, better, worse, tuple(points)))
    return curves


@dataclass(frozen=True)
class Placed:
    """The gain of a study of one data set, and how far its images are from those that the encoder was pretrained on."""

    data: str
    distance: float
    curve: Curve
    point: Point


def gain_by_distance(studies: Mapping[str, Sequence[Curve]], distances: Mapping[str, float]) -> list[Placed]:
    """WT over RI (or over ST, where a study lacks RI) at the most images of each study whose distance is known.

    Parameters
    ----------
    studies : by the data's name, its curves.
    distances : by the data's name.
    """
    placed = []
    for data, curves in studies.items():
        if data not in distances:
            continue
        for model in dict.fromkeys((curve.encoder, curve.strategy) for curve in curves):
            own = [curve for curve in curves if (curve.encoder, curve.strategy) == model and curve.better == "WT"]
            if own:
                placed.append(Placed(data, distances[data], own[0], own[0].points[-1]))
    return sorted(placed, key=lambda each: each.distance)
