"""Splits of labelled images: every class in its share, groups whole, nothing tested that was never learnt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.data.labels import LabelClasses
from medgraft.data.manifest import SPLITS, Manifest
from medgraft.data.split import apply_split_file, assign_splits, refuse_unseen_labels, save_split
from medgraft.errors import DataError

FILE = str(Path(__file__))  # any file that exists stands for an image
RATIOS = st.sampled_from([(0.7, 0.15, 0.15), (0.6, 0.2, 0.2), (0.8, 0.2, 0.0), (0.5, 0.0, 0.5)])
FEW = settings(max_examples=30, deadline=None)


def manifest(labels: Sequence[str], names: str = "abcdef", multilabel: bool = False, **columns: object) -> Manifest:
    base = {"id": [f"i{i:04d}" for i in range(len(labels))], "image": FILE, "target": list(labels)}
    classes = LabelClasses(tuple(names), multilabel)
    return Manifest(pd.DataFrame(base | columns), Path("data"), "data", classes=classes)


def counts(data: Manifest, split: str) -> np.ndarray:
    return data.presence[data.rows(split)].sum(axis=0)


@FEW
@given(sizes=st.lists(st.integers(1, 60), min_size=2, max_size=6), ratios=RATIOS, seed=st.integers(0, 2**32))
def test_of_every_class_each_split_gets_its_share_rounded_up_or_down(
    sizes: list[int], ratios: tuple[float, ...], seed: int
) -> None:
    labels = "".join(name * size for name, size in zip("abcdef", sizes, strict=False))
    if len(labels) < 20:  # fewer might leave a split empty, and filling it moves an image
        labels += "a" * 20
    done = assign_splits(manifest(labels), ratios=ratios, seed=seed)
    total = np.array([labels.count(name) for name in "abcdef"])
    for split, ratio in zip(SPLITS, ratios, strict=True):
        assert (np.abs(counts(done, split) - ratio * total) < 1).all()
        assert (done.split_counts()[split] > 0) == (ratio > 0)


def test_shares_of_all_images_are_kept_though_every_class_is_rounded() -> None:
    """20 classes of 3 images are owed 2.1, 0.45 and 0.45 each: rounding each down and up alike would leave 60, 0, 0."""
    names = "abcdefghijklmnopqrst"
    done = assign_splits(manifest(list(names) * 3, names))
    assert all(abs(done.split_counts()[split] - n) <= 1 for split, n in (("train", 42), ("val", 9), ("test", 9)))


@FEW
@given(
    groups=st.lists(st.tuples(st.integers(0, 12), st.sampled_from("aaaabbc")), min_size=10, max_size=120),
    ratios=RATIOS,
    seed=st.integers(0, 1000),
)
def test_groups_stay_whole_and_classes_near_their_shares(
    groups: list[tuple[int, str]], ratios: tuple[float, ...], seed: int
) -> None:
    """Groups of one class each: a split is over its share by less than a group, and under it by less than two."""
    labels = [label for _, label in groups]
    names = [f"{number}{label}" for number, label in groups]
    if len(set(names)) < 9 or len(set(labels)) < 3:
        return
    done = assign_splits(manifest(labels, group=names), ratios=ratios, seed=seed)
    assert (done.table.groupby("group")["split"].nunique() == 1).all()
    for position, label in enumerate("abc"):
        sizes = pd.Series(names)[[name == label for name in labels]].value_counts()
        for split, ratio in zip(SPLITS, ratios, strict=True):
            over = counts(done, split)[position] - ratio * labels.count(label)
            assert -2 * sizes.max() < over < sizes.max()
            assert (done.split_counts()[split] > 0) == (ratio > 0)


@FEW
@given(
    groups=st.lists(st.tuples(st.integers(0, 9), st.sampled_from("aaaabbc")), min_size=3, max_size=80),
    seed=st.integers(0, 1000),
)
def test_train_has_every_class_and_no_split_is_empty_however_groups_are_mixed(
    groups: list[tuple[int, str]], seed: int
) -> None:
    numbers = [number for number, _ in groups]
    if len(set(numbers)) < 3:
        return
    labels = [label for _, label in groups]
    try:
        done = assign_splits(manifest(labels, group=numbers), seed=seed)
    except DataError:
        # Each class may be in one group alone, so that train takes all of them and one has to be given up.
        held = [len({n for n, label in groups if label == name}) for name in set(labels)]
        assert min(held) == 1 and len(set(numbers)) < 3 + len(set(labels))
        return
    assert (done.table.groupby("group")["split"].nunique() == 1).all()
    assert (counts(done, "train")[:3] > 0).tolist() == [name in labels for name in "abc"]
    assert min(done.split_counts().values()) > 0


@FEW
@given(
    texts=st.lists(st.lists(st.sampled_from("aaabbc"), unique=True, max_size=3), min_size=40, max_size=120),
    seed=st.integers(0, 1000),
)
def test_of_several_labels_the_rarest_decides(texts: list[list[str]], seed: int) -> None:
    data = manifest(["|".join(sorted(text)) for text in texts], "abc", multilabel=True)
    total = data.presence.sum(axis=0)
    if (total < 2).any() or len(set(total)) < 3:
        return
    done = assign_splits(data, seed=seed)
    for split, ratio in zip(SPLITS, (0.7, 0.15, 0.15), strict=True):
        rare = int(total.argmin())
        assert abs(counts(done, split)[rare] - ratio * total[rare]) < 1.5
        plain = (done.presence.sum(axis=1) == 0) & (done.table["split"] == split).to_numpy()
        assert abs(plain.sum() - ratio * (data.presence.sum(axis=1) == 0).sum()) < 1


@FEW
@given(labels=st.lists(st.sampled_from("aaab"), min_size=6, max_size=60), order=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(labels: list[str], order: object) -> None:
    positions = list(range(len(labels)))
    order.shuffle(positions)
    data = manifest(labels)
    shuffled = Manifest(data.table.iloc[positions], data.root, data.name, classes=data.classes)
    first, second = (assign_splits(d, seed=3).table.set_index("id")["split"].to_dict() for d in (data, shuffled))
    assert first == second


def test_seeds_differ_and_the_note_says_what_was_done() -> None:
    data = manifest("aab" * 20, "ab", group=[f"g{i // 2}" for i in range(60)])
    assert len({tuple(assign_splits(data, seed=s).table["split"]) for s in range(8)}) == 8
    assert assign_splits(data).notes[-1].startswith("split made by group, stratified by label, seed 0: 42 train, ")


def test_foreground_is_not_asked_of_labels_and_is_of_masks() -> None:
    labels = "aab" * 20
    given = assign_splits(manifest(labels), np.linspace(0, 1, 60)).table["split"]
    assert given.tolist() == assign_splits(manifest(labels)).table["split"].tolist()
    masks = Manifest(manifest(labels).table.assign(target=FILE), Path("data"), "data")
    with pytest.raises(ValueError, match="no foreground fractions for 60 images with masks"):
        assign_splits(masks)


def test_a_missing_val_is_taken_out_of_train_by_class() -> None:
    own = (["train"] * 17 + ["test"] * 3) * 5
    data = manifest("ab" * 50, "ab", split=own)
    done = assign_splits(data, seed=1)
    kept = [split == "test" for split in own]
    assert (done.table["split"][kept] == "test").all() and done.split_counts()["test"] == 15
    # 85 images, 43 and 42 of a class; val is owed 15/85 of each: 7.6 and 7.4.
    assert set(counts(done, "val")[:2]) <= {7, 8} and done.split_counts()["val"] == 15
    assert "the data has no val: taken out of its train with seed 1, 15 for val" in done.notes


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_label_that_train_lacks_is_refused(split: str) -> None:
    own = ["train", "train", split, "val", "test", "val", "test"]
    data = manifest("abcabab", "abc", split=own)
    found = "1 in val, 0 in test" if split == "val" else "0 in val, 1 in test"
    with pytest.raises(DataError, match=rf"data: no image in train has the label c \({found}\)"):
        refuse_unseen_labels(data)
    with pytest.raises(DataError, match="no image in train has the label c"):
        assign_splits(data)


def test_a_class_without_a_positive_in_train() -> None:
    own = ["train", "train", "val", "test"]
    with pytest.raises(DataError, match=r"the label b \(0 in val, 0 in test\), c \(0 in val, 1 in test\)"):
        refuse_unseen_labels(manifest(["a", "", "a", "a|c"], "abc", multilabel=True, split=own))
    refuse_unseen_labels(manifest(["a|b|c", "", "a", "a|c"], "abc", multilabel=True, split=own))
    refuse_unseen_labels(manifest("abab", "abc", split=own))  # nobody has c, so nobody is asked for it


def test_masks_have_no_labels_to_refuse() -> None:
    own = ["train", "train", "val", "test"]
    refuse_unseen_labels(Manifest(manifest("abab", split=own).table.assign(target=FILE), Path("data"), "data"))


def test_split_files_apply_to_labels(tmp_path: Path) -> None:
    data = manifest("abab" * 5, "ab")
    done = assign_splits(data)
    save_split(done, tmp_path / "split.csv")
    again = apply_split_file(data, tmp_path / "split.csv")
    assert again.table["split"].tolist() == done.table["split"].tolist() and again.classes == data.classes
    lines = ["id,split"] + [f"i{i:04d},{'test' if i % 2 else 'train'}" for i in range(20)]
    (tmp_path / "split.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"no image in train has the label b \(0 in val, 10 in test\)"):
        apply_split_file(data, tmp_path / "split.csv")


def test_a_class_of_one_image_is_learnt_whatever_the_seed() -> None:
    data = manifest("a" * 30 + "b", "ab")
    assert all(counts(assign_splits(data, seed=seed), "train")[1] == 1 for seed in range(20))


def test_an_empty_split_is_filled_without_taking_the_only_image_of_a_class() -> None:
    """Of 8 images, val and test are owed 0.08 each; train has all, and gives up two of the six b, never the a or c."""
    for seed in range(10):
        done = assign_splits(manifest("abbbbbbc", "abc"), ratios=(0.98, 0.01, 0.01), seed=seed)
        assert counts(done, "train").tolist() == [1, 4, 1]
