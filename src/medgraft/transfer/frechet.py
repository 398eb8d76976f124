"""Frechet distances between Gaussians: of independent channels, and with all covariances (FID).

Dowson & Landau (1982), The Frechet distance between multivariate normal distributions, J. Multivariate Analysis
12:450. Of features of images: Heusel et al. (2017), arXiv:1706.08500.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medgraft.transfer.group_bootstrap import Codes, Floats, draw_groups, spread

DRAWS = 200
_NOTHING = 1e-12
_ROUNDING = 1e-7


def diagonal_distance(mean: Floats, variance: Floats, from_mean: Floats, from_variance: Floats) -> Floats:
    """How far Gaussians of independent channels are from others, in units of the others' total variance.

    ``sum((m - m')^2 + (sd - sd')^2) / sum(sd'^2)`` over channels. It is 0 for equal statistics, 1 where all is 0 and
    so is m', and it does not change where all channels are scaled by one factor.

    Parameters
    ----------
    mean, variance : [..., C].
    from_mean, from_variance : [..., C], what is compared with, and gives the unit.

    Returns
    -------
    [...], for each row of channels.
    """
    deviation, from_deviation = np.sqrt(np.maximum(variance, 0)), np.sqrt(np.maximum(from_variance, 0))
    gap = np.sum((mean - from_mean) ** 2 + (deviation - from_deviation) ** 2, axis=-1)
    return np.asarray(gap / np.maximum(np.sum(from_variance, axis=-1), _NOTHING))


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean and covariance of features.

    Attributes
    ----------
    mean : [D].
    axes : [k, D] with ``axes.T @ axes`` the covariance, k at most D. It is no covariance matrix, because the root of
        one that few images gave is mostly rounding.
    count : images behind it.
    """

    mean: Floats
    axes: Floats
    count: int

    @classmethod
    def of(cls, features: npt.ArrayLike, weights: Floats | None = None) -> Gaussian:
        """Fit to features [n, D], each counted as often as its weight says (default: once); two images or more."""
        rows = np.asarray(features, dtype=np.float64)
        often = np.ones(len(rows)) if weights is None else weights
        rows, often = rows[often > 0], often[often > 0]
        count = int(often.sum())
        if count < 2:
            raise ValueError(f"two images or more are wanted for a covariance (got {count})")
        mean = often @ rows / count
        axes = (rows - mean) * np.sqrt(often / (count - 1))[:, None]
        if len(axes) > axes.shape[1]:
            axes = np.asarray(np.linalg.qr(axes, mode="r"))
        return cls(mean, axes, count)

    def along_principal_axes(self) -> Gaussian:
        """The same Gaussian, its ``axes`` being the principal axes of the covariance, which are rows of no image."""
        _, lengths, directions = np.linalg.svd(self.axes, full_matrices=False)
        lasting = lengths > _ROUNDING * lengths.max(initial=0)
        return Gaussian(self.mean, lengths[lasting, None] * directions[lasting], self.count)

    @property
    def variance(self) -> float:
        """The trace of the covariance."""
        return float(np.sum(self.axes**2))

    def distance(self, other: Gaussian) -> float:
        """The squared Frechet distance: ``|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2))``.

        With S = A'A and S' = B'B the last trace is the sum of the singular values of A B', which is exact and safe
        for covariances of any rank: nothing is added to their diagonals.
        """
        apart = float(np.sum((self.mean - other.mean) ** 2))
        return max(0.0, apart + self.variance + other.variance - 2 * _sum_of_singular_values(self.axes @ other.axes.T))


@dataclass(frozen=True)
class FeatureDistance:
    """The Frechet distance of pooled features between two sets of images.

    Attributes
    ----------
    value : of all images.
    low, high : ends of the interval, by bootstrap over groups; NaN where a set has a single group.
    excess : by how much the value is likely to be too large, as there are no more images; NaN as above.
    n, other_n : images of both.
    width : of the features.
    halves : the same distance between two halves of the first set, which ever more images would bring to 0. None
        where there are fewer than four groups.
    """

    value: float
    low: float
    high: float
    excess: float
    n: int
    other_n: int
    width: int
    halves: float | None

    @property
    def inflated(self) -> bool:
        """Whether a set has fewer images than features, so that its covariance lacks directions."""
        return min(self.n, self.other_n) <= self.width


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Pooled features [n, D] of images, and the number of each image's group [n], from 0."""

    features: npt.NDArray[np.float32]
    codes: Codes

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return int(self.codes.max()) + 1

    def part(self, counts: Floats) -> Gaussian:
        """The Gaussian of the images of groups that are counted so often, [groups]."""
        weights = counts[self.codes]
        # A draw that is one image alone has no covariance; counted twice it has one of 0.
        return Gaussian.of(self.features, weights if weights.sum() > 1 else 2 * weights)


def feature_distance(
    ours: FeatureSet, other: FeatureSet | Gaussian, draws: int = DRAWS, level: float = 0.95, seed: int = 0
) -> FeatureDistance:
    """FID of features, of any encoder, with an interval.

    Parameters
    ----------
    other : what is compared with: a set, whose groups are drawn as well, or a Gaussian, which is taken as it is.
    draws, level, seed : of the bootstrap.

    Raises
    ------
    ValueError
        Where a set has fewer than two images, or the widths differ.
    """
    fixed = other if isinstance(other, Gaussian) else Gaussian.of(other.features)
    whole, width = Gaussian.of(ours.features), ours.features.shape[1]
    if width != len(fixed.mean):
        raise ValueError(f"features of one width are wanted (got {width} and {len(fixed.mean)})")
    value, rng = whole.distance(fixed), np.random.default_rng(seed)
    enough = ours.groups > 1 and (isinstance(other, Gaussian) or other.groups > 1)
    drawn = _drawn(ours, other, draws, rng) if enough else np.empty(0)
    found = spread(value, drawn, level)
    return FeatureDistance(
        value, found.low, found.high, found.excess, whole.count, fixed.count, width, _between_halves(ours, rng)
    )


def _drawn(ours: FeatureSet, other: FeatureSet | Gaussian, draws: int, rng: np.random.Generator) -> Floats:
    """The distance of each draw."""
    mine = draw_groups(ours.groups, draws, rng)
    if isinstance(other, Gaussian):
        return np.array([ours.part(counts).distance(other) for counts in mine])
    theirs = draw_groups(other.groups, draws, rng)
    return np.array([ours.part(a).distance(other.part(b)) for a, b in zip(mine, theirs, strict=True)])


def _between_halves(images: FeatureSet, rng: np.random.Generator) -> float | None:
    if images.groups < 4:
        return None
    first = np.zeros(images.groups)
    first[rng.permutation(images.groups)[: images.groups // 2]] = 1
    return images.part(first).distance(images.part(1 - first))


def _sum_of_singular_values(matrix: Floats) -> float:
    return float(np.linalg.svd(matrix, compute_uv=False).sum())
