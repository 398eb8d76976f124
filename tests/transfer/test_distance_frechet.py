"""Frechet distances: closed forms, the square root of another library, and covariances of few images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from medgraft.transfer.frechet import FeatureSet, Gaussian, diagonal_distance, feature_distance
from medgraft.transfer.group_bootstrap import group_codes, spread


def drawn(count: int, width: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Correlated features [count, width] float32."""
    mix = np.random.default_rng(7).normal(size=(width, width)) / np.sqrt(width)
    return (np.random.default_rng(seed).normal(size=(count, width)) @ mix + shift).astype(np.float32)


def published(first: np.ndarray, second: np.ndarray) -> float:
    """FID as it is usually computed, with a matrix square root."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    one, other = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    apart = np.sum((first.mean(0) - second.mean(0)) ** 2)
    return float(apart + np.trace(one + other - 2 * np.real(sqrtm(one @ other))))


def fid(first: np.ndarray, second: np.ndarray) -> float:
    return Gaussian.of(first).distance(Gaussian.of(second))


def gaussian(mean: np.ndarray, covariance: np.ndarray) -> Gaussian:
    return Gaussian(mean, np.linalg.cholesky(covariance).T, 1000)


@pytest.mark.parametrize(("n", "m"), [(400, 300), (60, 500), (21, 25)])
def test_it_is_what_the_square_root_of_scipy_gives(n, m):
    first, second = drawn(n, 20, 1), drawn(m, 20, 2, shift=0.3)
    assert fid(first, second) == pytest.approx(published(first, second), rel=1e-8)


def test_with_fewer_images_than_features_it_is_exact_too():
    # Both covariances live in a plane of 6 dimensions, where there are more images than dimensions.
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(50, 6)))[0]
    first, second = drawn(30, 6, 1), drawn(40, 6, 2, shift=0.5)
    assert fid(first @ basis.T, second @ basis.T) == pytest.approx(published(first, second), rel=1e-6)


def test_closed_forms():
    zero, shift, eye = np.zeros(4), np.array([1.0, 2.0, 0.0, 2.0]), np.eye(4)
    assert gaussian(zero, eye).distance(gaussian(shift, eye)) == pytest.approx(9)
    # Spheres of standard deviations 1 and 3: 4 * (1 - 3)^2.
    assert gaussian(zero, eye).distance(gaussian(zero, 9 * eye)) == pytest.approx(16)
    # Opposite axes: eigenvalues 4 and 1 in the first two, 1 and 4 in the second two.
    one, other = np.diag([4.0, 4, 1, 1]), np.diag([1.0, 1, 4, 4])
    assert gaussian(zero, one).distance(gaussian(zero, other)) == pytest.approx(4)


def test_a_point_against_a_cloud_is_its_spread():
    cloud, point = drawn(50, 3, 1), np.zeros((2, 3), np.float32)
    wanted = np.cov(cloud.astype(np.float64), rowvar=False).trace() + np.sum(cloud.astype(np.float64).mean(0) ** 2)
    assert fid(point, cloud) == pytest.approx(wanted, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(2, 30), st.integers(1, 12))
def test_properties(seed, n, m, width):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(n, width)), rng.normal(2, 3, size=(m, width))
    value = fid(first, second)
    assert value >= 0 and value == pytest.approx(fid(second, first), rel=1e-9, abs=1e-9)
    assert fid(first, first) == pytest.approx(0, abs=1e-6 * width)
    turn = np.linalg.qr(rng.normal(size=(width, width)))[0]
    assert fid(first @ turn, second @ turn) == pytest.approx(value, rel=1e-6, abs=1e-9)
    assert fid(first * 3 + 1, second * 3 + 1) == pytest.approx(9 * value, rel=1e-6, abs=1e-9)


def test_weights_are_repetitions():
    features, weights = drawn(12, 4, 3), np.array([0, 1, 2, 3] * 3)
    weighted, repeated = Gaussian.of(features, weights.astype(float)), Gaussian.of(np.repeat(features, weights, axis=0))
    assert weighted.count == repeated.count == 18
    np.testing.assert_allclose(weighted.mean, repeated.mean)
    np.testing.assert_allclose(weighted.axes.T @ weighted.axes, repeated.axes.T @ repeated.axes, atol=1e-12)


def test_principal_axes_are_those_of_the_covariance_and_no_image():
    features = drawn(12, 20, 3)
    plain = Gaussian.of(features)
    turned = plain.along_principal_axes()
    assert turned.axes.shape == (11, 20) and turned.count == 12
    np.testing.assert_allclose(turned.axes.T @ turned.axes, plain.axes.T @ plain.axes, atol=1e-10)
    np.testing.assert_allclose((turned.axes**2).sum(1), np.linalg.eigvalsh(np.cov(features.T))[:-12:-1], rtol=1e-4)
    np.testing.assert_allclose(turned.axes @ turned.axes.T, np.diag((turned.axes**2).sum(1)), atol=1e-10)


def test_without_covariances_it_is_the_diagonal_distance():
    rng = np.random.default_rng(0)
    means, variances = rng.normal(size=(2, 6)), rng.uniform(0.1, 3, size=(2, 6))
    full = gaussian(means[0], np.diag(variances[0])).distance(gaussian(means[1], np.diag(variances[1])))
    ours = diagonal_distance(means[0], variances[0], means[1], variances[1])
    assert float(ours) == pytest.approx(full / variances[1].sum())


def test_the_diagonal_distance_by_hand():
    mean, variance = np.array([1.0, 0.0]), np.array([4.0, 1.0])
    from_mean, from_variance = np.array([0.0, 0.0]), np.array([1.0, 9.0])
    # (1 + (2 - 1)^2 + 0 + (1 - 3)^2) / 10
    assert float(diagonal_distance(mean, variance, from_mean, from_variance)) == pytest.approx(0.6)
    rows = diagonal_distance(np.stack([mean, from_mean]), np.stack([variance, from_variance]), from_mean, from_variance)
    assert rows.tolist() == pytest.approx([0.6, 0.0])
    five = diagonal_distance(5 * mean, 25 * variance, 5 * from_mean, 25 * from_variance)
    assert float(five) == pytest.approx(0.6)


def test_a_set_of_features_against_another():
    ours, theirs = (FeatureSet(drawn(60, 10, seed), np.arange(60)) for seed in (1, 2))
    found = feature_distance(ours, theirs)
    assert found.value == pytest.approx(published(ours.features, theirs.features), rel=1e-6)
    assert found.low < found.value < found.high and found.excess > 0
    assert (found.n, found.other_n, found.width, found.inflated) == (60, 60, 10, False)
    assert found == feature_distance(ours, theirs)
    more = [FeatureSet(drawn(600, 10, seed), np.arange(600)) for seed in (1, 2)]
    narrow = feature_distance(*more)
    assert narrow.high - narrow.low < 0.7 * (found.high - found.low) and narrow.value < found.value
    assert narrow.halves < found.halves


def test_a_gaussian_is_taken_as_it_is():
    ours, theirs = (FeatureSet(drawn(60, 10, seed), np.arange(60)) for seed in (1, 2))
    both, one = feature_distance(ours, theirs), feature_distance(ours, Gaussian.of(theirs.features))
    assert one.value == pytest.approx(both.value, rel=1e-9)
    assert one.high - one.low < both.high - both.low and one.other_n == 60


def test_groups_of_features_are_drawn_whole():
    single = FeatureSet(drawn(40, 5, 1), np.arange(40))
    other = Gaussian.of(drawn(40, 5, 2, shift=1))
    repeated = FeatureSet(np.repeat(single.features, 4, axis=0), group_codes(np.repeat(np.arange(40), 4), 160))
    a, b = feature_distance(single, other), feature_distance(repeated, other)
    assert b.high - b.low == pytest.approx(a.high - a.low, rel=0.1)


def test_few_images():
    two = FeatureSet(drawn(2, 5, 1), np.arange(2))
    found = feature_distance(two, Gaussian.of(drawn(40, 5, 2)), draws=20)
    assert np.isfinite([found.value, found.low, found.high]).all() and found.inflated and found.halves is None
    alone = feature_distance(FeatureSet(drawn(5, 3, 1), np.zeros(5, np.int64)), Gaussian.of(drawn(40, 3, 2)))
    assert np.isnan([alone.low, alone.high, alone.excess]).all() and alone.value > 0
    with pytest.raises(ValueError, match="two images"):
        Gaussian.of(drawn(1, 5, 1))
    with pytest.raises(ValueError, match="one width"):
        feature_distance(two, Gaussian.of(drawn(40, 6, 2)))


def test_the_spread_is_moved_by_its_excess():
    found = spread(1.0, np.array([1.5, 2.0, 2.5]), 0.5)
    assert (found.excess, found.low, found.high) == pytest.approx((1.0, 0.75, 1.25))
    assert spread(0.1, np.array([0.0, 1.0, 2.0]), 0.9).low == 0
    assert np.isnan(spread(1.0, np.empty(0), 0.95).low)
