"""Runs side by side."""

import numpy as np
import pandas as pd
import pytest

from medgraft.errors import RunError
from medgraft.evaluation import bootstrap_mean, compare, paired_difference


def table(dice, ids=None, split="test", **columns) -> pd.DataFrame:
    ids = [f"im{i}" for i in range(len(dice))] if ids is None else ids
    return pd.DataFrame({"id": ids, "split": split, "dice": dice, **columns})


FIRST = table([0.5, 0.6, 0.7, 0.8])
SECOND = table([0.7, 0.6, 0.9, 0.7])


def test_two_runs_by_hand():
    found = compare({"scratch": FIRST, "frozen": SECOND})
    assert found.names == ("scratch", "frozen")
    assert found.metrics == ("dice",)
    assert found.ids == ("im0", "im1", "im2", "im3")
    assert found.scores["frozen"].test["dice"] == bootstrap_mean(SECOND["dice"])
    difference = found.differences["frozen"]["dice"]
    assert difference == paired_difference(SECOND["dice"], FIRST["dice"])
    assert difference.interval.value == pytest.approx((0.2 + 0 + 0.2 - 0.1) / 4)
    assert (difference.better, difference.equal, difference.worse) == (2, 1, 1)
    assert found.wins == {"dice": {"scratch": 1, "frozen": 2}}
    assert found.notes == ()
    assert "scratch" not in found.differences


def test_images_are_matched_by_id_whatever_their_order():
    assert compare({"a": FIRST, "b": SECOND.iloc[::-1]}).differences == compare({"a": FIRST, "b": SECOND}).differences


def test_images_that_are_not_common_are_left_out_and_said():
    other = table([0.9, 0.8, 0.4], ids=["im2", "im3", "im9"])
    found = compare({"a": FIRST, "b": other})
    assert found.ids == ("im2", "im3")
    assert found.scores["a"].test["dice"].n == 2
    assert "2 in common" in found.notes[0]
    assert "a 4, b 3" in found.notes[0]


def test_it_is_said_where_one_run_was_tested_on_more():
    assert "a 4, b 3" in compare({"a": FIRST, "b": SECOND[:3]}).notes[0]
    assert "a 3, b 4" in compare({"a": FIRST[:3], "b": SECOND}).notes[0]


def test_an_image_that_one_run_learned_from_is_left_out():
    learned = SECOND.assign(split=["train", "test", "test", "test"])
    assert "im0" not in compare({"a": FIRST, "b": learned}).ids


def test_an_image_with_another_mask_is_another_image():
    first = FIRST.assign(foreground=[0.1, 0.2, 0.3, 0.4])
    found = compare({"a": first, "b": SECOND.assign(foreground=[0.1, 0.2, 0.9, 0.4 + 1e-9])})
    assert found.ids == ("im0", "im1", "im3")
    assert "im2" in found.notes[0]
    with pytest.raises(RunError, match="masks differ"):
        compare({"a": first, "b": SECOND.assign(foreground=0.5)})


def test_masks_are_compared_among_the_runs_that_know_them():
    first, third = FIRST.assign(foreground=0.1), SECOND.assign(foreground=[0.1, 0.1, 0.1, 0.2])
    assert compare({"a": first, "b": SECOND, "c": third}).ids == ("im0", "im1", "im2")


def test_ids_read_as_numbers_match_those_read_as_text():
    found = compare({"a": table([0.1, 0.2], ids=[12, 13]), "b": table([0.3, 0.4], ids=["12", "13"])})
    assert found.ids == ("12", "13")


def test_three_runs_are_compared_with_the_first_and_only_a_lone_best_wins():
    third = table([0.7, 0.9, 0.1, np.nan])
    found = compare({"a": FIRST, "b": SECOND, "c": third})
    assert set(found.differences) == {"b", "c"}
    # im0: b and c tie; im1: c; im2: b; im3: undefined for c.
    assert found.wins["dice"] == {"a": 0, "b": 1, "c": 1}


def test_of_distances_the_lower_one_is_the_better():
    near, far = (table([0.5, 0.5, 0.5, 0.5]).assign(hd95_mm=distances) for distances in ([1, 2, 3, 4], [9, 2, 1, 30]))
    found = compare({"near": near, "far": far})
    difference = found.differences["far"]["hd95_mm"]
    assert difference.interval.value == pytest.approx((8 + 0 - 2 + 26) / 4)
    assert (difference.better, difference.equal, difference.worse) == (1, 1, 2)
    assert found.wins["hd95_mm"] == {"near": 2, "far": 1}


def test_a_run_of_an_older_version_is_compared_by_what_it_has():
    new = table([0.4, 0.5, 0.6, 0.7]).assign(hd95_px=1.0, structure_f1=1.0, pixels_true=9)
    found = compare({"old": table([0.5, 0.5, 0.5, 0.5]), "new": new})
    assert found.metrics == ("dice",)


def test_distances_in_pixels_and_in_mm_are_not_compared():
    found = compare({"a": table([0.5, 0.5]).assign(hd95_px=1.0), "b": table([0.5, 0.5]).assign(hd95_mm=1.0)})
    assert found.metrics == ("dice",)


def test_values_that_differ_by_rounding_alone_have_no_winner():
    found = compare({"a": table([0.3, 0.5]), "b": table([0.1 + 0.2, 0.6])})
    assert found.wins["dice"] == {"a": 0, "b": 1}


def test_the_options_of_the_bootstrap_reach_every_interval():
    options = {"samples": 300, "level": 0.5, "seed": 7}
    found = compare({"a": FIRST, "b": SECOND}, **options)
    assert found.scores["b"].test["dice"] == bootstrap_mean(SECOND["dice"], **options)
    assert found.differences["b"]["dice"] == paired_difference(SECOND["dice"], FIRST["dice"], **options)


def test_groups_widen_the_intervals_of_every_run():
    grouped = FIRST.assign(group=list("xxyy"))
    found = compare({"a": grouped, "b": SECOND})
    expected = paired_difference(SECOND["dice"], FIRST["dice"], list("xxyy"))
    assert found.differences["b"]["dice"] == expected
    assert found.scores["b"].test["dice"] == bootstrap_mean(SECOND["dice"], list("xxyy"))
    assert "groups are those of a" in found.notes[0]


def test_only_metrics_of_all_runs_are_compared():
    found = compare({"a": FIRST.assign(jaccard=0.5), "b": SECOND.assign(dice_cup=0.5)})
    assert found.metrics == ("dice",)
    with pytest.raises(RunError, match="no metric in common"):
        compare({"a": FIRST, "b": SECOND.rename(columns={"dice": "jaccard"})})


def test_values_are_a_column_a_run():
    values = compare({"a": FIRST, "b": SECOND}).values("dice")
    assert list(values.columns) == ["a", "b"]
    assert values.loc["im2", "b"] == 0.9


def test_another_split_can_be_compared():
    found = compare({"a": FIRST.assign(split="val"), "b": SECOND.assign(split="val")}, split="val")
    assert found.scores["a"].val["dice"].n == 4


@pytest.mark.parametrize(
    ("tables", "word"),
    [
        ({"a": FIRST}, "at least two"),
        ({"a": FIRST, "b": table([0.5], ids=["other"])}, "no test image in common"),
        ({"a": FIRST, "b": SECOND.assign(split="val")}, "no test image in common"),
        ({"a": FIRST, "b": SECOND.drop(columns="id")}, "b: no column id"),
        ({"a": FIRST, "b": table([0.5, 0.6], ids=["im0", "im0"])}, "b: images more than once.*im0"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(tables, word):
    with pytest.raises(RunError, match=word):
        compare(tables)
