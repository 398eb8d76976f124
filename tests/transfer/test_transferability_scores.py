"""LogME, NLEEP and H-score: numbers of the authors' code, the defining equations evaluated slowly, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, ortho_group
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from medgraft.transfer.transferability import LabelledFeatures, hscore, leep, logme, nleep


def _data(features, labels, groups=None, count=None):
    labels = np.asarray(labels)
    count = count or int(labels.max()) + 1
    kind = "multilabel" if labels.ndim == 2 else "binary" if count == 2 else "multiclass"
    count = labels.shape[1] if labels.ndim == 2 else count
    return LabelledFeatures.of(np.asarray(features), labels, groups, kind, count)


def _waves(n, d, classes, size=1.0):
    """Features and labels that any program can make again."""
    i, j = np.arange(n), np.arange(d)
    y = i % classes
    return np.sin(0.7 * np.outer(i + 1, j + 1) + 0.3 * np.outer(y, j)) * size + 0.5, y


def _direct_logme(features, labels):
    """Equation 2 of the paper as it stands: the density of the indicators under a normal prior on the weights."""
    found = []
    for c in range(int(labels.max()) + 1):
        y = (labels == c).astype(float)

        def loss(logs, y=y):
            alpha, beta = np.exp(logs)
            covariance = np.eye(len(y)) / beta + features @ features.T / alpha
            return -multivariate_normal.logpdf(y, np.zeros(len(y)), covariance) / len(y)

        starts = ([0, 0], [3, 1], [-3, 1], [6, 2])
        options = {"xatol": 1e-6, "fatol": 1e-10, "maxiter": 2000}
        found.append(-min(minimize(loss, start, method="Nelder-Mead", options=options).fun for start in starts))
    return np.mean(found)


@pytest.mark.parametrize(("n", "d", "classes", "size"), [(60, 7, 3, 1.0), (40, 12, 2, 1.0), (20, 30, 2, 1.0)])
def test_logme_is_the_maximum_of_the_evidence(n, d, classes, size):
    features, labels = _waves(n, d, classes, size)
    assert logme(_data(features, labels)) == pytest.approx(_direct_logme(features, labels), abs=1e-6)


# What github.com/thuml/LogME at 3a08950 returns for these features: its _fit_fixed_point, and its _fit_icml. Both stop
# before the maximum, the second a good deal earlier.
@pytest.mark.parametrize(
    ("n", "d", "classes", "size", "fixed_point", "icml"),
    [
        (60, 7, 3, 1.0, -0.20971985, -0.20972217),
        (40, 12, 2, 1.0, -0.90036620, -0.90037920),
        (60, 7, 3, 5.0, -0.48855311, -0.48859668),
    ],
)
def test_logme_is_that_of_its_authors(n, d, classes, size, fixed_point, icml):
    found = logme(_data(*_waves(n, d, classes, size)))
    assert found == pytest.approx(fixed_point, abs=1e-6)
    assert icml <= found + 1e-7 and found == pytest.approx(icml, abs=1e-4)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.booleans())
def test_logme_sees_neither_rotation_nor_scale_nor_order(seed, scale, wide):
    rng = np.random.default_rng(seed)
    n, d = (24, 40) if wide else (40, 6)
    features, labels = rng.normal(size=(n, d)), np.arange(n) % 3
    turned = features @ ortho_group.rvs(d, random_state=seed) * scale
    order = rng.permutation(n)
    here = logme(_data(features, labels))
    assert logme(_data(turned, labels)) == pytest.approx(here, abs=1e-4)
    assert logme(_data(features[order], labels[order])) == pytest.approx(here, abs=1e-5)


def test_logme_is_higher_where_features_tell_more():
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    noise = rng.normal(size=(120, 10))
    found = [logme(_data(noise + strength * labels[:, None], labels)) for strength in (0.0, 0.5, 2.0)]
    assert found[0] < found[1] < found[2]
    # Without any relation what is left is a constant variance about zero, which half of the labels being 1 decides.
    assert found[0] == pytest.approx(-0.5 * (np.log(2 * np.pi * 0.5) + 1), abs=0.05)


def test_perfect_features_give_a_finite_logme():
    labels = np.arange(30) % 3
    assert 0 < logme(_data(np.eye(3)[labels], labels)) < 100
    assert np.isfinite(logme(_data(np.zeros((30, 4)), labels)))


def test_leep_by_hand():
    # Two source classes; of the first 3/2 images' worth, of the second 3/2.
    belongs = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    presence = np.array([[1, 0], [1, 0], [0, 1]])
    # Joint: first class (1.5, 0), second (0.5, 1); so the label is 1 with 0 in the first, with 2/3 in the second.
    expected = np.mean(np.log([1.0, 0.5 * 1 + 0.5 / 3, 2 / 3]))
    assert leep(belongs, presence) == pytest.approx(expected)


def test_leep_of_perfect_and_of_useless_sources():
    labels = np.arange(60) % 3
    assert leep(np.eye(3)[labels], np.eye(3)[labels]) == pytest.approx(0)
    assert leep(np.full((60, 4), 0.25), np.eye(3)[labels]) == pytest.approx(-np.log(3))


def test_nleep_is_what_the_paper_says_step_by_step():
    rng = np.random.default_rng(3)
    labels = np.arange(200) % 2
    features = rng.normal(size=(200, 12)) * np.linspace(3, 0.1, 12) + 2.0 * labels[:, None]
    reduced = PCA(0.8, svd_solver="full").fit_transform(features.astype(np.float32).astype(float))
    mixture = GaussianMixture(10, random_state=7).fit(reduced)
    z = mixture.predict_proba(reduced)
    total = 0.0
    for i, label in enumerate(labels):
        chance = sum(z[i, k] * sum(z[m, k] for m in range(200) if labels[m] == label) / sum(z[:, k]) for k in range(10))
        total += np.log(chance)
    assert nleep(_data(features, labels), seed=7) == pytest.approx(total / 200, abs=1e-4)


def test_nleep_of_clusters_that_are_the_classes_is_zero():
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3
    features = np.eye(3)[labels] * 50 + rng.normal(size=(150, 3))
    assert nleep(_data(features, labels)) == pytest.approx(0, abs=1e-6)
    shuffled = rng.permutation(labels)
    # In the sample that it is fitted on, chance clusters gain a little on the share of the classes.
    assert -np.log(3) < nleep(_data(features, shuffled)) < -0.8


def test_nleep_of_features_that_never_vary_is_the_entropy_of_the_labels():
    labels = np.repeat([0, 1], [10, 30])
    assert nleep(_data(np.ones((40, 5)), labels)) == pytest.approx(0.25 * np.log(0.25) + 0.75 * np.log(0.75))


def test_hscore_by_hand():
    # One feature, means 1 and 3 of equal classes: variance between 1, within 1, so 1 / 2; nothing to shrink towards.
    features = np.array([0.0, 2.0, 2.0, 4.0])[:, None]
    assert hscore(_data(features, [0, 0, 1, 1])) == pytest.approx(0.5)


def _ledoit_wolf(x):
    """Ledoit & Wolf (2004), lemma 3.2 to 3.4, as printed."""
    n, p = x.shape
    s = x.T @ x / n
    m = np.trace(s) / p
    d2 = np.linalg.norm(s - m * np.eye(p)) ** 2 / p
    b2 = min(sum(np.linalg.norm(np.outer(row, row) - s) ** 2 for row in x) / p / n**2, d2)
    return b2 / d2, b2 / d2 * m * np.eye(p) + (1 - b2 / d2) * s


@pytest.mark.parametrize(("n", "d", "classes"), [(60, 5, 3), (30, 50, 2)])
def test_hscore_is_the_trace_of_its_definition(n, d, classes):
    rng = np.random.default_rng(n)
    labels = np.arange(n) % classes
    features = rng.normal(size=(n, d)).astype(np.float32) + 0.7 * labels[:, None]
    x = features.astype(float) - features.astype(float).mean(axis=0)
    shrinkage, covariance = _ledoit_wolf(x)
    expectation = np.stack([x[labels == label].mean(axis=0) for label in labels])
    expected = (1 - shrinkage) * np.trace(np.linalg.inv(covariance) @ (expectation.T @ expectation / n))
    assert 0 < shrinkage < 1
    assert hscore(_data(features, labels)) == pytest.approx(expected, rel=1e-5)


def test_hscore_of_random_labels_is_low_even_with_more_features_than_images():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(100, 400)), np.arange(100) % 2
    # Without the shrinkage it would be 1, its largest value.
    assert hscore(_data(features, labels)) < 0.1
    assert hscore(_data(np.ones((10, 3)), np.arange(10) % 2)) == 0.0


def test_several_labels_are_averaged():
    rng = np.random.default_rng(5)
    features = rng.normal(size=(80, 6))
    first, second = (features[:, 0] > 0).astype(int), rng.integers(0, 2, 80)
    both = _data(features, np.stack([first, second], axis=1))
    one, other = _data(features, first), _data(features, second)
    assert hscore(both) == pytest.approx((hscore(one) + hscore(other)) / 2, rel=1e-6)
    assert nleep(both) == pytest.approx(
        np.mean([nleep(_data(features, np.stack([y, y], axis=1))) for y in (first, second)]), abs=1e-9
    )
    assert logme(_data(features, np.stack([first, 1 - first], axis=1))) == pytest.approx(logme(one), abs=1e-9)
