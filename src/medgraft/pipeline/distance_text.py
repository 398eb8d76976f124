"""What a measured distance says, in lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from medgraft.pipeline.distance import DistanceReport, Looked
from medgraft.transfer.distance import FAR, NEAR, DomainDistance, Word
from medgraft.transfer.frechet import FeatureDistance

BAR = 30
NOTABLE = 0.01
"""Of an excess by few images; less goes without saying."""

_MEANING: dict[Word, str] = {
    "near": "near: to the encoder these images look much like photographs, so its features should serve as they are",
    "moderate": "moderate: as skin lesions, X-rays and blood cells are; its features may still serve, so measure them",
    "far": "far: unlike what the encoder was trained on; measure what its features are worth before relying on them",
}
_NOT = "how the images look to the encoder, not how well a model will do; that is for medgraft advise to measure"
_SAME = "0 is the same distribution, to this encoder; an FID has no unit and no scale:"
_FID = "compare it with others of the same encoder, size and number of images only"


def lines(report: DistanceReport) -> Iterator[str]:
    """All that is to be said; the last line is what it means, or where a file lies."""
    yield from _about(report.data)
    if report.against is not None and report.reference is None:
        yield from _about(report.against)
    elif report.against is not None:
        yield f"{report.against.name}: statistics of {report.against.images:,} images, from {report.reference}"
    yield f"encoder {report.encoder} · {report.source} · images of {report.size} pixels"
    yield ""
    if report.layers is not None and report.against is None:
        yield from _from_pretraining(report, report.layers)
    if report.against is not None:
        yield from _from_others(report, report.against)
    if report.saved is not None:
        yield f"statistics of {report.data.name} for --reference: {report.saved}"


def _about(looked: Looked) -> Iterator[str]:
    every = "all" if looked.images == looked.total else f"{looked.images:,}"
    groups = "" if looked.groups is None else f", of {looked.groups} groups"
    yield f"{looked.name}: {every} of {looked.total:,} images looked at{groups}"
    for note in looked.notes:
        yield f"  {note}"


def _from_pretraining(report: DistanceReport, found: DomainDistance) -> Iterator[str]:
    yield f"distance from the pretraining images  {_figure(found)}  {found.word}"
    yield from _excess(found.excess, found.n)
    rows = {report.data.name: found.value}
    if report.anchors is not None:
        known = report.anchors
        rows[f"{known.pictures} photographs, in crops"] = known.photographs
        rows["Gaussian noise"], rows["uniform noise"] = known.gaussian, known.uniform
    yield from _bars(dict(sorted(rows.items(), key=lambda row: row[1])))
    yield f"  near: below {NEAR:.2f} · moderate · far: from {FAR:.2f}"
    yield ""
    yield from _profile(found)
    yield _NOT
    yield _MEANING[found.word]


def _from_others(report: DistanceReport, against: Looked) -> Iterator[str]:
    if report.layers is not None:
        yield f"distance of {report.data.name} from {against.name} at the BatchNorms  {_figure(report.layers)}"
        yield from _excess(report.layers.excess, report.layers.n)
        yield from _profile(report.layers)
        yield ""
    if report.features is not None:
        yield f"FID of pooled features  {_figure(report.features)}"
        yield from _few(report.features, report.data.name)
    yield _SAME
    yield _FID


def _few(found: FeatureDistance, name: str) -> Iterator[str]:
    if found.halves is not None:
        yield f"  two halves of {name} differ by {found.halves:.4g}, from chance alone"
    if found.inflated:
        yield f"  {found.n} and {found.other_n} images are few for {found.width} features, which makes an FID too large"


def _profile(found: DomainDistance) -> Iterator[str]:
    yield "by block, from early (appearance) to late (content)"
    yield from _bars(found.by_block)


def _bars(values: dict[str, float]) -> Iterator[str]:
    """A row a value, with a bar of its size."""
    width, largest = max(map(len, values)), max(*values.values(), 1e-12)
    for name, value in values.items():
        yield f"  {name:<{width}}  {value:6.3f}  {'█' * max(1, round(BAR * value / largest))}"


def _excess(excess: float, images: int) -> Iterator[str]:
    if excess >= NOTABLE:
        yield f"  of which about {excess:.2f} is due to there being {images} images only"


def _figure(found: DomainDistance | FeatureDistance) -> str:
    form = ".3f" if isinstance(found, DomainDistance) else ".4g"
    if math.isnan(found.low):
        return f"{found.value:{form}} (no interval: one image or group alone)"
    return f"{found.value:{form}} ({found.low:{form}} to {found.high:{form}}, n={found.n})"
