"""Intervals and scores, said and written."""

import json
import math

import pytest

from medgraft.errors import RunError
from medgraft.scores import Interval, Scores, lower_is_better

DICE = Interval(0.8944, 0.873, 0.9121, 83)


def test_an_interval_says_its_value_its_ends_and_its_n():
    assert str(DICE) == "0.894 (0.873 to 0.912, n=83)"
    assert float(DICE) == 0.8944
    assert str(Interval(math.nan, math.nan, math.nan, 0)) == "undefined (n=0)"
    assert str(Interval(0.9, math.nan, math.nan, 1)) == "0.900 (no interval, n=1)"


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (Interval(4.2, 1.26, 9.9994, 83), "4.200 (1.260 to 9.999, n=83)"),
        (Interval(8.127, 2.5, 12.346, 83), "8.13 (2.50 to 12.35, n=83)"),
        (Interval(153.274, 99.5, 201.4, 83), "153.3 (99.5 to 201.4, n=83)"),
        (Interval(153.274, math.nan, math.nan, 1), "153.3 (no interval, n=1)"),
    ],
)
def test_lengths_have_fewer_decimals_where_they_are_large(interval, said):
    assert str(interval) == said
    assert interval.brief() == said.split(", n=")[0].split(" (no")[0] + (")" if "to" in said else "")


def test_distances_and_the_brier_score_are_better_where_they_are_lower():
    lower = ("brier", "hd95_px", "hd95_mm", "assd_mm", "assd_px_optic disc")
    assert all(map(lower_is_better, lower))
    assert not any(map(lower_is_better, ("dice", "boundary_dice_px", "structure_f1", "hd95", "dice_hd95_px", "auc")))


def test_splits_are_keys_and_attributes():
    scores = Scores({"test": {"dice": DICE}})
    assert scores.test["dice"] is scores["test"]["dice"] is DICE
    assert list(scores) == ["test"]
    assert len(scores) == 1
    assert not hasattr(scores, "val")


def test_what_is_written_is_read_back(tmp_path):
    scores = Scores({"val": {"dice": DICE}, "test": {"jaccard": Interval(0.8, 0.7, 0.9, 20, level=0.9)}})
    scores.save(tmp_path / "scores.json")
    assert Scores.load(tmp_path / "scores.json") == scores


def test_undefined_values_are_null_in_the_file(tmp_path):
    path = tmp_path / "scores.json"
    Scores({"test": {"sensitivity": Interval(math.nan, math.nan, math.nan, 0)}}).save(path)
    assert json.loads(path.read_text())["test"]["sensitivity"]["value"] is None
    assert math.isnan(Scores.load(path).test["sensitivity"].low)


def test_a_file_without_level_or_with_more_keys_is_read(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text('{"test": {"dice": {"value": 1, "low": 0, "high": 1, "n": 3, "method": "percentile"}}}')
    assert Scores.load(path).test["dice"] == Interval(1.0, 0.0, 1.0, 3, 0.95)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", '{"test": 3}', '{"test": {"dice": 0.9}}', '{"test": {"dice": {"value": 1}}}', "{\x00"],
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path, text):
    path = tmp_path / "scores.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"scores\.json"):
        Scores.load(path)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(RunError, match=r"scores\.json"):
        Scores.load(tmp_path / "scores.json")


def test_the_brief_form_has_no_interval_where_there_is_none():
    assert Interval(0.9126, 0.8834, 0.9331, 83).brief() == "0.913 (0.883 to 0.933)"
    assert Interval(0.9126, math.nan, math.nan, 1).brief() == "0.913"
    assert Interval(math.nan, math.nan, math.nan, 0).brief() == "undefined"
