"""Scores of classifiers: each against sklearn, with weights and copies of rows, and where a class is missing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_tables import BINARY, FOUR, LABELS, binary_case, four_case, labels_case, table_of
from sklearn import metrics as sk

from medgraft.evaluation import label_metric_names, read_outcomes
from medgraft.evaluation.label_metrics import LabelMeasure
from medgraft.evaluation.resampling import Bootstrap, resample


def measure_of(table, names, multilabel=False, folds=None) -> LabelMeasure:
    return LabelMeasure(read_outcomes(table, names, multilabel, 0.5), np.arange(len(table)), folds)


def values_of(table, names, multilabel=False, weights=None, folds=None) -> dict[str, float]:
    counts = np.ones(len(table)) if weights is None else weights
    found = measure_of(table, names, multilabel, folds)(np.asarray(counts, dtype=float)[:, None])
    return {name: float(value[0]) for name, value in found.items()}


def sklearn_single(table, names, weights=None) -> dict[str, float]:
    """The same scores by sklearn, of one label an image."""
    options = {"sample_weight": weights}
    truth = np.array([names.index(text) for text in table["target"]])
    p = table[[f"p_{name}" for name in names]].to_numpy()
    hot, every = np.eye(len(names))[truth], range(len(names))
    given = (p[:, 1] >= 0.5).astype(int) if len(names) == 2 else p.argmax(axis=1)
    found = {
        "accuracy": sk.accuracy_score(truth, given, **options),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, given, **options),
        "macro_recall": sk.recall_score(truth, given, average="macro", **options),
        "macro_f1": sk.f1_score(truth, given, average="macro", **options),
        "kappa": sk.cohen_kappa_score(truth, given, weights="quadratic", labels=list(every), **options),
    }
    recall = sk.recall_score(truth, given, average=None, labels=list(every), **options)
    f1 = sk.f1_score(truth, given, average=None, labels=list(every), **options)
    found |= {f"recall_{name}": recall[c] for c, name in enumerate(names)}
    found |= {f"f1_{name}": f1[c] for c, name in enumerate(names)}
    if len(names) == 2:
        return found | {
            "auc": sk.roc_auc_score(truth, p[:, 1], **options),
            "average_precision": sk.average_precision_score(truth, p[:, 1], **options),
            "brier": sk.brier_score_loss(truth, p[:, 1], **options),
        }
    area = [sk.roc_auc_score(hot[:, c], p[:, c], **options) for c in every]
    precision = [sk.average_precision_score(hot[:, c], p[:, c], **options) for c in every]
    found |= {f"auc_{name}": area[c] for c, name in enumerate(names)}
    found |= {f"average_precision_{name}": precision[c] for c, name in enumerate(names)}
    brier = sk.brier_score_loss(truth, p, labels=list(every), scale_by_half=False, **options)
    return found | {"auc": np.mean(area), "average_precision": np.mean(precision), "brier": brier}


def sklearn_labels(table, names, weights=None) -> dict[str, float]:
    """The same scores by sklearn, of several labels an image."""
    options = {"sample_weight": weights}
    truth = np.array([[name in text.split("|") for name in names] for text in table["target"]]).astype(int)
    p = table[[f"p_{name}" for name in names]].to_numpy()
    given, every = (p >= 0.5).astype(int), range(len(names))
    brier = [sk.brier_score_loss(truth[:, c], p[:, c], **options) for c in every]
    found = {
        "auc": sk.roc_auc_score(truth, p, average="macro", **options),
        "average_precision": sk.average_precision_score(truth, p, average="macro", **options),
        "accuracy": sk.accuracy_score(truth, given, **options),
        "balanced_accuracy": np.mean([sk.balanced_accuracy_score(truth[:, c], given[:, c], **options) for c in every]),
        "macro_recall": sk.recall_score(truth, given, average="macro", **options),
        "macro_f1": sk.f1_score(truth, given, average="macro", **options),
        "brier": np.mean(brier),
    }
    for c, name in enumerate(names):
        found[f"auc_{name}"] = sk.roc_auc_score(truth[:, c], p[:, c], **options)
        found[f"average_precision_{name}"] = sk.average_precision_score(truth[:, c], p[:, c], **options)
        found[f"recall_{name}"] = sk.recall_score(truth[:, c], given[:, c], **options)
        found[f"f1_{name}"] = sk.f1_score(truth[:, c], given[:, c], **options)
    return found


CASES = [(binary_case, BINARY, False), (four_case, FOUR, False), (labels_case, LABELS, True)]
cases = pytest.mark.parametrize(("case", "names", "multilabel"), CASES, ids=["binary", "multiclass", "multilabel"])


def by_sklearn(table, names, multilabel, weights=None):
    return (sklearn_labels if multilabel else sklearn_single)(table, names, weights)


@cases
@pytest.mark.parametrize("seed", range(4))
def test_sklearn_gives_the_same(case, names, multilabel, seed):
    table = case(seed=seed)
    assert values_of(table, names, multilabel) == pytest.approx(by_sklearn(table, names, multilabel), abs=1e-12)


@cases
def test_weights_are_those_of_sklearn(case, names, multilabel):
    table = case(seed=5)
    weights = np.random.default_rng(1).integers(0, 4, size=len(table)).astype(float)
    found = values_of(table, names, multilabel, weights)
    assert found == pytest.approx(by_sklearn(table, names, multilabel, weights), abs=1e-12)


@cases
def test_a_weight_is_a_number_of_copies(case, names, multilabel):
    table = case(seed=6)
    counts = np.random.default_rng(2).integers(0, 4, size=len(table))
    copied = values_of(table.loc[table.index.repeat(counts)], names, multilabel)
    assert values_of(table, names, multilabel, counts) == pytest.approx(copied, abs=1e-12)


@cases
def test_scores_have_a_fixed_order(case, names, multilabel):
    found = tuple(values_of(case(), names, multilabel))
    assert found == label_metric_names(names, multilabel)


def test_names_of_scores():
    overall = (
        "auc",
        "average_precision",
        "accuracy",
        "balanced_accuracy",
        "macro_recall",
        "macro_f1",
        "kappa",
        "brier",
    )
    assert label_metric_names(("no", "yes"), False) == (*overall, "recall_no", "f1_no", "recall_yes", "f1_yes")
    several = label_metric_names(("no", "yes"), True)
    assert "kappa" not in several
    assert several[7:] == (
        *("auc_no", "average_precision_no", "recall_no", "f1_no"),
        *("auc_yes", "average_precision_yes", "recall_yes", "f1_yes"),
    )


def test_the_number_behind_a_recall_is_that_of_its_class():
    measure = measure_of(table_of(FOUR, [0, 0, 1, 2], np.full((4, 4), 0.25)), FOUR)
    (found,) = resample([measure], np.zeros(4, np.int64), Bootstrap(10))
    assert [measure.interval(f"recall_{name}", found).n for name in FOUR] == [2, 1, 1, 0]
    assert [measure.interval(name, found).n for name in ("brier", "accuracy", "macro_recall")] == [4, 4, 4]


def test_kappa_by_hand():
    # Truth 0 0 1 2 3, given 0 1 1 2 1: squared distances 0 + 1 + 0 + 0 + 4. By chance each truth meets each of the
    # five given: 7 for a 0, 2 for a 1, 7 for a 2, 22 for a 3, so (7 + 7 + 2 + 7 + 22) / 5.
    table = table_of(FOUR, [0, 0, 1, 2, 3], np.eye(4)[[0, 1, 1, 2, 1]])
    assert values_of(table, FOUR)["kappa"] == pytest.approx(1 - 5 / (45 / 5))


def test_kappa_is_undefined_where_all_are_and_are_called_one_class():
    table = table_of(FOUR, [2, 2, 2], np.full((3, 4), [0.1, 0.1, 0.7, 0.1]))
    assert math.isnan(values_of(table, FOUR)["kappa"])
    assert values_of(table, FOUR)["accuracy"] == 1


def test_a_class_without_images_is_undefined_and_not_averaged():
    table = four_case(seed=3)
    table = table[table["target"] != "c"]
    found, expected = values_of(table, FOUR), {}
    truth = table["target"].to_numpy()
    for name in "abd":
        expected[f"auc_{name}"] = sk.roc_auc_score(truth == name, table[f"p_{name}"])
        expected[f"average_precision_{name}"] = sk.average_precision_score(truth == name, table[f"p_{name}"])
    assert found["auc"] == pytest.approx(np.mean([expected[f"auc_{name}"] for name in "abd"]))
    assert found["average_precision"] == pytest.approx(np.mean([expected[f"average_precision_{n}"] for n in "abd"]))
    assert (
        found["macro_recall"]
        == found["balanced_accuracy"]
        == pytest.approx(np.mean([found[f"recall_{name}"] for name in "abd"]))
    )
    assert math.isnan(found["auc_c"])
    assert math.isnan(found["average_precision_c"])
    assert math.isnan(found["recall_c"])


def test_f1_of_a_class_counts_where_it_is_there_or_was_given_as_in_sklearn():
    # Of four classes, c is given once though no image has it; d is nowhere.
    truth, given = [0, 0, 1, 1, 1], [0, 1, 1, 1, 2]
    found = values_of(table_of(FOUR, truth, np.eye(4)[given]), FOUR)
    assert found["f1_c"] == 0
    assert math.isnan(found["f1_d"])
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(truth, given, average="macro"))


def test_a_label_that_every_image_has_cannot_be_ranked():
    table = labels_case(seed=2)
    table["target"] = ["mass" if not text else text if "mass" in text else f"mass|{text}" for text in table["target"]]
    found = values_of(table, LABELS, True)
    assert math.isnan(found["auc_mass"])
    assert math.isnan(found["average_precision_mass"])
    assert found["auc"] == pytest.approx((found["auc_effusion"] + found["auc_nodule"]) / 2)
    # Sensitivity is there, specificity is not.
    assert 0 < found["recall_mass"] <= 1
    truth, given = (np.array([["effusion" in t, "nodule" in t] for t in table[c]]) for c in ("target", "predicted"))
    expected = [sk.balanced_accuracy_score(truth[:, c], given[:, c]) for c in (0, 1)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(expected))


def test_one_class_alone_leaves_what_needs_no_other():
    table = table_of(BINARY, [1, 1, 1], [[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]])
    found = values_of(table, BINARY)
    assert math.isnan(found["auc"])
    assert math.isnan(found["average_precision"])
    assert found["accuracy"] == found["balanced_accuracy"] == pytest.approx(2 / 3)
    assert found["brier"] == pytest.approx((0.04 + 0.36 + 0.01) / 3)


def test_a_resample_that_lost_a_class_has_no_mean_over_classes():
    measure = measure_of(table_of(FOUR, [0, 1, 2, 3, 3], np.eye(4)[[0, 1, 2, 3, 0]]), FOUR)
    lost = measure(np.array([[1.0], [1.0], [0.0], [1.0], [2.0]]))
    assert {name for name, value in lost.items() if math.isnan(value[0])} == {
        *("auc", "average_precision", "balanced_accuracy", "macro_recall", "macro_f1"),
        *("auc_c", "average_precision_c", "recall_c", "f1_c"),
    }
    assert lost["accuracy"][0] == pytest.approx(3 / 5)
    assert lost["recall_d"][0] == pytest.approx(1 / 3)


def test_a_resample_of_one_class_has_no_average_precision():
    measure = measure_of(table_of(BINARY, [0, 1, 1], [[0.7, 0.3], [0.2, 0.8], [0.4, 0.6]]), BINARY)
    lost = measure(np.array([[0.0], [2.0], [1.0]]))
    assert math.isnan(lost["auc"][0])
    assert math.isnan(lost["average_precision"][0])


@cases
def test_within_folds_areas_are_averaged_and_the_rest_is_pooled(case, names, multilabel):
    table, folds = case(seed=8), np.arange(len(case())) % 3
    found, pooled = values_of(table, names, multilabel, folds=folds), values_of(table, names, multilabel)
    parts = [values_of(table[folds == fold], names, multilabel) for fold in range(3)]
    for name, value in found.items():
        ranked = name.startswith(("auc", "average_precision"))
        assert value == pytest.approx(np.mean([part[name] for part in parts]) if ranked else pooled[name])


def test_a_fold_of_one_class_is_left_out_of_the_areas():
    table = binary_case(n=40, seed=4)
    folds = np.where(table["target"] == "normal", 0, np.arange(40) % 2)
    expected = values_of(table[folds == 0], BINARY)["auc"]
    assert values_of(table, BINARY, folds=folds)["auc"] == pytest.approx(expected)


@settings(max_examples=25)
@given(st.randoms(use_true_random=False), st.sampled_from(CASES))
def test_the_order_of_images_does_not_count(random, chosen):
    case, names, multilabel = chosen
    table = case(seed=9)
    shuffled = table.iloc[random.sample(range(len(table)), len(table))]
    assert values_of(shuffled, names, multilabel) == pytest.approx(values_of(table, names, multilabel), abs=1e-12)
