"""Risk-coverage curves by hand and by drawing orders, and uncertainty of labels and masks."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_tables import BINARY, FOUR, LABELS, binary_case, four_case, labels_case

from medgraft.errors import DataError, RecipeError, RunError
from medgraft.evaluation import (
    as_plain,
    label_uncertainty,
    mask_uncertainty,
    outcomes_of,
    read_outcomes,
    risk_coverage,
    table_risk_coverage,
)
from medgraft.evaluation.resampling import Bootstrap
from medgraft.evaluation.risk_coverage import RiskMeasure

FEW = Bootstrap(20)


def area_of(risk, order):
    ordered = np.asarray(risk, dtype=float)[order]
    return np.mean(np.cumsum(ordered) / np.arange(1, len(ordered) + 1))


# The curve ----------------------------------------------------------------------------------------------------------


def test_the_curve_by_hand():
    # From certain to uncertain: right, wrong, right, wrong. Risks 0, 1/2, 1/3, 2/4; at best 0, 0, 1/3, 2/4.
    found = risk_coverage([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], bootstrap=FEW)
    assert found.aurc.value == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert found.best.value == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)
    assert found.excess.value == pytest.approx(1 / 8)
    assert found.gain.value == pytest.approx(1 / 2 - found.aurc.value)
    assert {point.coverage: point.risk.value for point in found.points if point.coverage in (0.25, 0.5, 0.75, 1)} == (
        pytest.approx({0.25: 0, 0.5: 1 / 2, 0.75: 1 / 3, 1.0: 1 / 2})
    )
    assert found.at(0.5).limit == 0.2
    assert found.at(0.76).coverage == 0.75
    assert found.at(1).risk.n == 4


def test_an_image_is_kept_in_part():
    # 0.9 of 4 images are the first three and 0.6 of the last.
    found = risk_coverage([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], bootstrap=FEW)
    assert found.at(0.9).risk.value == pytest.approx((1 + 0.6) / 3.6)


def test_equal_uncertainties_have_the_mean_of_all_orders():
    rng = np.random.default_rng(0)
    risk, unsure = rng.random(9), np.array([1, 1, 1, 2, 2, 3, 3, 3, 3])
    found = risk_coverage(risk, unsure, bootstrap=FEW)
    orders = [np.lexsort((rng.random(9), unsure)) for _ in range(20000)]
    assert found.aurc.value == pytest.approx(np.mean([area_of(risk, order) for order in orders]), abs=1e-3)
    assert found.notes == ("uncertainty has 3 different values of 9 images; equal ones have no order.",)


def test_equal_uncertainties_that_were_rounded_apart_are_equal():
    unsure = [0.3, 1 - 0.7, 0.3, 1 - 0.7]
    assert len(set(unsure)) == 2
    assert risk_coverage([0, 1, 0, 0], unsure, bootstrap=FEW).aurc.value == pytest.approx(0.25)


def test_probabilities_near_1_keep_their_order():
    p = np.array([[1e-30, 1.0], [1e-20, 1.0], [1e-25, 1.0]])
    assert np.argsort(label_uncertainty(outcomes_of(p, [1, 1, 1], "binary"))).tolist() == [0, 2, 1]


def test_a_useless_uncertainty_leaves_the_risk_as_it_is():
    found = risk_coverage([0, 1, 1, 0, 0], np.zeros(5), bootstrap=FEW)
    assert found.aurc.value == pytest.approx(0.4)
    assert found.gain.value == pytest.approx(0)
    assert all(point.risk.value == pytest.approx(0.4) for point in found.points)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=30))
def test_no_order_is_better_than_the_best_nor_worse_than_the_worst(pairs):
    risk, unsure = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    measure = RiskMeasure(risk, unsure, np.arange(len(risk)))
    found = {name: value[0] for name, value in measure(np.ones((len(risk), 1))).items()}
    worst = area_of(risk, np.argsort(-risk, kind="stable"))
    assert area_of(risk, np.argsort(risk, kind="stable")) == pytest.approx(found["best"])
    assert found["best"] - 1e-9 <= found["aurc"] <= worst + 1e-9
    assert found["risk at 1"] == pytest.approx(risk.mean())


def test_resamples_are_of_the_rows_drawn():
    rng = np.random.default_rng(1)
    groups = np.arange(30) // 3
    risk, unsure = rng.integers(0, 2, 30).astype(float), rng.random(30)
    measure = RiskMeasure(risk, unsure, groups)
    counts = rng.multinomial(10, np.full(10, 0.1), size=5).T.astype(float)
    found = measure(counts)
    for draw in range(5):
        rows = np.concatenate([np.repeat(np.flatnonzero(groups == g), int(counts[g, draw])) for g in range(10)])
        # Copies of an image are equal, so any order of theirs will do.
        assert found["aurc"][draw] == pytest.approx(area_of(risk[rows], np.argsort(unsure[rows], kind="stable")))
        assert found["risk at 1"][draw] == pytest.approx(risk[rows].mean())
        half = np.sort(unsure[rows])[:15]
        assert found["risk at 0.5"][draw] == pytest.approx(risk[rows][np.argsort(unsure[rows])][: len(half)].mean())


def test_an_uncertainty_that_knows_has_a_gain_beyond_chance():
    rng = np.random.default_rng(2)
    unsure = rng.random(400)
    found = risk_coverage(rng.random(400) < unsure / 2, unsure, bootstrap=Bootstrap(200))
    assert found.gain.low > 0
    assert found.at(0.5).risk.high < found.at(1).risk.low
    blind = risk_coverage(rng.random(400) < 0.25, unsure, bootstrap=Bootstrap(200))
    assert blind.gain.low < 0 < blind.gain.high


@pytest.mark.parametrize(
    ("risk", "unsure", "sentence"),
    [([], [], "for each image"), ([0, 1], [1], "got 2 and 1"), ([0, 1], [0.1, math.nan], "uncertainty: one number")],
)
def test_what_has_no_curve_is_said(risk, unsure, sentence):
    with pytest.raises(DataError, match=sentence):
        risk_coverage(risk, unsure)


# Tables of predictions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["confidence", "entropy", "margin"])
def test_two_classes_have_one_order_at_a_threshold_of_a_half(how):
    table = binary_case(n=80, seed=3)
    found = table_risk_coverage(table, how, threshold=0.5, bootstrap=FEW)
    outcomes = read_outcomes(table, BINARY, False, 0.5)
    expected = risk_coverage(~outcomes.correct, 1 - outcomes.probabilities.max(axis=1), bootstrap=FEW)
    assert found.aurc.value == pytest.approx(expected.aurc.value)
    assert (found.uncertainty, found.risk) == (how, "error")


def test_a_column_can_be_the_uncertainty():
    table = four_case(seed=2)
    outcomes = read_outcomes(table, FOUR, False)
    table["disagreement"] = 1.0 - outcomes.correct
    found = table_risk_coverage(table, "disagreement", bootstrap=FEW)
    assert found.excess.value == pytest.approx(0, abs=1e-12)
    assert "disagreement has 2 different values of 80 images" in found.notes[0]


def test_masks_are_ordered_by_a_column_and_lose_their_dice():
    table = pd.DataFrame(
        {"dice": [0.9, 0.5, math.nan, 0.7], "uncertainty": [0.1, 0.4, 0.9, 0.2], "group": list("aabb")}
    )
    found = table_risk_coverage(table, bootstrap=FEW)
    assert found.n == 3
    assert found.aurc.value == pytest.approx((0.1 + 0.2 + 0.3) / 3)
    assert found.risk == "1 - dice"
    plain = as_plain(found)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    with pytest.raises(RunError, match="no column disagreement"):
        table_risk_coverage(table, "disagreement")


# Uncertainty --------------------------------------------------------------------------------------------------------


def test_uncertainty_of_labels_by_hand():
    two = outcomes_of([0.9, 0.25], [1, 0], "binary")
    assert label_uncertainty(two) == pytest.approx([0.1, 0.25])
    assert label_uncertainty(two, "entropy")[0] == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    assert label_uncertainty(two, "margin", 0.3) == pytest.approx([0.1 / 0.7, 0.25 / 0.3])
    three = outcomes_of([[0.5, 0.5, 0], [1, 0, 0]], [0, 0], "multiclass")
    assert label_uncertainty(three) == pytest.approx([0.5, 0])
    assert label_uncertainty(three, "entropy") == pytest.approx([math.log(2), 0])
    several = outcomes_of([[0.9, 0.2], [1, 0]], [[1, 0], [0, 0]], "multilabel")
    assert label_uncertainty(several) == pytest.approx([1 - 0.9 * 0.8, 0])
    assert label_uncertainty(several, "margin", 0.5) == pytest.approx([0.4, 0])


def test_a_close_call_at_a_low_threshold_is_uncertain_by_margin_alone():
    outcomes = outcomes_of([0.21, 0.5], [1, 0], "binary")
    assert np.argmax(label_uncertainty(outcomes, "margin", 0.2)) == 0
    assert np.argmax(label_uncertainty(outcomes)) == 1


def test_an_uncertainty_that_is_none_is_said():
    outcomes = read_outcomes(labels_case(), LABELS, True, 0.5)
    with pytest.raises(RecipeError, match="Did you mean entropy"):
        label_uncertainty(outcomes, "entropie")
    with pytest.raises(RecipeError, match="several classes do not have"):
        label_uncertainty(read_outcomes(four_case(), FOUR, False, 0.5), "margin")


def test_uncertainty_of_masks_by_hand():
    p, mask = np.array([[0.9, 0.6], [0.3, 0.0]]), np.array([[1, 1], [0, 0]])
    assert mask_uncertainty(p, mask) == pytest.approx(1 - 2 * 1.5 / (1.8 + 2))
    assert mask_uncertainty(p[None], mask) == mask_uncertainty(p, mask)
    # Sure of all pixels: nothing is expected to be lost.
    assert mask_uncertainty(mask, mask) == 0
    assert mask_uncertainty(np.zeros((2, 2)), np.zeros((2, 2))) == 0
    # Nothing was found: Dice is 0 unless there is nothing.
    assert mask_uncertainty(np.array([[0.2, 0.1]]), np.zeros((1, 2))) == pytest.approx(1 - 0.8 * 0.9)
    assert mask_uncertainty(np.ones((1, 2)), np.zeros((1, 2))) == pytest.approx(1)


def test_uncertainty_of_several_structures_is_their_mean():
    p = np.array([[[0.1, 0.8, 0.9]], [[0.7, 0.1, 0.1]], [[0.2, 0.1, 0.0]]])
    each = [mask_uncertainty(p[1], [[1, 0, 0]]), mask_uncertainty(p[2], [[0, 0, 0]])]
    assert mask_uncertainty(p, np.array([[1, 0, 0]])) == pytest.approx(np.mean(each))
    with pytest.raises(DataError, match="of one size"):
        mask_uncertainty(p, np.zeros((2, 3)))


def test_soft_dice_is_near_the_dice_that_is_to_be_expected():
    rng = np.random.default_rng(3)
    p = np.clip(rng.beta(0.3, 0.5, (40, 40)), 0.01, 0.99)
    mask = (p >= 0.5).astype(int)
    truths = rng.random((300, 40, 40)) < p
    dice = [2 * (mask * truth).sum() / (mask.sum() + truth.sum()) for truth in truths]
    assert 1 - mask_uncertainty(p, mask) == pytest.approx(np.mean(dice), abs=0.003)
