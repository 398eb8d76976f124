"""Classes of labels: their order, their kind, and the numbers that labels become."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder, MultiLabelBinarizer

from medgraft.data.labels import LabelClasses
from medgraft.errors import DataError

NAMES = st.lists(st.text("abcdefgh", min_size=1, max_size=4), min_size=2, max_size=8, unique=True)


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (["pneumonia", "no_finding"], ("no_finding", "pneumonia")),
        (["Abnormal", "Normal"], ("Normal", "Abnormal")),
        (["No Finding", "Cardiomegaly"], ("No Finding", "Cardiomegaly")),
        (["malignant", "Benign"], ("Benign", "malignant")),
        (["AD", "control"], ("control", "AD")),
        (["COVID", "NEGATIVE"], ("NEGATIVE", "COVID")),
        (["fracture", "no-fracture"], ("no-fracture", "fracture")),
        (["cancer", "non cancer"], ("non cancer", "cancer")),
        (["present", "absent"], ("absent", "present")),
        (["yes", "no"], ("no", "yes")),
        (["1", "0"], ("0", "1")),
        (["left", "right"], ("left", "right")),
        (["right", "left"], ("left", "right")),
        (["10", "9", "2", "2.5"], ("2", "2.5", "9", "10")),
        (["b", "normal", "a"], ("a", "b", "normal")),
        (["nan", "10", "9"], ("10", "9", "nan")),
    ],
)
def test_order_of_classes(found: list[str], names: tuple[str, ...]) -> None:
    assert LabelClasses.infer(found).names == names
    assert LabelClasses.infer(reversed(found)).names == names


def test_an_order_that_was_asked_for_wins() -> None:
    assert LabelClasses.infer(["normal", "covid"], ("covid", "normal")).names == ("covid", "normal")
    assert LabelClasses.several(["a", "b"], ["b", "a"]).names == ("b", "a")


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (["covid"], "leave out normal; there are covid, normal"),
        (["covid", "normal", "flu"], "asked for name flu, which no image has"),
        (["covid", "norml"], "leave out normal and name norml, which no image has.*Did you mean normal?"),
        (["covid", "normal", "covid"], "named twice: covid"),
    ],
)
def test_an_order_of_other_classes_is_refused(order: list[str], says: str) -> None:
    with pytest.raises(DataError, match=says):
        LabelClasses.infer(["covid", "normal", "covid"], order)


@pytest.mark.parametrize(
    ("names", "multilabel", "kind", "outputs"),
    [
        (("a", "b"), False, "binary", 1),
        (("a", "b", "c"), False, "multiclass", 3),
        (("a", "b"), True, "multilabel", 2),
        (("a", "b", "c"), True, "multilabel", 3),
    ],
)
def test_kinds_and_logits(names: tuple[str, ...], multilabel: bool, kind: str, outputs: int) -> None:
    classes = LabelClasses(names, multilabel)
    assert (classes.kind, classes.count, classes.outputs) == (kind, len(names), outputs)
    assert LabelClasses.from_dict(classes.to_dict()) == classes


@given(names=NAMES, data=st.data())
def test_single_labels_become_what_scikit_learn_makes_of_them(names: list[str], data: st.DataObject) -> None:
    texts = names + data.draw(st.lists(st.sampled_from(names)))
    classes = LabelClasses(tuple(sorted(names)))
    encoded = classes.encode(texts)
    assert encoded.dtype == np.int64
    assert encoded.tolist() == LabelEncoder().fit(texts).transform(texts).tolist()
    presence = classes.presence(texts)
    assert (presence.argmax(axis=1) == encoded).all() and (presence.sum(axis=1) == 1).all()


@given(names=NAMES, data=st.data())
def test_several_labels_become_what_scikit_learn_makes_of_them(names: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(st.sampled_from(names), unique=True), min_size=1))
    classes = LabelClasses(tuple(names), multilabel=True)
    encoded = classes.encode("|".join(row) for row in rows)
    assert encoded.dtype == np.uint8
    assert encoded.tolist() == MultiLabelBinarizer(classes=names).fit_transform(rows).tolist()
    assert (classes.encode([classes.text(row) for row in encoded]) == encoded).all()


def test_text_of_several_labels_is_in_class_order() -> None:
    classes = LabelClasses(("mass", "edema", "effusion"), multilabel=True)
    assert classes.text(np.array([1, 0, 1])) == "mass|effusion" and classes.text(np.zeros(3)) == ""
    assert classes.encode(["effusion|mass", ""]).tolist() == [[1, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(("multilabel", "text"), [(False, "c"), (False, ""), (False, "a|b"), (True, "a|c")])
def test_a_label_that_is_no_class_is_refused(multilabel: bool, text: str) -> None:
    with pytest.raises(DataError, match=r"none of the classes \(a, b\): '"):
        LabelClasses(("a", "b"), multilabel).encode(["a", text])


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("a",), r"there is one class \(a\)"),
        ((), "there is no class"),
        (("a", "b", "a"), "named twice: a"),
        (("a", " "), "a class has no name"),
        (("a|b", "c"), r"cannot hold '\|': a\|b"),
    ],
)
def test_names_that_make_no_classes(names: tuple[str, ...], says: str) -> None:
    with pytest.raises(DataError, match=says):
        LabelClasses(names, multilabel="|" in "".join(names))
