import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from medgraft.report.label_curves import GRID, Curve, macro_roc, precision_recall, roc

HAND_TRUTH = np.array([1, 1, 0, 1, 0], bool)
HAND_SCORE = np.array([0.9, 0.8, 0.8, 0.4, 0.1])


def test_curves_by_hand():
    curve = roc(HAND_TRUTH, HAND_SCORE)
    assert curve.x.tolist() == pytest.approx([0, 0, 1 / 2, 1 / 2, 1])
    assert curve.y.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
    # Of 6 pairs 4 are in order and the tied one counts half.
    assert curve.area == pytest.approx(4.5 / 6)
    steps = precision_recall(HAND_TRUTH, HAND_SCORE)
    assert steps.x.tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert steps.y.tolist() == pytest.approx([1, 2 / 3, 3 / 4, 3 / 5])
    assert steps.area == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_points_and_areas_are_those_of_sklearn(seed, n, levels):
    rng = np.random.default_rng(seed)
    truth, score = rng.random(n) < 0.4, rng.integers(0, levels, n) / levels
    if not truth.any() or truth.all():
        assert roc(truth, score) is None
        assert (precision_recall(truth, score) is None) == (not truth.any())
        return
    curve, steps = roc(truth, score), precision_recall(truth, score)
    false, true, _ = roc_curve(truth, score, drop_intermediate=False)
    np.testing.assert_allclose(curve.x, false, atol=1e-12)
    np.testing.assert_allclose(curve.y, true, atol=1e-12)
    assert curve.area == pytest.approx(roc_auc_score(truth, score))
    precision, recall, _ = precision_recall_curve(truth, score)
    np.testing.assert_allclose(steps.x, recall[-2::-1], atol=1e-12)
    np.testing.assert_allclose(steps.y, precision[-2::-1], atol=1e-12)
    assert steps.area == pytest.approx(average_precision_score(truth, score))


def bands_by_copying(truth, score, groups, draws):
    """The same bands, from samples whose images are copied and scored by sklearn."""
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]
    heights, precisions = [], []
    for _ in range(draws):
        rows = np.concatenate([members[g] for g in rng.integers(len(members), size=len(members))])
        if truth[rows].any() and not truth[rows].all():
            heights.append(np.interp(GRID, *roc_curve(truth[rows], score[rows], drop_intermediate=False)[:2]))
            precision, recall, _ = precision_recall_curve(truth[rows], score[rows])
            found = [precision[np.flatnonzero(recall >= place - 1e-9)[-1]] for place in GRID]
            # sklearn appends precision 1 at recall 0; a curve of steps has there that of its first step.
            found[0] = precision[-2]
            precisions.append(found)
    return [np.quantile(values, (0.025, 0.975), axis=0) for values in (heights, precisions)]


def test_bands_are_vertical_and_draw_whole_groups():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(12), 3)
    truth = rng.random(36) < 0.5
    score = np.round(truth * 0.4 + rng.random(36), 1)
    wanted = bands_by_copying(truth, score, groups, 60)
    for build, (low, high) in zip((roc, precision_recall), wanted, strict=True):
        curve = build(truth, score, groups, draws=60)
        np.testing.assert_allclose(curve.low, low, atol=1e-9)
        np.testing.assert_allclose(curve.high, high, atol=1e-9)
    alone = roc(truth, score, np.arange(36), draws=60)
    assert not np.allclose(alone.low, roc(truth, score, groups, draws=60).low), "groups make a difference"


def test_one_group_has_no_band():
    curve = roc(HAND_TRUTH, HAND_SCORE, np.zeros(5, np.int64))
    assert curve.low is None and curve.high is None


def test_samples_without_one_kind_are_left_out():
    curve = roc(HAND_TRUTH, HAND_SCORE, np.arange(5), draws=200)
    assert np.isfinite(curve.low).all() and (curve.low <= curve.high).all()


def test_the_mean_of_curves_by_hand():
    first = Curve(np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0]), 1.0)
    second = Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 0.5)
    mean = macro_roc([first, second])
    assert mean.area == 0.75 and (mean.x[0], mean.y[0]) == (0, 0)
    assert np.interp(0.5, mean.x, mean.y) == pytest.approx((1 + 0.5) / 2)
