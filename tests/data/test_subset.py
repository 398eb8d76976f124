"""Fewer training images: nested, in their shares, groups whole, every class there, and the same for the same seed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.data.labels import LabelClasses
from medgraft.data.manifest import Manifest
from medgraft.data.split import apply_split_file, save_split
from medgraft.data.subset import learn_from, nested_subset
from medgraft.errors import DataError

FILE = str(Path(__file__))  # any file that exists stands for an image


def labelled(labels, **columns):
    table = {"id": [f"i{i:04d}" for i in range(len(labels))], "image": FILE, "target": labels, "split": "train"}
    return Manifest(pd.DataFrame(table | columns), Path("data"), "data", classes=LabelClasses(("a", "b", "c")))


@settings(max_examples=60)
@given(
    labels=st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 2]), min_size=6, max_size=120),
    seed=st.integers(0, 10_000),
    data=st.data(),
)
def test_images_are_as_many_as_asked_nested_and_in_their_shares(labels, seed, data):
    strata = np.array(labels)
    small, large = sorted(data.draw(st.tuples(*[st.integers(3, len(labels))] * 2)))
    few, more = (nested_subset(strata, None, n, seed, ("a", "b", "c")) for n in (small, large))
    assert len(few) == small and len(more) == large and set(few) <= set(more)
    assert set(strata[few]) == set(labels)
    shares = np.bincount(strata, minlength=3) / len(strata)
    for rows in (few, more):
        # One image of each class comes first; two more may be rounded.
        assert (abs(np.bincount(strata[rows], minlength=3) - shares * len(rows)) <= 3).all()


@settings(max_examples=60)
@given(
    groups=st.lists(st.integers(0, 15), min_size=20, max_size=100),
    seed=st.integers(0, 10_000),
    data=st.data(),
)
def test_groups_stay_whole_and_the_number_is_never_exceeded(groups, seed, data):
    groups = np.array(groups)
    strata = (np.arange(len(groups)) % 3 == 0).astype(int)
    largest = int(np.bincount(groups).max())
    small, large = sorted(data.draw(st.tuples(*[st.integers(2 * largest, max(2 * largest, len(groups)))] * 2)))
    small, large = min(small, len(groups)), min(large, len(groups))
    if small < 2 * largest:
        return
    few, more = (nested_subset(strata, groups, n, seed, ("a", "b")) for n in (small, large))
    assert set(few) <= set(more)
    for n, rows in ((small, few), (large, more)):
        assert n - largest < len(rows) <= n
        chosen = set(groups[rows])
        assert len(rows) == sum(group in chosen for group in groups)
        assert set(strata[rows]) == {0, 1}


def test_the_beginning_of_a_line_worked_by_hand():
    """Of 6 and 3 images the places are 1/12, 3/12, .. and 1/6, 3/6, 5/6: a b a a b a a b a (ties: shuffled first)."""
    strata = np.array([0] * 6 + [1] * 3)
    counts = [np.bincount(strata[nested_subset(strata, None, n, 4)], minlength=2).tolist() for n in (1, 2, 3, 6, 9)]
    assert counts == [[1, 0], [1, 1], [2, 1], [4, 2], [6, 3]]


def test_a_rare_class_is_there_at_once_and_the_smallest_number_is_said():
    strata = np.array([0] * 97 + [1, 1, 2])
    for seed in range(5):
        assert set(strata[nested_subset(strata, None, 3, seed, ("a", "b", "c"))]) == {0, 1, 2}
    with pytest.raises(DataError, match=r"2 training images are too few for one of every class \(a, b, c\); .* is 3\."):
        nested_subset(strata, None, 2, 0, ("a", "b", "c"))
    groups = np.array(["x"] * 97 + ["y", "y", "z"])
    with pytest.raises(DataError, match=r"too few for .*, as patients \(groups\) stay whole; .* with seed 0 is 100\."):
        nested_subset(strata, groups, 99, 0, ("a", "b", "c"))
    assert len(nested_subset(strata, groups, 100, 0, ("a", "b", "c"))) == 100


def test_more_than_there_are_is_refused():
    with pytest.raises(DataError, match="11 training images asked for, and there are 10"):
        nested_subset(np.zeros(10, int), None, 11, 0)


def test_of_several_labels_each_is_there():
    presence = np.zeros((40, 3), int)
    presence[:, 0] = 1
    presence[3, 1] = presence[7, 2] = 1
    assert set(nested_subset(presence, None, 2, 0, ("a", "b", "c"))) == {3, 7}


def test_without_names_strata_need_not_all_be_there():
    assert len(nested_subset(np.arange(10), None, 2, 0)) == 2


@settings(max_examples=8)
@given(seed=st.integers(0, 100), order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_plays_no_part(seed, order):
    manifest = labelled(["a"] * 20 + ["b"] * 9 + ["c"] * 3)
    rows = list(range(32))
    order.shuffle(rows)
    chosen = [
        set(found.train.table["id"])
        for found in (
            learn_from(manifest, 12, seed),
            learn_from(Manifest(manifest.table.iloc[rows], Path("data"), "data", classes=manifest.classes), 12, seed),
        )
    ]
    assert chosen[0] == chosen[1]


def test_val_and_test_stay_and_what_is_left_out_survives_the_split_file(tmp_path):
    manifest = labelled(["a", "b", "c"] * 10, split=["train"] * 18 + ["val"] * 6 + ["test"] * 6)
    fewer = learn_from(manifest, 6, 1)
    assert fewer.split_counts() == {"train": 6, "val": 6, "test": 6}
    assert set(fewer.train.table["id"]) < set(manifest.train.table["id"])
    for split in ("val", "test"):
        assert list(fewer.rows(split)) == list(manifest.rows(split))
    save_split(fewer, tmp_path / "split.csv")
    again = apply_split_file(manifest, tmp_path / "split.csv")
    assert again.table["split"].tolist() == fewer.table["split"].tolist()
    assert sum(again.table["split"] == "unused") == 12


def test_masks_are_drawn_over_all_sizes_of_the_foreground():
    """Of 100 images in ten bins of ten, a subset of ten has one of every bin."""
    table = {"id": [f"i{i:03d}" for i in range(100)], "image": FILE, "target": FILE, "split": "train"}
    foreground = np.random.default_rng(0).permutation(100) / 100
    fewer = learn_from(Manifest(pd.DataFrame(table), Path("data"), "data"), 10, 3, foreground)
    assert sorted((foreground[fewer.rows("train")] * 10).astype(int)) == list(range(10))


def test_the_data_is_named_where_it_is_too_small():
    with pytest.raises(DataError, match=r"^data: train_images: 31 training images asked for, and there are 30"):
        learn_from(labelled(["a", "b", "c"] * 10), 31, 0)
