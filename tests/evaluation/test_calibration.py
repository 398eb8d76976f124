"""Calibration errors worked out by hand, reliability tables, and both before and after a temperature."""

import json
import math

import numpy as np
import pytest
from forecast_cases import KINDS, overconfident, probabilities_of
from label_tables import BINARY, FOUR, LABELS, binary_case, four_case, labels_case

from medgraft.evaluation import (
    as_plain,
    brier_score,
    calibration,
    equal_mass,
    equal_width,
    expected_calibration_error,
    fit_temperature,
    outcomes_of,
    overall_view,
    read_outcomes,
    reliability,
)
from medgraft.evaluation.label_metrics import LabelMeasure
from medgraft.evaluation.reliability import View
from medgraft.evaluation.resampling import Bootstrap


def test_the_error_of_two_classes_by_hand():
    # Bins of a fifth. (0, .2] holds .1 and .2, one hit: |.3 - 1|. (.8, 1] holds .9, .9 and 1, two hits: |2.8 - 2|.
    p, y = [0.1, 0.2, 0.9, 0.9, 1.0], [0, 1, 1, 0, 1]
    assert expected_calibration_error(p, y, "binary", bins=5) == pytest.approx((0.7 + 0.8) / 5)


def test_the_error_of_more_classes_is_of_the_class_that_is_said():
    p = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]
    # One bin: mean confidence 1.9 / 3, two of three right.
    assert expected_calibration_error(p, [0, 1, 0], "multiclass", bins=1) == pytest.approx(abs(1.9 - 2) / 3)
    # Two bins: (.7, .8) both right, .4 wrong.
    assert expected_calibration_error(p, [0, 1, 0], "multiclass", bins=2) == pytest.approx((0.5 + 0.4) / 3)


def test_the_error_of_several_labels_is_a_mean_over_labels():
    p, y = np.array([[0.2, 0.9], [0.4, 0.7]]), np.array([[0, 1], [1, 0]])
    each = [expected_calibration_error(p[:, c], y[:, c], "binary") for c in (0, 1)]
    assert expected_calibration_error(p, y, "multilabel") == pytest.approx(np.mean(each))


def test_a_model_that_is_right_to_the_digit_has_no_error():
    p = np.repeat([0.25, 0.5, 0.75], 4)
    y = [1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0]
    assert expected_calibration_error(p, y, "binary") == pytest.approx(0, abs=1e-12)


def test_an_edge_belongs_to_the_bin_below_and_0_to_the_first():
    view = View("", np.array([0.0, 0.2, 0.20001, 1.0]), np.ones(4, bool), np.arange(4))
    table = reliability(view, edges=equal_width(5))
    assert [found.observed.n for found in table.bins] == [2, 1, 0, 0, 1]
    assert math.isnan(table.bins[2].confidence)
    assert table.bins[2].observed.n == 0


def test_bins_of_equal_mass_hold_as_many_each():
    values = np.random.default_rng(0).beta(0.5, 8, 1000)
    table = reliability(View("", values, values > 1, np.arange(1000)), edges=equal_mass(values, 10))
    assert {found.observed.n for found in table.bins} == {100}
    assert len(equal_mass(np.zeros(50), 10)) == 2  # all alike: one bin


def test_a_table_says_how_many_came_true():
    case = binary_case(n=60)
    outcomes = read_outcomes(case, BINARY, False, 0.5)
    table = reliability(overall_view(outcomes))
    assert table.of == "probability of pneumonia"
    assert sum(found.observed.n for found in table.bins) == 60
    for found in table.bins:
        p = case["p_pneumonia"]
        # The first bin holds 0 as well.
        inside = case[((p > found.low) | (found.low == 0)) & (p <= found.high)]
        assert len(inside) == found.observed.n
        if len(inside):
            assert found.confidence == pytest.approx(inside["p_pneumonia"].mean())
            assert found.observed.value == pytest.approx((inside["target"] == "pneumonia").mean())
            assert found.observed.low <= found.observed.value <= found.observed.high


TABLES = [(binary_case, BINARY, False), (four_case, FOUR, False), (labels_case, LABELS, True)]


@pytest.mark.parametrize(("case", "names", "multilabel"), TABLES)
def test_the_brier_score_is_that_of_the_scores(case, names, multilabel):
    outcomes = read_outcomes(case(seed=3), names, multilabel, 0.5)
    found = calibration(outcomes, 1.0, bootstrap=Bootstrap(20))
    measure = LabelMeasure(outcomes, np.arange(len(outcomes.truth)))
    expected = measure(np.ones((len(outcomes.truth), 1)))["brier"][0]
    assert found.before.scores["brier"].value == pytest.approx(expected)
    truth = outcomes.truth.astype(int) if multilabel else outcomes.truth.argmax(axis=1)
    assert brier_score(outcomes.probabilities, truth, found.kind) == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_scaling_what_was_stretched_helps_every_score(kind):
    logits, truth = overconfident(kind, n=800)
    p = probabilities_of(logits, kind)
    found = calibration(outcomes_of(p, truth, kind), fit_temperature(p, truth, kind), bootstrap=Bootstrap(200))
    assert found.kind == kind
    for name in ("ece", "brier", "nll"):
        assert found.after.scores[name].value < found.before.scores[name].value
        assert found.change[name].value == pytest.approx(
            found.after.scores[name].value - found.before.scores[name].value
        )
        assert found.change[name].high < 0
    assert ("classwise_ece" in found.after.scores) == (kind == "multiclass")
    assert len(found.after.classes) == (0 if kind == "binary" else 4)


def test_a_temperature_of_1_changes_nothing():
    outcomes = read_outcomes(binary_case(), BINARY, False, 0.5)
    found = calibration(outcomes, bootstrap=Bootstrap(50))
    assert all(abs(change.value) < 1e-9 for change in found.change.values())


def test_resamples_are_of_the_rows_drawn():
    table = four_case(n=40, seed=2)
    groups = np.arange(40) // 4
    outcomes = read_outcomes(table, FOUR, False, 0.5)
    found = calibration(outcomes, 1.0, groups, Bootstrap(30, seed=5))
    draws = []
    for drawn in np.random.default_rng(5).integers(10, size=(30, 10)):
        rows = np.concatenate([np.flatnonzero(groups == group) for group in drawn])
        draws.append(
            expected_calibration_error(outcomes.probabilities[rows], outcomes.truth[rows].argmax(axis=1), "multiclass")
        )
    value = found.before.scores["ece"].value
    assert found.before.excess == pytest.approx(np.mean(draws) - value)
    low, high = np.quantile(draws, [0.025, 0.975]) - found.before.excess
    assert (found.before.scores["ece"].low, found.before.scores["ece"].high) == pytest.approx((max(0, low), high))
    assert (found.n, found.groups) == (40, 10)


def test_few_images_inflate_the_error_by_about_the_excess():
    # A model that is right: the error of 60 images is all chance, and much of it is seen as excess.
    errors, excesses = [], []
    for seed in range(12):
        logits, truth = overconfident("binary", n=60, seed=seed, factor=1)
        found = calibration(outcomes_of(probabilities_of(logits, "binary"), truth, "binary"), bootstrap=Bootstrap(100))
        errors.append(found.before.scores["ece"].value)
        excesses.append(found.before.excess)
    assert np.mean(errors) > 0.08
    assert 0.3 * np.mean(errors) < np.mean(excesses) < np.mean(errors)
    assert "few for a calibration error" in found.notes[0]


def test_one_patient_has_no_interval():
    outcomes = read_outcomes(binary_case(), BINARY, False, 0.5)
    found = calibration(outcomes, 2.0, np.zeros(60), Bootstrap(50))
    assert math.isnan(found.before.scores["ece"].low)
    assert math.isnan(found.before.excess)


def test_findings_become_json():
    outcomes = read_outcomes(binary_case(), BINARY, False, 0.5)
    plain = as_plain(calibration(outcomes, 1.5, np.zeros(60), Bootstrap(50)))
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["before"]["scores"]["ece"]["low"] is None
    assert len(plain["after"]["reliability"]["bins"]) == 15
    assert as_plain({1: np.float32(0.5), "a": (np.arange(2), None, math.inf)}) == {"1": 0.5, "a": [[0, 1], None, None]}
    with pytest.raises(TypeError, match="no plain form"):
        as_plain(object())
