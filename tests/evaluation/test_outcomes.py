"""From rows of predictions to truth, decisions and probabilities."""

import numpy as np
import pandas as pd
import pytest
from label_tables import BINARY, FOUR, LABELS, binary_case, four_case, labels_case, table_of

from medgraft.errors import RunError
from medgraft.evaluation import class_names, read_outcomes
from medgraft.evaluation.outcomes import is_multilabel


def test_the_positive_class_is_given_from_the_threshold_on():
    table = table_of(BINARY, [0, 1, 1], [[0.7, 0.3], [0.69, 0.31], [0.2, 0.8]])
    found = read_outcomes(table, BINARY, False, threshold=0.31)
    assert found.decided[:, 1].tolist() == [False, True, True]
    assert (found.decided[:, 0] == ~found.decided[:, 1]).all()
    assert found.truth[:, 1].tolist() == [False, True, True]
    assert found.correct.all()
    assert found.true_probability == pytest.approx([0.7, 0.31, 0.8])
    assert read_outcomes(table, BINARY, False, threshold=0.5).correct.tolist() == [True, False, True]


def test_of_more_classes_the_most_probable_is_given_whatever_the_threshold():
    table = table_of(FOUR, [0, 2], [[0.4, 0.3, 0.2, 0.1], [0.4, 0.2, 0.3, 0.1]])
    found = read_outcomes(table, FOUR, False, threshold=0.9)
    assert found.decided.argmax(axis=1).tolist() == [0, 0]
    assert found.correct.tolist() == [True, False]
    assert found.true_probability == pytest.approx([0.4, 0.3])


def test_each_of_several_labels_is_given_from_the_threshold_on():
    table = table_of(LABELS, [[1, 0, 1], [0, 0, 0]], [[0.6, 0.2, 0.4], [0.3, 0.1, 0.2]])
    assert table["target"].tolist() == ["effusion|nodule", ""]
    found = read_outcomes(table, LABELS, True, threshold=0.4)
    assert found.decided.tolist() == [[True, False, True], [False, False, False]]
    assert found.correct.tolist() == [True, True]
    assert found.true_probability == pytest.approx([(0.6 + 0.8 + 0.4) / 3, (0.7 + 0.9 + 0.8) / 3])
    assert read_outcomes(table, LABELS, True, threshold=0.5).correct.tolist() == [False, True]


def test_without_a_threshold_the_runs_own_decisions_are_read():
    table = table_of(BINARY, [0, 1], [[0.7, 0.3], [0.6, 0.4]], predicted=[1, 1])
    assert read_outcomes(table, BINARY, False).correct.tolist() == [False, True]


def test_an_empty_text_that_was_read_as_missing_names_no_label():
    table = table_of(LABELS, [[0, 0, 0], [0, 1, 0]], np.full((2, 3), 0.1))
    table["target"] = [np.nan, "mass"]
    table["predicted"] = [None, ""]
    found = read_outcomes(table, LABELS, True)
    assert not found.truth[0].any()
    assert not found.decided.any()


def test_classes_are_read_from_the_columns_in_their_order():
    assert class_names(["id", "p_zebra", "split", "p_ant", "predicted"]) == ("zebra", "ant")
    assert class_names(["id", "dice", "split"]) == ()


@pytest.mark.parametrize(("table", "names", "expected"), [
    (binary_case(), BINARY, False),
    (four_case(), FOUR, False),
    (labels_case(), LABELS, True),
    (table_of(BINARY, [[1, 0], [0, 1]], [[0.6, 0.3], [0.2, 0.7]]), BINARY, True),
    (table_of(BINARY, [[1, 0], [0, 0]], [[0.6, 0.4], [0.7, 0.3]]), BINARY, True),
])  # fmt: skip
def test_several_labels_are_told_by_targets_and_sums(table, names, expected):
    assert is_multilabel(table, names) is expected


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.drop(columns="p_normal"), "no column p_normal"),
        (lambda t: t.drop(columns="target"), "no column target"),
        (lambda t: t.assign(p_normal=[0.2, np.nan, 0.3]), "im1"),
        (lambda t: t.assign(p_normal=[0.2, 0.3, -0.1]), "im2"),
        (lambda t: t.assign(p_normal=[1.2, 0.3, 0.1]), "im0"),
        (lambda t: t.assign(p_normal=["high", "0.3", "0.1"]), "im0"),
        (lambda t: t.assign(target=["normal", "Normal", "normal"]), "target 'Normal' of image im1"),
        (lambda t: t.assign(target=["normal", "normal|pneumonia", "normal"]), "im1"),
        (lambda t: t.assign(target=["normal", "pneumonia", ""]), "im2"),
    ],
)
def test_rows_that_cannot_be_read_are_named(change, word):
    table = table_of(BINARY, [0, 1, 0], [[0.7, 0.3], [0.2, 0.8], [0.6, 0.4]])
    with pytest.raises(RunError, match=word):
        read_outcomes(change(table), BINARY, False, 0.5)


def test_decisions_must_be_there_where_they_are_asked_for():
    with pytest.raises(RunError, match="no column predicted"):
        read_outcomes(binary_case().drop(columns="predicted"), BINARY, False)
    with pytest.raises(RunError, match="predicted '1'"):
        read_outcomes(binary_case(3).assign(predicted=pd.Series([1, 1, 0])), BINARY, False)
