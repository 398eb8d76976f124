"""Thresholds against a search through all of them, by hand where several are as good, and what has none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_tables import BINARY, FOUR, LABELS, binary_case, four_case, labels_case
from sklearn import metrics as sk

from medgraft.errors import DataError, RecipeError
from medgraft.evaluation import (
    ThresholdRule,
    as_plain,
    choose_threshold,
    decision_scores,
    operating_point,
    read_outcomes,
)
from medgraft.evaluation.resampling import Bootstrap
from medgraft.evaluation.shares import wilson

FEW = Bootstrap(20)


def rates(p, y, threshold):
    """Sensitivity, specificity and F1, means over labels that have both; a row at a time."""
    p, y = (np.asarray(a).reshape(len(y), -1) for a in (p, y))
    found = []
    for scores, truth in zip(p.T, y.T, strict=True):
        if 0 < truth.sum() < len(truth):
            hits, wrong = np.sum((scores >= threshold) & truth), np.sum((scores >= threshold) & ~truth)
            there = truth.sum()
            found.append((hits / there, 1 - wrong / (len(truth) - there), 2 * hits / (hits + wrong + there)))
    return np.mean(found, axis=0)


# The rule, as it is written -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "wanted", "again"),
    [
        ("youden", "youden", None, "youden"),
        (" F1 ", "f1", None, "f1"),
        ("sensitivity=0.9", "sensitivity", 0.9, "sensitivity=0.9"),
        ("specificity = .95", "specificity", 0.95, "specificity=0.95"),
        ("dice", "dice", None, "dice"),
        ("0.35", "fixed", 0.35, "0.35"),
        (0.35, "fixed", 0.35, "0.35"),
    ],
)
def test_a_rule_is_read_and_written(text, name, wanted, again):
    rule = ThresholdRule.parse(text)
    assert (rule.name, rule.wanted, str(rule)) == (name, wanted, again)
    assert ThresholdRule.parse(str(rule)) == rule


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("yuden", "Did you mean youden?"),
        ("sensitivity", "as in sensitivity=0.9"),
        ("sensitivity=90%", "wants a number above 0"),
        ("sensitivity=1.5", "wants a number above 0"),
        ("specificity=0", "wants a number above 0"),
        ("f1=0.9", "takes no number"),
        ("1.5", "between 0 and 1"),
        ("0", "between 0 and 1"),
        ("nan", "between 0 and 1"),
        ("", "no rule for a threshold"),
    ],
)
def test_a_rule_that_is_none_is_said(text, sentence):
    with pytest.raises(RecipeError) as caught:
        ThresholdRule.parse(text)
    assert sentence in str(caught.value)


# The choice ---------------------------------------------------------------------------------------------------------

P = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]
Y = [0, 0, 1, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("rule", "low", "high"),
    [
        ("youden", 0.6, 0.7),  # 3/4 + 4/4; from 0.2 on it is 4/4 + 2/4
        ("f1", 0.6, 0.7),  # 6/7; from 0.2 on it is 8/10
        ("sensitivity=0.9", 0.2, 0.3),  # all four positives
        ("sensitivity=0.75", 0.6, 0.7),
        ("sensitivity=0.6", 0.6, 0.7),
        ("specificity=0.5", 0.2, 0.3),
        ("specificity=0.9", 0.6, 0.7),
    ],
)
def test_the_middle_of_the_best_stretch_by_hand(rule, low, high):
    found = choose_threshold(P, Y, rule, bootstrap=FEW)
    assert (found.low, found.high) == (low, high)
    assert found.threshold == pytest.approx((low + high) / 2)
    assert found.rule == rule


def test_more_than_is_asked_for_is_kept_where_it_costs_nothing():
    # Specificity 1 from 0.6 on, whatever sensitivity is asked for; the stretch of the larger sensitivity is taken.
    found = choose_threshold(P, Y, "sensitivity=0.5", bootstrap=FEW)
    assert (found.low, found.high) == (0.6, 0.7)


def test_stretches_that_are_as_good_and_touch_are_one():
    # Youden is the same below and above 0.5, where one of two positives goes and one of two negatives comes right.
    found = choose_threshold([0.2, 0.5, 0.5, 0.8], [0, 0, 1, 1], "youden", bootstrap=FEW)
    assert (found.low, found.high) == (0.2, 0.8)
    assert found.threshold == 0.5


def test_of_stretches_apart_the_widest_is_taken_and_of_equal_ones_the_lowest():
    # Youden is 1/2 from .3 to .4 and from .7 to .9.
    p, y = [0.3, 0.4, 0.7, 0.9], [0, 1, 0, 1]
    assert choose_threshold(p, y, "youden", bootstrap=FEW).threshold == pytest.approx(0.8)
    p = [0.25, 0.375, 0.625, 0.75]
    assert choose_threshold(p, y, "youden", bootstrap=FEW).threshold == 0.3125


def test_images_told_apart_leave_the_gap_between_them():
    found = choose_threshold([0.1, 0.3, 0.9], [0, 0, 1], "youden", bootstrap=FEW)
    assert (found.low, found.high, found.threshold) == (0.3, 0.9, pytest.approx(0.6))


def test_neighbouring_float32_numbers_are_kept_apart():
    low = np.float32(0.5)
    high = np.nextafter(low, np.float32(1))
    found = choose_threshold(np.array([low, high]), [0, 1], "youden", bootstrap=FEW)
    # As a model compares: probabilities of float32 with a plain number.
    assert (np.array([low, high]) >= found.threshold).tolist() == [False, True]


CASES = [(binary_case, BINARY, False), (labels_case, LABELS, True)]
RULES = ("youden", "f1", "sensitivity=0.8", "sensitivity=0.9", "specificity=0.9")


@pytest.mark.parametrize(("case", "names", "multilabel"), CASES)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_other_threshold_is_better(case, names, multilabel, rule, seed):
    outcomes = read_outcomes(case(n=50, seed=seed), names, multilabel, 0.5)
    p, y = outcomes.probabilities, outcomes.truth
    p, y = (p, y) if multilabel else (p[:, 1], y[:, 1])
    found = operating_point(outcomes, rule, bootstrap=FEW)
    # Probabilities are in steps of 0.05.
    grid = np.append(np.arange(0.025, 1, 0.05), 1.0)
    table = np.array([rates(p, y, t) for t in grid])
    sensitivity, specificity, f1 = rates(p, y, found.threshold)
    name, _, wanted = rule.partition("=")
    if name in ("youden", "f1"):
        best = (table[:, 0] + table[:, 1]).max() if name == "youden" else table[:, 2].max()
        assert (sensitivity + specificity if name == "youden" else f1) == pytest.approx(best)
        return
    own, other = (0, 1) if name == "sensitivity" else (1, 0)
    assert (sensitivity, specificity)[own] >= float(wanted) - 1e-9
    assert (sensitivity, specificity)[other] == pytest.approx(table[table[:, own] >= float(wanted) - 1e-9, other].max())


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(RULES))
def test_neither_the_order_of_images_nor_a_second_look_counts(random, rule):
    table = binary_case(n=40, seed=5)
    shuffled = table.iloc[random.sample(range(40), 40)]
    chosen = [operating_point(read_outcomes(t, BINARY, False, 0.5), rule, bootstrap=FEW) for t in (table, shuffled)]
    assert chosen[0].threshold == chosen[1].threshold


def test_a_number_is_taken_as_it_is():
    found = choose_threshold(P, Y, 0.65, bootstrap=FEW)
    assert (found.threshold, found.low, found.high) == (0.65, 0.65, 0.65)
    assert found.scores["sensitivity"].value == 0.75
    # Even where nothing could be chosen.
    assert choose_threshold([0.2, 0.7], [1, 1], "0.5", bootstrap=FEW).scores["sensitivity"].value == 0.5


def test_both_columns_of_two_classes_say_the_same():
    p = np.array(P)
    found = choose_threshold(np.stack([1 - p, p], axis=1), Y, "youden", bootstrap=FEW)
    assert found.threshold == choose_threshold(P, Y, "youden", bootstrap=FEW).threshold


def test_what_has_no_threshold_is_said():
    with pytest.raises(DataError, match="all alike"):
        choose_threshold([0.2, 0.7], [1, 1], "youden")
    with pytest.raises(RecipeError, match="of 4 classes the most probable is given"):
        operating_point(read_outcomes(four_case(), FOUR, False, 0.5), "youden")
    with pytest.raises(RecipeError, match="of 3 classes"):
        choose_threshold(np.eye(3), [0, 1, 2], "youden")
    with pytest.raises(RecipeError, match="is for masks"):
        choose_threshold(P, Y, "dice")
    with pytest.raises(DataError, match=r"at most 0.500\), as some"):
        choose_threshold([0.2, 1.0, 0.4, 1.0], [0, 0, 1, 1], "specificity=0.9")
    with pytest.raises(DataError, match="no image"):
        choose_threshold([], [], "youden")


def test_few_images_and_labels_that_do_not_vary_are_said():
    p = np.linspace(0.1, 0.9, 30)[:, None] * [1, 1, 1]
    y = np.zeros((30, 3), int)
    y[15:, 0], y[26:, 1] = 1, 1
    notes = choose_threshold(p, y, "youden", bootstrap=FEW).notes
    assert notes[0].startswith("2: all images have it or none has")
    assert notes[1] == "the threshold rests on 4 images of 1."
    notes = operating_point(read_outcomes(binary_case(n=60), BINARY, False, 0.5), "youden", bootstrap=FEW).notes
    assert notes == ()


# Scores at the threshold --------------------------------------------------------------------------------------------


def test_scores_at_the_threshold_by_hand():
    found = choose_threshold(P, Y, "youden", bootstrap=Bootstrap(200)).scores
    assert {name: interval.value for name, interval in found.items()} == pytest.approx(
        {"sensitivity": 3 / 4, "specificity": 1, "ppv": 1, "npv": 4 / 5, "f1": 6 / 7}
    )
    assert {name: interval.n for name, interval in found.items()} == {
        "sensitivity": 4, "specificity": 4, "ppv": 3, "npv": 5, "f1": 8,
    }  # fmt: skip
    # Four of four is no certainty.
    assert (found["specificity"].low, found["specificity"].high) == wilson(1.0, 4)
    assert found["f1"].low < 6 / 7 < found["f1"].high


@pytest.mark.parametrize(("case", "names", "multilabel"), [*CASES, (four_case, FOUR, False)])
def test_scores_at_the_threshold_are_those_of_sklearn(case, names, multilabel):
    outcomes = read_outcomes(case(seed=4), names, multilabel, 0.5)
    found = decision_scores(outcomes, bootstrap=FEW)
    columns = {"": 1} if outcomes.binary else {f"_{name}": c for c, name in enumerate(names)}
    for suffix, c in columns.items():
        y, d = outcomes.truth[:, c], outcomes.decided[:, c]
        expected = {
            "sensitivity": sk.recall_score(y, d),
            "specificity": sk.recall_score(y, d, pos_label=0),
            "ppv": sk.precision_score(y, d),
            "npv": sk.precision_score(y, d, pos_label=0),
            "f1": sk.f1_score(y, d),
        }
        for name, value in expected.items():
            assert found[f"{name}{suffix}"].value == pytest.approx(value)
    if len(columns) > 1:
        each = [found[f"ppv_{name}"].value for name in names]
        assert found["ppv"].value == pytest.approx(np.mean(each))
        assert found["ppv"].low < found["ppv"].value < found["ppv"].high


def test_patients_with_several_images_widen_the_interval():
    table = binary_case(n=60, seed=2)
    outcomes = read_outcomes(table.loc[np.repeat(np.arange(60), 4)].reset_index(), BINARY, False, 0.5)
    alone = decision_scores(outcomes, bootstrap=FEW)["sensitivity"]
    grouped = decision_scores(outcomes, np.repeat(np.arange(60), 4), FEW)["sensitivity"]
    once = decision_scores(read_outcomes(table, BINARY, False, 0.5), bootstrap=FEW)["sensitivity"]
    assert grouped.high - grouped.low > 1.7 * (alone.high - alone.low)
    assert grouped.high - grouped.low == pytest.approx(once.high - once.low, rel=0.05)


def test_a_share_of_nothing_is_undefined():
    found = choose_threshold([0.1, 0.2], [0, 1], 0.9, bootstrap=FEW).scores
    assert math.isnan(found["ppv"].value)
    assert found["ppv"].n == 0
    assert found["f1"].value == 0
    assert as_plain(found)["ppv"]["value"] is None
