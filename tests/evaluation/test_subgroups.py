"""Subgroups: how columns become parts, scores and gaps against the rows drawn, and what a reader is told."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from label_tables import BINARY, FOUR, LABELS, binary_case, four_case, labels_case, table_of
from sklearn.metrics import roc_auc_score

from medgraft.errors import DataError, RecipeError, RunError
from medgraft.evaluation import By, as_plain, label_scores, subgroup_scores
from medgraft.evaluation.resampling import Bootstrap
from medgraft.evaluation.subgroup_values import subgroup_values

FEW = Bootstrap(20)


def parts(values, by="column"):
    table = pd.DataFrame({"column": values})
    found = subgroup_values(table, By.parse(by))
    return {name: np.flatnonzero(found.codes == index).tolist() for index, name in enumerate(found.names)}, found.cut


def masks(n=60, seed=0, **columns):
    rng = np.random.default_rng(seed)
    dice = rng.beta(8, 2, n)
    given = {"id": [f"im{i}" for i in range(n)], "split": "test", "dice": dice, "jaccard": dice / (2 - dice)}
    return pd.DataFrame(given | columns)


# From a column to subgroups -----------------------------------------------------------------------------------------


def test_texts_are_taken_as_they_are_and_missing_ones_are_a_subgroup():
    assert parts(["m", "f", "", "m", None, " f", math.nan]) == (
        {"f": [1, 5], "m": [0, 3], "(missing)": [2, 4, 6]},
        "values",
    )


def test_few_different_numbers_are_values():
    assert parts([0, 1, 1, 0, 2]) == ({"0": [0, 3], "1": [1, 2], "2": [4]}, "values")
    assert parts(["10", "9", "9.0"]) == ({"9": [1, 2], "10": [0]}, "values")
    assert parts([1.0, math.nan, 2.0]) == ({"1": [0], "2": [2], "(missing)": [1]}, "values")
    assert parts([True, False]) == ({"False": [1], "True": [0]}, "values")


def test_long_numbers_are_told_apart():
    assert parts([1234567, 1234568, 1234567])[0] == {"1234567": [0, 2], "1234568": [1]}
    assert parts([0.12345671, 0.12345672])[0] == {"0.12345671": [0], "0.12345672": [1]}
    found = parts(["20190131", "20200229"], "column=20200101,20200103")[0]
    assert found == {"under 20200101": [0], "20200103 and over": [1]}


def test_the_ends_of_ranges_are_short_where_that_tells_them_apart():
    assert list(parts([1.23456789, 2.3456789, 3.45679], "column=1.5,3.4567890123")[0]) == [
        "under 1.5", "1.5 to under 3.45679", "3.45679 and over",
    ]  # fmt: skip
    near = parts([1.0, 2.0, 3.0, 4.0], "column=1.5,3.1234561,3.1234562")[0]
    assert list(near) == ["under 1.5", "1.5 to under 3.1234561", "3.1234562 and over"]


def test_many_different_numbers_are_cut_at_quartiles():
    found, cut = parts([10, 20, 30, 40, 50, 60, 70, 80])
    # Quartiles 27.5, 45 and 62.5: of whole numbers, 28, 45 and 63 part them alike.
    assert found == {"under 28": [0, 1], "28 to under 45": [2, 3], "45 to under 63": [4, 5], "63 and over": [6, 7]}
    assert cut == "quartiles"


def test_quartiles_of_one_frequent_number_make_fewer_ranges():
    found, _ = parts([0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6])
    # Quartiles 0, 0.5 and 3.25: nothing is under 0.
    assert found == {"under 1": [0, 1, 2, 3, 4, 5], "1 to under 4": [6, 7, 8], "4 and over": [9, 10, 11]}
    found, _ = parts(np.arange(8) / 8)
    assert list(found) == ["under 0.21875", "0.21875 to under 0.4375", "0.4375 to under 0.65625", "0.65625 and over"]


def test_given_cuts_are_kept_to_and_a_cut_belongs_above():
    found, cut = parts(["39", "40", "60", "", "12"], "column=60,40")
    assert found == {"under 40": [0, 4], "40 to under 60": [1], "60 and over": [2], "(missing)": [3]}
    assert cut == "cut points"
    assert parts([1, 2], "column=5")[0] == {"under 5": [0, 1]}


@pytest.mark.parametrize(
    ("values", "by", "sentence"),
    [
        (["a"], "colum", "no column 'colum', so there are no subgroups by it; there are column. Did you mean column?"),
        (["", None], "column", "is empty in all 2 rows"),
        (["12", "old"], "column=40", "as it has the texts 'old'"),
        ([f"p{i}" for i in range(31)], "column", "has 31 different values (p0, p1, p10 and 28 more), too many"),
    ],
)
def test_a_column_without_subgroups_is_said(values, by, sentence):
    with pytest.raises(DataError) as caught:
        parts(values, by)
    assert sentence in str(caught.value)


def test_how_subgroups_are_asked_for():
    assert By.parse(" sex ") == By("sex")
    assert By.parse("age=60,40") == By("age", (40, 60))
    assert By.parse("a=b=1") == By("a=b", (1,))
    for text in ("", "=40", "age=", "age=forty", "age=40,nan"):
        with pytest.raises(RecipeError, match=r"subgroups are by a column|is given by numbers"):
            By.parse(text)


# Scores and gaps ----------------------------------------------------------------------------------------------------

TABLES = [(binary_case, BINARY, False), (four_case, FOUR, False), (labels_case, LABELS, True)]


@pytest.mark.parametrize(("case", "names", "multilabel"), TABLES)
def test_a_subgroups_scores_are_those_of_its_rows(case, names, multilabel):
    table = case(n=90, seed=3)
    table["sex"] = np.where(np.arange(90) % 3 == 0, "f", "m")
    found = subgroup_scores(table, "sex", bootstrap=FEW)
    for subgroup in found.subgroups:
        rows = table[table["sex"] == subgroup.name]
        alone = label_scores(rows, names, multilabel, 0.5, samples=5).scores.test
        rest = label_scores(table[table["sex"] != subgroup.name], names, multilabel, 0.5, samples=5).scores.test
        assert {k: (v.value, v.n) for k, v in subgroup.scores.items()} == {
            k: (pytest.approx(v.value), v.n) for k, v in alone.items()
        }
        for metric, gap in subgroup.gaps.items():
            assert gap.value == pytest.approx(alone[metric].value - rest[metric].value)
        assert sum(subgroup.counts.values()) == sum(len(t.split("|")) if t else 0 for t in rows["target"])


def test_means_of_masks_leave_out_what_is_undefined():
    table = masks(30, site=["a", "b", "b"] * 10)
    table.loc[1, "dice"] = math.nan
    found = subgroup_scores(table, "site", bootstrap=FEW)
    a, b = found.subgroups
    assert b.scores["dice"].value == pytest.approx(table.loc[table["site"] == "b", "dice"].mean())
    assert (b.scores["dice"].n, b.scores["jaccard"].n, b.images) == (19, 20, 20)
    assert a.gaps["dice"].value == pytest.approx(a.scores["dice"].value - b.scores["dice"].value)
    assert a.counts == {}


def test_patients_on_one_side_are_drawn_apart():
    # Three strata: patients 0 to 9 are all "a", 10 to 19 all "b"; nobody is on both sides.
    table = masks(60, site=np.repeat(["a", "b"], 30), group=np.repeat(np.arange(20), 3))
    gap = subgroup_scores(table, "site", bootstrap=Bootstrap(200, seed=4)).subgroups[0].gaps["dice"]
    values = table["dice"].to_numpy().reshape(20, 3)
    streams = [np.random.default_rng((4, index)) for index in range(2)]
    one, other = (rng.integers(10, size=(200, 10)) for rng in streams)
    draws = values[:10][one].mean(axis=(1, 2)) - values[10:][other].mean(axis=(1, 2))
    assert (gap.low, gap.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))


def test_patients_on_both_sides_pair_the_comparison():
    # Each patient has two views; patients differ much, views by 0.02.
    rng = np.random.default_rng(0)
    patient = rng.uniform(0.3, 0.9, 40)
    dice = np.stack([patient, patient + 0.02 + rng.normal(0, 0.005, 40)], axis=1).ravel()
    table = masks(80).assign(dice=dice, view=["front", "side"] * 40)
    paired = subgroup_scores(table.assign(group=np.repeat(np.arange(40), 2)), "view", bootstrap=Bootstrap(300))
    unpaired = subgroup_scores(table, "view", bootstrap=Bootstrap(300))
    assert paired.shared == 40
    assert "40 patients with images in several subgroups" in " ".join(paired.notes)
    wide, narrow = (f.subgroups[1].gaps["dice"] for f in (unpaired, paired))
    assert narrow.value == pytest.approx(wide.value)
    assert narrow.low > 0 > wide.low
    expected = 1.96 * np.std(dice[1::2] - dice[::2]) / math.sqrt(40)
    assert (narrow.high - narrow.low) / 2 == pytest.approx(expected, rel=0.25)


def test_of_two_subgroups_one_gap_mirrors_the_other():
    one, other = subgroup_scores(binary_case(n=90, sex=["f", "m", "m"] * 30), "sex", bootstrap=FEW).subgroups
    for metric, gap in one.gaps.items():
        mirrored = other.gaps[metric]
        assert (gap.value, gap.low, gap.high) == pytest.approx((-mirrored.value, -mirrored.high, -mirrored.low))


def test_of_three_subgroups_each_is_compared_with_all_others():
    table = binary_case(n=120, seed=6, site=["x", "y", "z"] * 40)
    found = subgroup_scores(table, "site", bootstrap=FEW)
    rest = table[table["site"] != "y"]
    inside = table[table["site"] == "y"]
    areas = [roc_auc_score(rows["target"] == "pneumonia", rows["p_pneumonia"]) for rows in (inside, rest)]
    assert found.subgroups[1].gaps["auc"].value == pytest.approx(areas[0] - areas[1])
    assert found.notes[0].startswith("3 gaps of each score are looked at, and intervals are not corrected")


def test_a_gap_that_is_not_there_is_seldom_seen():
    seen = 0
    for seed in range(60):
        gap = subgroup_scores(masks(60, seed, site=["a", "b"] * 30), "site", bootstrap=Bootstrap(200)).subgroups[0].gaps
        seen += not gap["dice"].low <= 0 <= gap["dice"].high
    assert seen <= 9  # 3 expected


# What a reader is told ----------------------------------------------------------------------------------------------


def test_small_subgroups_are_marked():
    table = binary_case(n=60, site=["a"] * 41 + ["b"] * 19)
    a, b = subgroup_scores(table, "site", bootstrap=FEW).subgroups
    assert (a.small, b.small) == ("", "only 19 images")
    truth = [0] * 30 + [1] * 30
    p = np.stack([np.linspace(1, 0, 60), np.linspace(0, 1, 60)], axis=1)
    site = ["a"] * 27 + ["b"] * 3 + ["a"] * 9 + ["b"] * 21
    found = subgroup_scores(table_of(BINARY, truth, p, site=site), "site", bootstrap=FEW)
    assert [subgroup.small for subgroup in found.subgroups] == ["only 9 images of pneumonia", "only 3 images of normal"]
    assert "too few images to rely on: a, b." in found.notes


def test_means_over_other_classes_are_not_compared():
    table = four_case(n=80, seed=1)
    table["site"] = np.where((table["target"] != "d") & (np.arange(80) % 2 == 0), "a", "b")
    a, b = subgroup_scores(table, "site", bootstrap=FEW).subgroups
    assert a.counts["d"] == 0 < b.counts["d"]
    assert not math.isnan(a.scores["auc"].value)
    for metric in ("auc", "macro_f1", "balanced_accuracy"):
        assert math.isnan(a.gaps[metric].value)
        assert math.isnan(b.gaps[metric].value)
    assert a.gaps["accuracy"].value == pytest.approx(-b.gaps["accuracy"].value)
    assert not math.isnan(a.gaps["auc_a"].value)


def test_one_patient_has_a_score_and_no_interval():
    table = masks(30, site=["a"] * 5 + ["b"] * 25, group=[0] * 5 + list(range(1, 26)))
    a, b = subgroup_scores(table, "site", bootstrap=FEW).subgroups
    assert a.groups == 1
    assert math.isnan(a.scores["dice"].low)
    assert math.isnan(a.gaps["dice"].low)
    assert not math.isnan(a.gaps["dice"].value)
    assert not math.isnan(b.scores["dice"].low)
    assert math.isnan(b.gaps["dice"].low)


def test_one_subgroup_has_no_gap():
    found = subgroup_scores(masks(30, site="a"), "site", bootstrap=FEW)
    assert found.subgroups[0].gaps == {}
    assert found.notes == ("all images are in one subgroup (a), so there is nothing to compare.",)


def test_findings_become_json():
    table = binary_case(n=60, age=[*np.arange(20, 70), *[math.nan] * 10])
    plain = as_plain(subgroup_scores(table, "age", bootstrap=FEW))
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert [part["name"] for part in plain["subgroups"]][-1] == "(missing)"
    assert (plain["column"], plain["cut"], plain["images"]) == ("age", "quartiles", 60)


def test_a_table_without_scores_is_said():
    with pytest.raises(RunError, match="there is no score"):
        subgroup_scores(pd.DataFrame({"id": ["a"], "sex": ["f"]}), "sex")
    with pytest.raises(RunError, match="no column predicted"):
        subgroup_scores(binary_case(sex="f").drop(columns="predicted"), "sex")
