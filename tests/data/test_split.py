"""Splits keep groups whole, shares near, strata even, and are the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.data.manifest import SPLITS, Manifest
from medgraft.data.split import apply_split_file, assign_splits, save_split
from medgraft.errors import DataError

FILE = str(Path(__file__))  # any file that exists stands for image and mask
RATIOS = st.sampled_from([(0.7, 0.15, 0.15), (0.6, 0.2, 0.2), (0.8, 0.2, 0.0), (0.5, 0.0, 0.5), (1.0, 0.0, 0.0)])


def manifest(count: int, **columns: Sequence[object]) -> Manifest:
    base = {"id": [f"i{i:04d}" for i in range(count)], "image": FILE, "target": FILE}
    return Manifest(pd.DataFrame(base | columns), Path("data"), "data")


def fractions(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).beta(1, 3, count)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(3, 200), ratios=RATIOS, seed=st.integers(0, 2**32))
def test_shares_are_near_and_no_split_is_empty(count: int, ratios: tuple[float, ...], seed: int) -> None:
    done = assign_splits(manifest(count), fractions(count), ratios, seed)
    for split, ratio in zip(SPLITS, ratios, strict=True):
        got = done.split_counts()[split]
        assert abs(got - ratio * count) <= 4 / 3 or (ratio > 0 and got == 1)
        assert (got > 0) == (ratio > 0)


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.integers(0, 25), min_size=3, max_size=150).filter(lambda g: len(set(g)) >= 3),
    ratios=RATIOS,
    seed=st.integers(0, 1000),
)
def test_groups_stay_whole_and_shares_near(groups: list[int], ratios: tuple[float, ...], seed: int) -> None:
    count = len(groups)
    done = assign_splits(manifest(count, group=groups), fractions(count), ratios, seed)
    assert (done.table.groupby("group")["split"].nunique() == 1).all()
    largest = max(np.bincount(groups))
    for split, ratio in zip(SPLITS, ratios, strict=True):
        assert abs(done.split_counts()[split] - ratio * count) <= 4 / 3 * largest + largest
        assert (done.split_counts()[split] > 0) == (ratio > 0)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(3, 80), seed=st.integers(0, 1000), order=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(count: int, seed: int, order: object) -> None:
    positions = list(range(count))
    order.shuffle(positions)
    data, foreground = manifest(count), fractions(count).round(1)  # ties are what the order could decide
    shuffled = Manifest(data.table.iloc[positions], data.root, data.name)
    first = assign_splits(data, foreground, seed=seed).table.set_index("id")["split"]
    second = assign_splits(shuffled, foreground[positions], seed=seed).table.set_index("id")["split"]
    assert first.to_dict() == second.to_dict()


def test_seeds_differ() -> None:
    chosen = {tuple(assign_splits(manifest(50), fractions(50), seed=s).table["split"]) for s in range(10)}
    assert len(chosen) == 10


def test_sizes_of_554_images() -> None:
    counts = assign_splits(manifest(554), fractions(554)).split_counts()
    assert counts == {"train": 388, "val": 83, "test": 83}


@pytest.mark.parametrize("seed", range(5))
def test_every_tenth_of_the_foreground_is_in_every_split(seed: int) -> None:
    foreground = fractions(400, seed)
    done = assign_splits(manifest(400), foreground, seed=seed)
    tenth = pd.qcut(foreground, 10, labels=False)
    for _, part in done.table.groupby(tenth):
        counts = part["split"].value_counts()
        assert abs(counts["train"] - 28) <= 2 and abs(counts["val"] - 6) <= 2 and abs(counts["test"] - 6) <= 2


def test_groups_are_stratified_by_their_mean() -> None:
    """100 patients of two images: even patients have large lesions, odd ones none."""
    groups = [i // 2 for i in range(200)]
    foreground = np.array([0.4 if group % 2 else 0.0 for group in groups])
    done = assign_splits(manifest(200, group=groups), foreground)
    for split in SPLITS:
        assert foreground[done.rows(split)].mean() == pytest.approx(0.2, abs=0.03)


def test_a_split_of_the_data_is_kept() -> None:
    own = ["train", "val", "test", "train"]
    done = assign_splits(manifest(4, split=own), fractions(4))
    assert done.table["split"].tolist() == own and done.notes == ()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 100), grouped=st.booleans())
def test_a_missing_val_is_taken_out_of_train_alone(seed: int, grouped: bool) -> None:
    own = ["train"] * 85 + ["test"] * 15
    columns = {"group": [f"g{i // 5}" for i in range(100)]} if grouped else {}
    done = assign_splits(manifest(100, split=own, **columns), fractions(100), seed=seed)
    assert done.table["split"][85:].tolist() == ["test"] * 15
    assert set(done.table["split"][:85]) == {"train", "val"}
    assert abs(done.split_counts()["val"] - 15) <= (7 if grouped else 2)
    assert "the data has no val: taken out of its train" in done.notes[-1]


def test_missing_val_and_test_are_taken_and_a_missing_train_is_refused() -> None:
    done = assign_splits(manifest(100, split=["train"] * 100), fractions(100))
    assert done.split_counts() == {"train": 70, "val": 15, "test": 15}
    with pytest.raises(DataError, match="no image in train"):
        assign_splits(manifest(4, split=["val", "test"] * 2), fractions(4))


@pytest.mark.parametrize("seed", range(5))
def test_what_is_taken_out_of_train_is_stratified_by_the_masks_of_train(seed: int) -> None:
    """Every other of 100 training images has a lesion; val takes 100 * 0.15 / 0.85 = 17.6, half of them with one."""
    foreground = np.array([0.0] * 100 + [0.0, 0.4] * 50)
    done = assign_splits(manifest(200, split=["test"] * 100 + ["train"] * 100), foreground, seed=seed)
    assert done.split_counts()["val"] in (17, 18)
    assert int((foreground[done.rows("val")] > 0).sum()) in (8, 9, 10)


@pytest.mark.parametrize("seed", range(3))
def test_empty_splits_get_the_smallest_groups(seed: int) -> None:
    """Of 13 images val and test are owed 0.13 each, so all groups go to train before the others are filled."""
    groups = ["ten"] * 10 + ["two"] * 2 + ["one"]
    done = assign_splits(manifest(13, group=groups), fractions(13), (0.98, 0.01, 0.01), seed)
    assert done.table.groupby("group")["split"].first().to_dict() == {"ten": "train", "two": "test", "one": "val"}


def test_a_ratio_of_0_takes_nothing_from_the_datas_train() -> None:
    done = assign_splits(manifest(4, split=["train", "train", "train", "test"]), fractions(4), (0.8, 0.0, 0.2))
    assert done.split_counts() == {"train": 3, "val": 0, "test": 1}


def test_too_few_to_split() -> None:
    with pytest.raises(DataError, match=r"2 images .* cannot fill 3 splits"):
        assign_splits(manifest(2), fractions(2))
    with pytest.raises(DataError, match="cannot fill 3 splits"):
        assign_splits(manifest(10, group=["a", "b"] * 5), fractions(10))
    with pytest.raises(ValueError, match="3 foreground fractions for 4"):
        assign_splits(manifest(4), fractions(3))


def test_a_saved_split_comes_back(tmp_path: Path) -> None:
    data = manifest(30, group=[f"{i // 3:03d}" for i in range(30)])
    done = assign_splits(data, fractions(30))
    save_split(done, tmp_path / "split.csv")
    assert (tmp_path / "split.csv").read_text().startswith("id,split,group\ni0000,")
    again = apply_split_file(data, tmp_path / "split.csv")
    assert again.table["split"].tolist() == done.table["split"].tolist()
    assert again.notes[-1] == f"split read from {tmp_path / 'split.csv'}"


def test_a_split_file_replaces_the_datas_own_and_brings_its_groups(tmp_path: Path) -> None:
    lines = ["id,split,group", "i0002,val,q", "i0001,train,p", "i0000,train,p", "i0003,test,r"]
    (tmp_path / "s.csv").write_text("\n".join(lines))
    done = apply_split_file(manifest(4, split=["test", "train", "train", "val"]), tmp_path / "s.csv")
    assert done.table["split"].tolist() == ["train", "train", "val", "test"]
    assert done.table["group"].tolist() == ["p", "p", "q", "r"]


def test_groups_of_the_data_stand_before_those_of_a_split_file(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,split,group\ni0000,train,p\ni0001,val,q\ni0002,test,r")
    done = apply_split_file(manifest(3, group=["x", "y", "z"]), tmp_path / "s.csv")
    assert done.table["group"].tolist() == ["x", "y", "z"]


def test_saving_without_a_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no splits yet"):
        save_split(manifest(3), tmp_path / "split.csv")
    assert not (tmp_path / "split.csv").exists()


@pytest.mark.parametrize(
    ("lines", "groups", "says"),
    [
        (["id,split", "i0000,train", "i0001,val"], None, r"leaves out 1 images of the data \(i0002\)"),
        (["id,split", *[f"i000{i},train" for i in range(4)]], None, r"names 1 images .*lacks \(i0003\)"),
        (["id,split", "i0000,train", "i0000,val"], None, "more than once: i0000"),
        (["id,split", "i0000,train", "i0001,Val", "i0002,test"], None, "train, val, test, not 'Val'"),
        (["name,split", "i0000,train"], None, "has the columns id and split, not name, split"),
        (["id,split,group", "i0000,train,p", "i0001,test,p", "i0002,val,q"], None, "more than one split: p"),
        (["id,split,group", "i0000,train,p", "i0001,test,p", "i0002,val,q"], ["x", "y", "z"], "than one split: p"),
        (["id,split", "i0000,train", "i0001,test", "i0002,val"], ["p", "q", "q"], "more than one split: q"),
        ([""], None, "cannot be read as a split file"),
    ],
)
def test_bad_split_files_are_refused(tmp_path: Path, lines: list[str], groups: list[str] | None, says: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text("\n".join(lines))
    data = manifest(3, group=groups) if groups else manifest(3)
    with pytest.raises(DataError, match=rf"own\.csv.*{says}"):
        apply_split_file(data, path)


def test_missing_split_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv: no such split file"):
        apply_split_file(manifest(3), tmp_path / "gone.csv")
