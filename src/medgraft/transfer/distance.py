"""Domain distance: how unlike its pretraining images other images are to an encoder, with no pretraining image at hand.

The BatchNorms of an encoder hold the mean and variance of every channel over the pretraining images. The same figures
over other images are compared with them, layer by layer (:func:`~medgraft.transfer.frechet.diagonal_distance`), and
the mean over layers is the distance. What decides its size, and so what comparable figures have in common:

- what a BatchNorm receives, before its own scale and shift, in eval mode: every layer sees what the layers before it
  make of an image by their pretraining statistics;
- mean and variance over all images and positions together, padding taken as the encoder takes it;
- the standard deviation is the root of the variance alone, without the ``eps`` that a BatchNorm adds;
- the unit is the layer's total pretraining variance: a channel that varies little weighs little;
- every BatchNorm of the encoder weighs the same, and images are as large as said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medgraft.errors import RecipeError
from medgraft.models import Encoder
from medgraft.transfer.frechet import diagonal_distance
from medgraft.transfer.group_bootstrap import Floats, draw_groups, group_codes, spread
from medgraft.transfer.moments import Images, Observed, Progress, carries_statistics, observe

NEAR, FAR = 0.15, 0.30
"""Below the first, images are near; from the second on they are far. With EfficientNet-Lite0 to 2 and MobileNetV2 at
224 pixels, eight photographs come to 0.06 or 0.07, skin lesions, chest X-rays and blood cells to 0.20 to 0.27, nuclei
to 0.32 to 0.37, noise to 0.73 or more (docs/explanation/domain-distance.md)."""
DRAWS = 1000

Word = Literal["near", "moderate", "far"]


@dataclass(frozen=True)
class LayerDistance:
    """The distance at one BatchNorm: its place in the encoder, the name of the block it is in, and the value."""

    name: str
    block: str
    value: float


@dataclass(frozen=True)
class DomainDistance:
    """How far images are from others, as the BatchNorms of an encoder see them.

    Attributes
    ----------
    value : the mean over layers of what they say; 0 for the same statistics.
    low, high : ends of its interval, by bootstrap over groups of images; NaN where there is a single group.
    excess : by how much the value is likely to be too large, as there are no more images; NaN as above.
    n, groups : images and groups behind it; each image is a group where none is known.
    by_layer : the distance at every BatchNorm, in the order in which they are run.
    level : of the interval.
    """

    value: float
    low: float
    high: float
    excess: float
    n: int
    groups: int
    by_layer: tuple[LayerDistance, ...]
    level: float = 0.95

    @property
    def by_block(self) -> dict[str, float]:
        """The mean over the layers of each block, from input (appearance) to output (content)."""
        names = dict.fromkeys(layer.block for layer in self.by_layer)
        return {name: _mean([layer.value for layer in self.by_layer if layer.block == name]) for name in names}

    @property
    def early(self) -> float:
        """The mean over the first half of the layers: colours, edges, textures."""
        return _mean([layer.value for layer in self.by_layer[: (len(self.by_layer) + 1) // 2]])

    @property
    def late(self) -> float:
        """The mean over the second half of the layers: parts and objects."""
        return _mean([layer.value for layer in self.by_layer[len(self.by_layer) // 2 :]])

    @property
    def word(self) -> Word:
        """near, moderate or far, by :data:`NEAR` and :data:`FAR`; for distances from pretraining images."""
        return "near" if self.value < NEAR else "far" if self.value >= FAR else "moderate"

    def to_dict(self) -> dict[str, Any]:
        """Plain types that JSON can hold; an undefined number is None."""
        plain = {name: None if value != value else value for name, value in asdict(self).items() if name != "by_layer"}
        layers = [asdict(layer) for layer in self.by_layer]
        return plain | {"early": self.early, "late": self.late, "by_block": self.by_block, "by_layer": layers}


def from_pretraining(
    encoder: Encoder,
    images: Iterable[Images],
    groups: npt.ArrayLike | None = None,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
) -> DomainDistance:
    """How far images are from those that a BatchNorm encoder was pretrained on.

    Parameters
    ----------
    encoder : with its pretrained weights; left bit-identical.
    images : batches [B, H, W, C] uint8 or uint16, as :func:`~medgraft.transfer.moments.batches` gives them of a store.
        A few hundred are enough: draw them with :func:`~medgraft.transfer.moments.sample_rows`.
    groups : [n], the patient of each image; a missing one stands for itself. None: every image does.
    draws, level, seed : of the bootstrap.
    progress : called with the number of images done so far.

    Raises
    ------
    RecipeError
        Where the encoder has no BatchNorm, or these have never seen an image (random weights).
    DataError
        Where there is no image.

    Examples
    --------
    >>> from medgraft.models import create_feature_encoder, find_weights
    >>> name = "tf_efficientnet_lite0"
    >>> encoder = create_feature_encoder(name, weights=find_weights(name))
    >>> noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    >>> from_pretraining(encoder, [noise]).word
    'far'
    """
    refuse_without_statistics(encoder)
    observed = observe(encoder, images, progress)
    return pretraining_distance(ImageSet(observed, groups, draws, seed), level)


def refuse_without_statistics(encoder: Encoder) -> None:
    """Raise RecipeError where the encoder holds no statistics of pretraining images."""
    if not carries_statistics(encoder):
        raise RecipeError(
            f"encoder {encoder.name!r} holds no statistics of its pretraining images, as it has no BatchNorm that has "
            "seen any; compare with a second set of images instead (medgraft distance A B), or choose an encoder "
            "such as tf_efficientnet_lite0 or resnet50."
        )


def pretraining_distance(images: ImageSet, level: float = 0.95) -> DomainDistance:
    """:func:`from_pretraining` of images that the encoder has been run on."""
    held = {layer.name: (layer.mean, layer.variance) for layer in images.observed.layers}
    return distance_between(images, Statistics(held), level)


def distance_between(ours: ImageSet, other: ImageSet | Statistics, level: float = 0.95) -> DomainDistance:
    """How far images are from others, as one encoder's BatchNorms see both; the others give the unit.

    Parameters
    ----------
    other : images, whose groups are drawn as well, or the statistics of some, which are taken as they are.
    level : of the interval.
    """
    names, layers = ours.observed.block_names, ours.observed.layers
    values = [float(diagonal_distance(*ours.moments(layer.name), *other.moments(layer.name))) for layer in layers]
    value, drawn = _mean(values), np.zeros(0)
    if ours.groups > 1 and (isinstance(other, Statistics) or other.groups > 1):
        rows = [diagonal_distance(*ours.drawn(layer.name), *other.drawn(layer.name)) for layer in layers]
        drawn = np.mean(rows, axis=0, dtype=np.float64)
    found = spread(value, drawn, level)
    by_layer = tuple(
        LayerDistance(layer.name, names[layer.block], each) for layer, each in zip(layers, values, strict=True)
    )
    count = len(ours.observed)
    return DomainDistance(value, found.low, found.high, found.excess, count, ours.groups, by_layer, level)


@dataclass(frozen=True)
class Statistics:
    """Mean and variance [C] of what each BatchNorm received, by the layer's name."""

    layers: Mapping[str, tuple[Floats, Floats]]

    def moments(self, layer: str) -> tuple[Floats, Floats]:
        """Mean and variance, [C]."""
        return self.layers[layer]

    def drawn(self, layer: str) -> tuple[Floats, Floats]:
        """The same for every draw, [1, C]."""
        mean, variance = self.layers[layer]
        return mean[None].astype(np.float32), variance[None].astype(np.float32)


class ImageSet:
    """Images that an encoder was run on, and how their groups are drawn.

    Parameters
    ----------
    observed : what the encoder made of them.
    groups : [n], the patient of each image; a missing one stands for itself. None: every image does.
    draws, seed : of the bootstrap; nothing is drawn where there is a single group. Two sets that are compared want
        two seeds, for else they are drawn alike.
    """

    def __init__(
        self,
        observed: Observed,
        groups: npt.ArrayLike | None = None,
        draws: int = DRAWS,
        seed: int | tuple[int, ...] = 0,
    ) -> None:
        self.observed, self.codes = observed, group_codes(groups, len(observed))
        self.groups = int(self.codes.max()) + 1
        drawn = draw_groups(self.groups, draws if self.groups > 1 else 0, np.random.default_rng(seed))[:, self.codes]
        # What is drawn is put in order and no more, so half of the digits do.
        self._shares = (drawn / drawn.sum(axis=1, keepdims=True)).astype(np.float32)
        self._layers = {layer.name: layer for layer in observed.layers}

    def moments(self, layer: str) -> tuple[Floats, Floats]:
        """Mean and variance [C] over all images and positions."""
        found = self._layers[layer]
        shift, square = (values.mean(axis=0, dtype=np.float64) for values in (found.shift, found.square))
        return found.mean + shift, np.maximum(square - shift**2, 0)

    def drawn(self, layer: str) -> tuple[Floats, Floats]:
        """The same of the images of each draw, [draws, C] float32."""
        found = self._layers[layer]
        shift, square = self._shares @ found.shift, self._shares @ found.square
        return found.mean.astype(np.float32) + shift, np.maximum(square - shift**2, 0)

    def statistics(self) -> Statistics:
        """Those of the images as they are."""
        return Statistics({name: self.moments(name) for name in self._layers})


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
