"""Classifiers side by side on the same images."""

import math

import numpy as np
import pandas as pd
import pytest
from label_tables import BINARY, FOUR, LABELS, binary_case, four_case, labels_case, table_of
from sklearn.metrics import roc_auc_score

from medgraft.errors import RunError
from medgraft.evaluation import LABEL_METRICS, compare, delong, fold_scores, label_scores

FEW = {"samples": 200}
WEAK, STRONG = binary_case(seed=1, skill=0.5), binary_case(seed=2, skill=1.5)


def positive(table):
    return (table["target"] == "pneumonia").to_numpy()


def area(table):
    return roc_auc_score(positive(table), table["p_pneumonia"])


def test_two_classifiers_by_hand():
    # Truth: no, yes, yes, no. Right are: a all but the third, b all but the first.
    a = table_of(BINARY, [0, 1, 1, 0], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
    b = table_of(BINARY, [0, 1, 1, 0], [[0.4, 0.6], [0.1, 0.9], [0.3, 0.7], [0.7, 0.3]])
    found = compare({"a": a, "b": b}, **FEW)
    assert found.names == ("a", "b")
    assert found.metrics == LABEL_METRICS
    accuracy, auc = found.differences["b"]["accuracy"], found.differences["b"]["auc"]
    assert accuracy.interval.value == 0
    assert (accuracy.better, accuracy.equal, accuracy.worse) == (1, 2, 1)
    # The truth had 0.9, 0.8, 0.4, 0.7 by a and 0.4, 0.9, 0.7, 0.7 by b.
    assert (auc.better, auc.equal, auc.worse) == (2, 1, 1)
    assert auc.interval.n == 4
    assert found.wins["macro_f1"] == {"a": 1, "b": 1}
    assert found.wins["auc"] == found.wins["brier"] == {"a": 1, "b": 2}
    assert found.rows["b"]["true_probability"].tolist() == pytest.approx([0.4, 0.9, 0.7, 0.7])
    assert found.rows["b"]["correct"].tolist() == [0, 1, 1, 1]
    brier = (0.36 + 0.01 + 0.09 + 0.09) / 4 - (0.01 + 0.04 + 0.36 + 0.09) / 4
    assert found.differences["b"]["brier"].interval.value == pytest.approx(brier)


def test_differences_are_of_the_scores_and_drawn_together():
    found = compare({"weak": WEAK, "strong": STRONG})
    interval = found.differences["strong"]["auc"].interval
    assert interval.value == pytest.approx(area(STRONG) - area(WEAK))
    draws = []
    for rows in np.random.default_rng(0).integers(60, size=(100, 60)):
        draws.append(area(STRONG.iloc[rows]) - area(WEAK.iloc[rows]))
    few = compare({"weak": WEAK, "strong": STRONG}, samples=100).differences["strong"]["auc"].interval
    assert (few.low, few.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))
    assert interval.low > 0


def test_scores_are_those_of_the_runs():
    found = compare({"weak": WEAK, "strong": STRONG}, **FEW)
    assert found.scores["strong"] == label_scores(STRONG, BINARY, False, **FEW).scores
    assert "recall_pneumonia" in found.scores["weak"].test


def test_decisions_are_the_runs_own():
    careful = table_of(BINARY, [0, 1], [[0.7, 0.3], [0.6, 0.4]], predicted=[0, 1])
    usual = table_of(BINARY, [0, 1], [[0.7, 0.3], [0.6, 0.4]])
    found = compare({"usual": usual, "careful": careful}, **FEW)
    assert found.differences["careful"]["accuracy"].interval.value == 0.5
    assert found.differences["careful"]["auc"].interval.value == 0


def test_delong_is_of_the_same_images():
    found = compare({"weak": WEAK, "strong": STRONG}, **FEW)
    expected = delong(positive(WEAK), STRONG["p_pneumonia"], WEAK["p_pneumonia"])
    assert found.delong == {"strong": {"auc": expected}}
    assert found.delong["strong"]["auc"].value == pytest.approx(found.differences["strong"]["auc"].interval.value)
    interval = compare({"weak": WEAK, "strong": STRONG}).differences["strong"]["auc"].interval
    assert (interval.high - interval.low) / 3.92 == pytest.approx(expected.error, rel=0.15)


def test_delong_knows_the_groups():
    groups = [f"p{i // 4}" for i in range(60)]
    found = compare({"weak": WEAK.assign(group=groups), "strong": STRONG.assign(group=groups)}, **FEW)
    expected = delong(positive(WEAK), STRONG["p_pneumonia"], WEAK["p_pneumonia"], groups)
    assert found.delong["strong"]["auc"] == expected
    assert expected.groups == 15
    assert found.notes == ("DeLong's test takes the images of a group together (15 groups of 60 images).",)


def test_of_more_classes_each_is_tested_against_the_rest():
    weak, strong = four_case(seed=1, skill=0.5), four_case(seed=2, skill=2)
    found = compare({"weak": weak, "strong": strong}, **FEW)
    assert set(found.delong["strong"]) == {f"auc_{name}" for name in FOUR}
    expected = delong(weak["target"] == "c", strong["p_c"], weak["p_c"])
    assert found.delong["strong"]["auc_c"] == expected
    assert found.metrics == LABEL_METRICS


def test_several_labels_have_no_kappa():
    found = compare({"a": labels_case(seed=1), "b": labels_case(seed=2)}, **FEW)
    assert "kappa" not in found.metrics
    assert len(found.metrics) == 7
    assert set(found.delong["b"]) == {f"auc_{name}" for name in LABELS}


def test_a_run_against_its_copy_is_no_different():
    found = compare({"a": WEAK, "b": WEAK.iloc[::-1]}, **FEW)
    for difference in found.differences["b"].values():
        assert (difference.interval.value, difference.interval.low, difference.interval.high) == (0, 0, 0)
        assert (difference.better, difference.equal, difference.worse) == (0, 60, 0)
    assert found.delong["b"]["auc"].p == 1
    assert found.wins["auc"] == {"a": 0, "b": 0}


def test_images_with_another_label_are_left_out_and_said():
    other = STRONG.assign(target=STRONG["target"].where(STRONG["id"] != "im7", "normal"))
    assert WEAK["target"][7] == "pneumonia"
    found = compare({"a": WEAK, "b": other}, **FEW)
    assert len(found.ids) == 59
    assert found.notes == ("1 images with different labels are left out: im7.",)
    assert found.scores["a"] == label_scores(WEAK.drop(index=7), BINARY, False, **FEW).scores


def test_a_missing_class_is_said_once():
    tables = {name: four_case(seed=seed).query("target != 'b'") for name, seed in (("x", 1), ("y", 2), ("z", 3))}
    found = compare(tables, **FEW)
    assert found.notes == ("test has no image of class b: macro scores are over the other 3.",)
    assert set(found.delong["y"]) == {"auc_a", "auc_c", "auc_d"}


def test_resamples_that_lost_a_class_are_said():
    one = WEAK[(WEAK["target"] == "normal") | (WEAK["id"] == "im7")]
    found = compare({"a": one, "b": STRONG.loc[one.index]})
    (note,) = found.notes
    assert note.startswith("test: auc, average_precision, balanced_accuracy")


def with_folds(table, folds=5):
    """Folds by patient of two images, the models of which have scores on different scales."""
    fold = np.arange(len(table)) // 2 % folds + 1
    p = table["p_pneumonia"] / fold
    groups = [f"p{i // 2}" for i in range(len(table))]
    return table.assign(p_pneumonia=p, p_normal=1 - p, fold=fold, group=groups)


def test_folds_are_ranked_each_on_its_own():
    weak, strong = with_folds(WEAK, 3), with_folds(STRONG, 3)
    found = compare({"weak": weak, "strong": strong}, **FEW)
    means = [fold_scores(table, BINARY, False, **FEW).mean["auc"] for table in (weak, strong)]
    interval = found.differences["strong"]["auc"].interval
    assert interval.value == pytest.approx(means[1] - means[0])
    assert interval.value != pytest.approx(area(strong) - area(weak), abs=1e-3)
    assert [found.scores[name].test["auc"].value for name in found.names] == pytest.approx(means)
    assert found.delong["strong"]["auc"].value == pytest.approx(interval.value)
    assert found.delong["strong"]["auc"].error == pytest.approx((interval.high - interval.low) / 3.92, rel=0.25)
    assert "means over the 3 folds" in found.notes[0]
    pooled = label_scores(strong, BINARY, False, **FEW).scores.test
    assert found.scores["strong"].test["brier"].value == pytest.approx(pooled["brier"].value)


def test_draws_stay_within_folds():
    # Fold 1 is all right and fold 2 all wrong, so draws that keep the folds' sizes are right on half of the images.
    truth = np.arange(40) % 2
    right = np.where(np.arange(40) < 20, truth, 1 - truth)
    groups = [f"p{i // 2}" for i in range(40)]
    table = table_of(BINARY, truth, np.eye(2)[right], fold=np.repeat([1, 2], 20), group=groups)
    found = compare({"a": table, "b": table}, **FEW).scores["a"].test["accuracy"]
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    loose = compare({"a": table.drop(columns="fold"), "b": table}, **FEW).scores["a"].test["accuracy"]
    assert loose.low < 0.5 < loose.high


def test_folds_that_differ_are_said_and_not_used():
    found = compare({"a": with_folds(WEAK, 3), "b": with_folds(STRONG, 5)}, **FEW)
    assert "the runs' folds differ" in found.notes[0]
    expected = area(with_folds(STRONG, 5)) - area(with_folds(WEAK, 3))
    assert found.differences["b"]["auc"].interval.value == pytest.approx(expected)


def test_one_fold_is_no_cross_validation():
    assert compare({"a": WEAK.assign(fold=1), "b": STRONG.assign(fold=1)}, **FEW).notes == ()


def test_values_of_a_score_are_what_stands_for_it_on_an_image():
    values = compare({"a": WEAK, "b": STRONG}, **FEW)
    assert values.values("auc")["b"].tolist() == values.rows["b"]["true_probability"].tolist()
    assert values.values("kappa").loc["im3", "a"] == float(WEAK["target"][3] == WEAK["predicted"][3])


def test_undefined_scores_have_undefined_differences():
    one = [table.query("target == 'normal'") for table in (WEAK, STRONG)]
    found = compare({"a": one[0], "b": one[1]}, **FEW)
    assert math.isnan(found.differences["b"]["auc"].interval.value)
    assert found.differences["b"]["auc"].interval.n == 0
    assert found.delong == {"b": {}}


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (table_of(("normal", "tumour"), [0, 1], [[0.9, 0.1], [0.2, 0.8]]), "a and b.*normal, pneumonia in one, norm"),
        (table_of(BINARY[::-1], [0, 1], [[0.9, 0.1], [0.2, 0.8]]), "in the same order"),
        (
            pd.DataFrame({"id": ["im0"], "split": ["test"], "dice": [0.5]}),
            "different tasks.*classification .a.*segment",
        ),
        (STRONG.drop(columns="predicted"), "b: no column predicted"),
        (STRONG.drop(columns="target"), "b.*no column target"),
        (STRONG.assign(p_normal=np.nan), "b: probabilities"),
        (STRONG.assign(split="val"), "no test image in common"),
        (STRONG.assign(target=np.where(positive(STRONG), "normal", "pneumonia")), "their labels differ"),
    ],
)
def test_classifiers_that_cannot_be_compared_are_refused(other, word):
    with pytest.raises(RunError, match=word):
        compare({"a": WEAK, "b": other}, **FEW)
