"""Cross-validation: each image is tested once, groups stay whole, every class is in every fold."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.data.folds import assign_folds
from medgraft.data.labels import LabelClasses
from medgraft.data.manifest import Manifest
from medgraft.errors import DataError

FILE = str(Path(__file__))  # any file that exists stands for an image
FEW = settings(max_examples=15, deadline=None)


def manifest(labels: Sequence[str], names: str = "abc", multilabel: bool = False, **columns: object) -> Manifest:
    base = {"id": [f"i{i:04d}" for i in range(len(labels))], "image": FILE, "target": list(labels)}
    classes = LabelClasses(tuple(names), multilabel)
    return Manifest(pd.DataFrame(base | columns), Path("data"), "data", classes=classes)


def masks(count: int, **columns: object) -> Manifest:
    base = {"id": [f"i{i:04d}" for i in range(count)], "image": FILE, "target": FILE}
    return Manifest(pd.DataFrame(base | columns), Path("data"), "data")


def splits(parts: list[Manifest]) -> np.ndarray:
    """Splits ``[folds, images]``."""
    return np.array([part.table["split"].tolist() for part in parts])


@FEW
@given(
    sizes=st.tuples(st.integers(6, 30), st.integers(6, 30), st.integers(6, 30)),
    folds=st.integers(2, 6),
    seed=st.integers(0, 2**32),
)
def test_every_image_is_tested_once_and_every_class_is_in_every_split(
    sizes: tuple[int, int, int], folds: int, seed: int
) -> None:
    labels = np.array(list("".join(name * size for name, size in zip("abc", sizes, strict=True))))
    parts = assign_folds(manifest(labels), folds, seed=seed)
    dealt = splits(parts)
    assert len(parts) == folds and ((dealt == "test").sum(axis=0) == 1).all()
    for name, size in zip("abc", sizes, strict=True):
        of_class = dealt[:, labels == name]
        tested = (of_class == "test").sum(axis=1)
        assert set(tested) <= {size // folds, -(-size // folds)}
        rest = size - tested
        assert (np.abs((of_class == "val").sum(axis=1) - rest * 0.15 / 0.85) < 1).all()


@FEW
@given(
    groups=st.lists(st.tuples(st.integers(0, 30), st.sampled_from("aab")), min_size=40, max_size=150),
    folds=st.integers(2, 5),
    seed=st.integers(0, 1000),
)
def test_groups_stay_whole(groups: list[tuple[int, str]], folds: int, seed: int) -> None:
    numbers, labels = [number for number, _ in groups], [label for _, label in groups]
    held = [len({n for n, label in groups if label == name}) for name in "ab"]
    if min(held) < 2 * folds:
        return
    parts = assign_folds(manifest(labels, "ab", group=numbers), folds, seed=seed)
    dealt = splits(parts)
    assert ((dealt == "test").sum(axis=0) == 1).all()
    largest = max(np.bincount(numbers))
    for part, row in zip(parts, dealt, strict=True):
        assert (part.table.groupby("group")["split"].nunique() == 1).all()
        assert (row == "test").any() and (row == "val").any() and (row == "train").any()
        assert abs((row == "test").sum() - len(groups) / folds) <= 2 * largest
        assert (part.presence[part.rows("train")].sum(axis=0) > 0).all()


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_of_masks_are_alike_in_foreground(grouped: bool) -> None:
    foreground = np.random.default_rng(0).beta(1, 3, 200)
    columns = {"group": [f"g{i // 2}" for i in range(200)]} if grouped else {}
    parts = assign_folds(masks(200, **columns), 5, foreground=foreground)
    assert ((splits(parts) == "test").sum(axis=0) == 1).all()
    for part in parts:
        assert abs(part.split_counts()["test"] - 40) <= (4 if grouped else 0)
        assert abs(part.split_counts()["val"] - 160 * 0.15 / 0.85) <= 4
        for split in ("train", "val", "test"):
            mean = foreground[part.rows(split)].mean()  # unstratified, a test split is off by 0.03 and more
            assert mean == pytest.approx(foreground.mean(), abs=0.025 if grouped else 0.015)
    by = "group" if grouped else "image"
    assert f"fold 3 of 5, made by {by}, stratified by foreground fraction, seed 0: " in parts[2].notes[-1]


@FEW
@given(seed=st.integers(0, 1000), grouped=st.booleans(), order=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(seed: int, grouped: bool, order: object) -> None:
    columns = {"group": [f"g{i % 17}" for i in range(60)]} if grouped else {}
    data = manifest("aab" * 20, "ab", **columns)
    positions = list(range(60))
    order.shuffle(positions)
    shuffled = Manifest(data.table.iloc[positions], data.root, data.name, classes=data.classes)
    for first, second in zip(assign_folds(data, 4, seed=seed), assign_folds(shuffled, 4, seed=seed), strict=True):
        ours, theirs = (part.table.set_index("id")["split"] for part in (first, second))
        assert ours.to_dict() == theirs.to_dict()


@pytest.mark.parametrize("columns", [{}, {"group": [f"g{i // 2}" for i in range(60)]}])
def test_seeds_differ(columns: dict[str, object]) -> None:
    data = manifest("aaaabb" * 10, "ab", **columns)
    dealt = [splits(assign_folds(data, 5, seed=seed)) for seed in range(8)]
    for split in ("test", "val"):
        assert len({(each == split).tobytes() for each in dealt}) == 8


def test_the_ratio_of_val_to_train_is_kept() -> None:
    for ratios, val in (((0.5, 0.25, 0.25), 25), ((0.8, 0.0, 0.2), 0), ((0.6, 0.4, 0.0), 30)):
        part = assign_folds(manifest("ab" * 50, "ab"), 4, ratios=ratios)[0]
        assert part.split_counts() == {"train": 75 - val, "val": val, "test": 25}


def test_the_datas_own_split_is_set_aside() -> None:
    own = ["train"] * 30 + ["test"] * 10
    parts = assign_folds(manifest("ab" * 20, "ab", split=own), 4)
    assert ((splits(parts) == "test").sum(axis=0) == 1).all()
    assert all("the data's own split is set aside for the cross-validation" in part.notes for part in parts)
    assert "set aside" not in " ".join(assign_folds(manifest("ab" * 20, "ab"), 4)[0].notes)


def test_images_of_several_labels_or_none() -> None:
    texts = ["a", "b", "", "a|b", "", "c|a"] * 10
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = assign_folds(manifest(texts, multilabel=True), 5)
    assert ((splits(parts) == "test").sum(axis=0) == 1).all()
    for part in parts:
        tested = part.presence[part.rows("test")]
        # c is the rarest and b the next, so these two and none are dealt evenly; a is also beside b and c.
        assert tested.sum(axis=0)[1:].tolist() == [4, 2] and (tested.sum(axis=1) == 0).sum() == 4


def test_too_little_for_so_many_folds() -> None:
    with pytest.raises(DataError, match="1 folds are asked for; a cross-validation has two or more"):
        assign_folds(manifest("ab" * 5, "ab"), 1)
    with pytest.raises(DataError, match="data: 4 images cannot make 5 folds"):
        assign_folds(manifest("abab", "ab"), 5)
    with pytest.raises(DataError, match=r"3 groups \(patients\) cannot make 4 folds"):
        assign_folds(manifest("ab" * 6, "ab", group=list("xyz") * 4), 4)
    with pytest.raises(DataError, match=r"too few images of a class for 5 folds, b \(4\); ask for fewer"):
        assign_folds(manifest("a" * 20 + "b" * 4, "ab"), 5)
    groups = ["g"] * 8 + [f"h{i}" for i in range(20)]
    with pytest.raises(DataError, match=r"too few groups \(patients\) of a class for 3 folds, b \(1\)"):
        assign_folds(manifest("b" * 8 + "a" * 20, "ab", group=groups), 3)
    with pytest.raises(ValueError, match="no foreground fractions for 10 images with masks"):
        assign_folds(masks(10), 2)


def test_a_class_that_is_in_test_and_val_alone_is_refused() -> None:
    """Of five groups, two or three are tested; what is left cannot give both val and train an a, a b and a c."""
    groups = {"p": "bccc", "q": "a", "r": "c", "s": "a", "t": "ab"}
    names = [name for name, labels in groups.items() for _ in labels]
    with pytest.raises(DataError, match="no image in train has the label a"):
        assign_folds(manifest("".join(groups.values()), group=names), 2)


def test_a_class_that_nobody_has_is_not_asked_for() -> None:
    assert len(assign_folds(manifest("ab" * 6, "abc"), 3)) == 3
    with pytest.raises(DataError, match=r"too few images of a class for 3 folds, c \(0\)"):
        assign_folds(manifest(["a|b"] * 12, "abc", multilabel=True), 3)
