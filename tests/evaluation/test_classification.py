"""Scores of a table of predictions, by split and by fold, and what is said of them."""

import math

import numpy as np
import pandas as pd
import pytest
from label_tables import BINARY, FOUR, LABELS, binary_case, four_case, labels_case, table_of
from sklearn.metrics import roc_auc_score

from medgraft.errors import RunError
from medgraft.evaluation import bootstrap_mean, fold_scores, label_metric_names, label_scores, read_outcomes
from medgraft.evaluation.decisions import decision_scores
from medgraft.evaluation.resampling import Bootstrap
from medgraft.evaluation.shares import wilson
from medgraft.scores import Scores

FEW = {"samples": 200}


def auc_of(table):
    return roc_auc_score(table["target"] == "pneumonia", table["p_pneumonia"])


def test_each_split_is_scored_on_its_own_rows():
    table = pd.concat([binary_case(seed=1), binary_case(n=40, seed=2, split="val")])
    found = label_scores(table, BINARY, False, **FEW)
    assert list(found.scores) == ["val", "test"]
    for split in ("val", "test"):
        assert tuple(found.scores[split]) == label_metric_names(BINARY, False)
        interval = found.scores[split]["auc"]
        assert interval.value == pytest.approx(auc_of(table[table["split"] == split]))
        assert interval.low < interval.value < interval.high
    assert (found.scores.val["auc"].n, found.scores.test["auc"].n) == (40, 60)
    assert found.notes == ()


def test_the_interval_of_accuracy_is_that_of_the_mean_of_right_images():
    groups = np.random.default_rng(0).integers(25, size=60)
    options = {"samples": 300, "level": 0.9, "seed": 5}
    table = binary_case(seed=3, group=groups)
    found = label_scores(table, BINARY, False, **options).scores.test["accuracy"]
    right = (table["target"] == table["predicted"]).astype(float)
    expected = bootstrap_mean(right, groups, **options)
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert found.level == 0.9


def test_the_interval_of_a_recall_is_the_one_that_sensitivity_has_at_an_operating_point():
    groups = np.random.default_rng(0).integers(25, size=60)
    table = binary_case(seed=3, group=groups)
    found = label_scores(table, BINARY, False, level=0.9, **FEW).scores.test
    point = decision_scores(read_outcomes(table, BINARY, False, 0.5), groups, Bootstrap(200, 0.9))
    assert found["recall_pneumonia"] == point["sensitivity"]
    assert found["recall_normal"] == point["specificity"]


def test_all_found_of_a_few_images_is_no_certainty():
    table = table_of(BINARY, [0] * 9 + [1] * 9, [[0.9, 0.1]] * 9 + [[0.2, 0.8]] * 9)
    found = label_scores(table, BINARY, False, **FEW).scores.test["recall_pneumonia"]
    # Wilson (1927) by hand: n / (n + z^2) with n = 9 and z = 1.96.
    assert (found.value, found.low, found.high, found.n) == (1, pytest.approx(9 / (9 + 1.959964**2)), 1, 9)


@pytest.mark.parametrize("groups", [[f"p{i}" for i in range(60)], [None] * 60, [""] * 60])
def test_groups_of_one_image_and_blank_ones_are_no_groups(groups):
    expected = label_scores(binary_case(), BINARY, False, **FEW).scores
    assert label_scores(binary_case(group=groups), BINARY, False, **FEW).scores == expected


def test_copies_in_one_group_do_not_narrow_the_interval():
    table = binary_case(seed=4, group=[f"p{i}" for i in range(60)])
    once, copied = (label_scores(t, BINARY, False, **FEW).scores.test for t in (table, pd.concat([table] * 4)))
    for name in once:
        low, high = once[name].low, once[name].high
        if name.startswith("recall_"):
            # Of G patients whose images are all alike, Wilson's interval takes G - 1: their variance is an estimate.
            low, high = wilson(once[name].value, once[name].n - 1)
        assert (copied[name].value, copied[name].low, copied[name].high) == pytest.approx((once[name].value, low, high))
    alone = label_scores(pd.concat([table] * 4).drop(columns="group"), BINARY, False, **FEW).scores.test
    assert alone["auc"].high - alone["auc"].low < 0.7 * (once["auc"].high - once["auc"].low)


def test_the_interval_of_auc_holds_the_truth_about_95_times_in_100():
    hits = 0
    for study in range(200):
        rng = np.random.default_rng(study)
        truth = np.arange(80) % 2
        # Normal scores one apart: the area is that of a difference of mean 1 and variance 2 above 0.
        positive = 1 / (1 + np.exp(-rng.normal(truth)))
        table = table_of(BINARY, truth, np.stack([1 - positive, positive], axis=1))
        found = label_scores(table, BINARY, False, samples=300, seed=study).scores.test["auc"]
        hits += found.low <= 0.5 * math.erfc(-0.5) <= found.high
    assert 0.89 <= hits / 200 <= 0.985


def test_the_threshold_decides():
    table = binary_case(seed=5)
    found = label_scores(table, BINARY, False, threshold=0.8, **FEW).scores.test
    expected = ((table["p_pneumonia"] >= 0.8) == (table["target"] == "pneumonia")).mean()
    assert found["accuracy"].value == pytest.approx(expected)
    assert found["accuracy"].value != label_scores(table, BINARY, False, **FEW).scores.test["accuracy"].value


def test_a_missing_class_is_said_and_not_averaged_away():
    table = pd.concat([four_case(seed=1), four_case(seed=2, split="val")])
    table = table[(table["split"] == "val") | (table["target"] != "c")]
    found = label_scores(table, FOUR, False, **FEW)
    assert found.notes == ("test has no image of class c: macro scores are over the other 3.",)
    recall, area = found.scores.test["recall_c"], found.scores.test["auc_c"]
    assert math.isnan(recall.value)
    assert math.isnan(area.value)
    assert recall.n == area.n == 0
    assert not math.isnan(found.scores.test["auc"].low)
    assert found.scores.val["recall_c"].n > 0


def test_one_class_alone_is_said():
    found = label_scores(binary_case().query("target == 'normal'"), BINARY, False, **FEW)
    assert found.notes == ("test has images of class normal only: auc and average_precision are undefined.",)
    assert found.scores.test["auc"].n == 0
    assert found.scores.test["accuracy"].n > 0


def test_labels_that_no_image_or_every_image_has_are_said():
    table = labels_case(seed=3)
    table["target"] = ["mass|nodule" if "nodule" in text else "mass" for text in table["target"]]
    first, second = label_scores(table, LABELS, True, **FEW).notes
    assert first == "test has no image of class effusion: macro scores are over the other 2."
    assert "every image of test has the label mass" in second


def test_resamples_that_lost_a_class_are_said_where_they_are_many():
    table = four_case(n=100, seed=2)
    rare = table["target"] == "d"
    kept = table[~rare | (rare.cumsum() <= 1)]
    found = label_scores(kept, FOUR, False)
    (note,) = found.notes
    assert "test: auc, average_precision, balanced_accuracy" in note
    assert "37% of the resamples" in note or "36% of the resamples" in note
    assert note.count("accuracy") == 1
    assert "auc_d" not in note
    assert not math.isnan(found.scores.test["auc"].low)
    assert label_scores(table, FOUR, False).notes == ()


def test_scores_can_be_written_and_read_again(tmp_path):
    scores = label_scores(four_case().query("target != 'b'"), FOUR, False, **FEW).scores
    scores.save(tmp_path / "scores.json")
    read = Scores.load(tmp_path / "scores.json")
    assert read.test["auc"] == scores.test["auc"]
    assert math.isnan(read.test["auc_b"].value)


def folded() -> pd.DataFrame:
    return binary_case(n=60, seed=6, fold=np.arange(60) // 2 % 3 + 1, group=[f"p{i // 2}" for i in range(60)])


def test_folds_are_scored_each_on_its_own():
    table = folded()
    found = fold_scores(table, BINARY, False, **FEW)
    assert list(found.scores) == ["fold 1", "fold 2", "fold 3"]
    areas = [auc_of(table[table["fold"] == fold]) for fold in (1, 2, 3)]
    assert [scores["auc"].value for scores in found.scores.values()] == pytest.approx(areas)
    assert [scores["auc"].n for scores in found.scores.values()] == [20, 20, 20]
    assert found.mean["auc"] == pytest.approx(np.mean(areas))
    assert found.deviation["auc"] == pytest.approx(np.std(areas, ddof=1))
    alone = label_scores(table[table["fold"] == 2], BINARY, False, **FEW).scores.test
    assert found.scores["fold 2"] == alone


@pytest.mark.parametrize("folds", [lambda f: f.astype(float), lambda f: f.astype(str), lambda f: f + 8])
def test_folds_may_be_read_as_numbers_or_text(folds):
    table = folded()
    table["fold"] = folds(table["fold"])
    first = int(float(table["fold"].iloc[0]))
    assert list(fold_scores(table, BINARY, False, **FEW).scores) == [f"fold {first + k}" for k in range(3)]


@pytest.mark.filterwarnings("error")
def test_a_fold_where_a_score_is_undefined_is_left_out_of_the_mean_and_said():
    table = folded()
    table.loc[table["fold"] == 2, "target"] = "normal"
    found = fold_scores(table, BINARY, False, **FEW)
    areas = [auc_of(table[table["fold"] == fold]) for fold in (1, 3)]
    assert found.mean["auc"] == pytest.approx(np.mean(areas))
    assert found.notes[0].startswith("fold 2 has images of class normal only")
    table.loc[table["fold"] == 3, "target"] = "normal"
    found = fold_scores(table, BINARY, False, **FEW)
    assert found.mean["auc"] == pytest.approx(areas[0])
    assert math.isnan(found.deviation["auc"])


def test_pooled_folds_are_said():
    (note,) = label_scores(folded(), BINARY, False, **FEW).notes
    assert "pools the predictions of 3 models" in note
    assert label_scores(folded().assign(fold=1), BINARY, False, **FEW).notes == ()


def test_rows_of_other_splits_are_in_no_fold():
    other = binary_case(seed=7, split="val", fold=1)
    expected = fold_scores(folded(), BINARY, False, **FEW)
    assert fold_scores(pd.concat([folded(), other]), BINARY, False, **FEW).scores == expected.scores


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: fold_scores(binary_case(), BINARY, False), "no test row has a fold"),
        (lambda: fold_scores(binary_case(fold=np.nan), BINARY, False), "no test row has a fold"),
        (lambda: label_scores(binary_case().drop(columns="split"), BINARY, False), "rows with a split"),
        (lambda: label_scores(binary_case(), FOUR, False), "no column p_a"),
    ],
)
def test_tables_that_cannot_be_scored_are_refused(call, word):
    with pytest.raises(RunError, match=word):
        call()
