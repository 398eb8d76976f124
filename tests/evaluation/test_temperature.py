"""Temperatures against logistic regression and an independent search, and what has none."""

import math

import numpy as np
import pytest
from forecast_cases import KINDS, overconfident, probabilities_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from medgraft.errors import DataError
from medgraft.evaluation import (
    apply_temperature,
    fit_temperature,
    logits_of,
    temperature_of_logits,
    temperature_of_probabilities,
)


def loss_of(logits, truth, kind):
    """Written out anew, so that it shares nothing with the code."""
    p = probabilities_of(logits, kind)
    if kind == "multiclass":
        return -np.mean([math.log(row[label]) for row, label in zip(p, truth, strict=True)])
    return -np.mean(np.where(truth == 1, np.log(p), np.log(1 - p)))


def test_a_binary_temperature_is_the_inverse_slope_of_logistic_regression():
    logits, truth = overconfident("binary", n=500)
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, max_iter=1000).fit(logits[:, None], truth)
    assert temperature_of_logits(logits, truth, "binary").temperature == pytest.approx(1 / model.coef_[0, 0], rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_temperature_is_what_an_independent_search_finds(kind):
    logits, truth = overconfident(kind)
    found = temperature_of_logits(logits, truth, kind)
    best = minimize_scalar(
        lambda t: loss_of(logits / t, truth, kind), bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9}
    )
    assert found.temperature == pytest.approx(best.x, rel=1e-4)
    assert found.after == pytest.approx(best.fun, abs=1e-10)
    assert found.before == pytest.approx(loss_of(logits, truth, kind))
    assert found.note == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_temperature_comes_near_the_factor_that_logits_were_stretched_by(kind):
    logits, truth = overconfident(kind, n=5000)
    assert temperature_of_logits(logits, truth, kind).temperature == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_give_the_temperature_that_their_logits_do(kind):
    logits, truth = overconfident(kind)
    p = probabilities_of(logits, kind).astype(np.float32)
    expected = temperature_of_logits(logits, truth, kind).temperature
    assert fit_temperature(p, truth, kind) == pytest.approx(expected, rel=1e-4)


def test_both_columns_of_two_classes_keep_what_one_column_rounds_away():
    # The logit -60 is 1 in float32 for the first class; only its own column tells it from -40.
    positive = np.array([1e-26, 1e-17, 0.3])
    assert logits_of(np.stack([1 - positive, positive], axis=1), "binary") == pytest.approx(
        [math.log(1e-26), math.log(1e-17), math.log(0.3 / 0.7)]
    )
    negative = np.array([1e-26, 1e-17, 0.3])
    assert logits_of(np.stack([negative, 1 - negative], axis=1), "binary")[0] == pytest.approx(-math.log(1e-26))


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_of_0_and_1_have_finite_logits_and_a_temperature(kind):
    truth = {"binary": [0, 1, 1], "multiclass": [0, 1, 2], "multilabel": [[1, 0], [0, 1], [1, 1]]}[kind]
    p = {"binary": [0, 1, 0], "multiclass": np.eye(3)[[0, 1, 0]], "multilabel": [[1, 0], [0, 1], [0, 0]]}[kind]
    assert np.isfinite(logits_of(p, kind)).all()
    found = temperature_of_probabilities(p, truth, kind)
    assert 1 < found.temperature <= 20
    assert np.isfinite([found.before, found.after]).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS), st.integers(2, 30), st.floats(-2, 3))
def test_the_loss_on_the_fitted_images_never_rises(seed, kind, n, stretch):
    logits, truth = overconfident(kind, n, seed, factor=10**stretch)
    try:
        found = temperature_of_logits(logits, truth, kind)
    except DataError:
        return
    assert found.after <= found.before
    assert 1 / 20 <= found.temperature <= 20
    scaled = loss_of(logits / found.temperature, truth, kind) if np.abs(logits).max() < 30 else None
    assert scaled is None or scaled == pytest.approx(found.after, abs=1e-9)


def test_images_that_are_all_right_take_no_more_confidence_than_they_bear_out():
    # Three right answers of logit 1: an endless slope is "best"; 4/5 is Laplace's estimate, whose logit is log 4.
    found = temperature_of_logits([1, -1, 1], [1, 0, 1], "binary")
    assert found.temperature == pytest.approx(1 / math.log(4))
    assert "all 3 were told right" in found.note
    assert found.after < found.before


def test_images_that_are_all_right_and_sure_enough_are_left_alone():
    found = temperature_of_logits([5, -5, 5], [1, 0, 1], "binary")
    assert (found.temperature, found.before) == (1, found.after)
    assert "told right" in found.note


def test_three_classes_that_are_all_right_follow_the_same_rule():
    logits = np.eye(3)[[0, 1, 2, 0]]
    found = temperature_of_logits(logits, [0, 1, 2, 0], "multiclass")
    # exp(s) / (exp(s) + 2) = 5/6 at s = log 10.
    assert found.temperature == pytest.approx(1 / math.log(10))


def test_logits_that_point_the_wrong_way_get_the_largest_temperature():
    found = temperature_of_logits([3, -2, 4, 1], [0, 1, 0, 1], "binary")
    assert found.temperature == 20
    assert "says nothing of the truth" in found.note
    assert found.after < found.before


def test_a_model_that_says_the_same_of_all_is_left_alone():
    assert temperature_of_logits([0, 0, 0], [0, 1, 0], "binary").temperature == 1
    assert fit_temperature(np.full((3, 4), 0.25), [0, 1, 2], "multiclass") == 1


@pytest.mark.parametrize(
    ("kind", "values", "truth", "sentence"),
    [
        ("binary", [0.2, 0.9], [1, 1], "all 2 images are of one class"),
        ("multiclass", [[0.2, 0.3, 0.5]] * 3, [2, 2, 2], "all 3 images are of one class"),
        ("multilabel", [[0.2, 0.3]] * 3, [[0, 0]] * 3, "same labels, all or none"),
        ("binary", [], [], "no image"),
        ("binary", [0.2, math.nan], [0, 1], "1 values are undefined"),
        ("binary", [0.2, 3.0], [0, 1], "Logits are turned by"),
        ("binary", [0.2, 0.3], [0, 2], "whole number from 0 to 1"),
        ("binary", [0.2, 0.3], [0, 1, 1], "do not fit"),
        ("multiclass", [[0.2, 0.3, 0.4]] * 2, [0, 1], "add up to 1"),
        ("multiclass", [[0.2, 0.3, 0.5]] * 2, [[0, 1, 1]] * 2, "do not fit"),
        ("binary", [[0.2, 0.3, 0.5]] * 2, [0, 1], "[N] or [N, 2]"),
        ("binary", ["a", "b"], [0, 1], "numbers are wanted"),
    ],
)
def test_what_cannot_be_fitted_is_said(kind, values, truth, sentence):
    with pytest.raises(DataError) as caught:
        fit_temperature(values, truth, kind)
    assert sentence in str(caught.value)


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="1 logits"):
        temperature_of_logits([1, math.inf], [0, 1], "binary")


@pytest.mark.parametrize("kind", KINDS)
def test_a_temperature_divides_logits(kind):
    logits, _ = overconfident(kind)
    cooled = apply_temperature(probabilities_of(logits, kind), 2.5, kind)
    assert cooled == pytest.approx(probabilities_of(logits / 2.5, kind), abs=1e-9)


def test_a_temperature_keeps_both_columns_of_two_classes():
    p = np.array([[0.9, 0.1], [0.4, 0.6]])
    cooled = apply_temperature(p, 2, "binary")
    assert cooled.sum(axis=1) == pytest.approx([1, 1])
    assert cooled[:, 1] == pytest.approx(apply_temperature(p[:, 1], 2, "binary"))
    assert cooled[0, 0] == pytest.approx(3 / 4)  # odds 9 become 3


@pytest.mark.parametrize("temperature", [0, -1, math.nan, math.inf])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(DataError, match="above 0"):
        apply_temperature([0.5], temperature, "binary")
