import math

import pytest

from medgraft.report import wording
from medgraft.scores import Interval

SCORE = Interval(0.894, 0.873, 0.912, 83)


def test_numbers_as_people_read_them():
    assert wording.interval(SCORE) == "0.894 (0.873 to 0.912)"
    assert wording.interval({"value": 0.5, "low": None, "high": None}) == "0.500 (no interval)"
    assert wording.signed_interval({"value": -0.5, "low": math.nan, "high": 0.1}) == "−0.500 (no interval)"
    assert wording.ends(SCORE) == "0.873 to 0.912" and wording.ends(None) == ""
    assert [wording.decimal(value) for value in (0.5, math.nan, None)] == ["0.500", "–", "–"]
    assert [wording.signed(value) for value in (-0.0171, 0.2, None)] == ["−0.017", "+0.200", "–"]
    assert [wording.p_value(p) for p in (0.0004, 0.034, math.nan)] == ["< 0.001", "0.034", "–"]
    assert wording.interval(None) == wording.interval(Interval(math.nan, math.nan, math.nan, 0)) == "undefined"
    assert wording.signed_interval({"value": -0.01, "low": -0.03, "high": 0.02}) == "−0.010 (−0.030 to +0.020)"
    assert [wording.count(n) for n in (928, 14_848, 4_100_000, None)] == ["928", "14.8 k", "4.1 M", "–"]
    assert [wording.duration(s) for s in (2.13, 59.99, 185, 7800, None)] == [
        "2.1 s", "1 min 00 s", "3 min 05 s", "2 h 10 min", "–",
    ]  # fmt: skip
    assert [wording.rate(r) for r in (2e-3, 1e-5, 0.0, None)] == ["0.002", "1e-05", "–", "–"]
    assert [wording.speed(r) for r in (4.2, 0.5, None)] == ["4.2× faster", "2.0× slower", "–"]


def test_metrics_have_names_and_meanings():
    assert wording.metric_name("jaccard") == "Jaccard (IoU)"
    assert wording.metric_name("dice_cell wall") == "Dice · cell wall"
    assert wording.metric_name("thresholded_jaccard") == "Thresholded Jaccard"
    assert "0.65" in wording.metric_meaning("thresholded_jaccard")
    assert wording.metric_name("recall_no_finding") == "Recall · no_finding"
    assert wording.metric_name("average_precision_a_b") == "Average precision · a_b"
    assert [wording.spoken(metric) for metric in ("auc", "macro_f1", "balanced_accuracy")] == [
        "AUC", "macro F1", "balanced accuracy",
    ]  # fmt: skip
    assert wording.spoken("f1_x") == "F1 · x"
    assert wording.metric_name("hd95_new") == "hd95 new" and wording.metric_meaning("hd95_new") == ""


@pytest.mark.parametrize(
    ("dice", "word"), [(0.9, "very closely"), (0.89, "well"), (0.7, "moderately"), (0.69, "poorly")]
)
def test_agreement_has_stated_limits(dice, word):
    assert wording.agreement(dice) == word


def test_verdict_says_how_well_how_many_how_sure_and_how_often_not():
    text = wording.verdict("test", SCORE, [0.95, 0.9, 0.5, 0.69])
    assert "83 test images" in text and "well" in text and "0.873 to 0.912" in text
    assert "on 2 images (50%)" in text and text.count(". ") == 0
    assert "none of them" in wording.verdict("test", SCORE, [0.8])
    assert "chose when to stop" in wording.verdict("val", SCORE, [0.8])
    assert "no Dice score" in wording.verdict("test", None, [])
