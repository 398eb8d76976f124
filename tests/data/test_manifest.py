"""The Manifest refuses what cannot be trained on, and hands out its splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medgraft.data.labels import LabelClasses
from medgraft.data.manifest import Manifest
from medgraft.errors import DataError


def table(folder: Path, count: int = 4, **columns: list[object]) -> pd.DataFrame:
    for name in [f"{kind}{i}.png" for kind in "im" for i in range(count)]:
        (folder / name).touch()
    base = {
        "id": [f"i{i}" for i in range(count)],
        "image": [str(folder / f"i{i}.png") for i in range(count)],
        "target": [str(folder / f"m{i}.png") for i in range(count)],
    }
    return pd.DataFrame(base | columns)


def manifest(folder: Path, **columns: list[object]) -> Manifest:
    return Manifest(table(folder, **columns), folder, "data")


def test_parts_follow_the_split(tmp_path: Path) -> None:
    data = manifest(tmp_path, split=["train", "test", "train", "val"], age=[1, 2, 3, 4])
    assert len(data) == 4 and data.split_counts() == {"train": 2, "val": 1, "test": 1}
    assert data.train.table["id"].tolist() == ["i0", "i2"]
    assert data.val.table["age"].tolist() == [4] and data.test.table["id"].tolist() == ["i1"]
    assert data.rows("train").tolist() == [0, 2]


def test_the_callers_table_is_left_alone(tmp_path: Path) -> None:
    frame = table(tmp_path)
    data = Manifest(frame, tmp_path, "data")
    frame.loc[0, "id"] = "changed"
    assert data.table["id"][0] == "i0"


def test_rows_without_a_split(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no splits yet"):
        manifest(tmp_path).rows("train")
    with pytest.raises(DataError, match="no split 'trian'"):
        manifest(tmp_path, split=["train"] * 4).rows("trian")


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"id": ["a", "b", "a", "c"]}, "more than once: a"),
        ({"target": ["m0", None, "m2", ""]}, "2 images have no mask: i1, i3"),
        ({"split": ["train", "val", "dev", "test"]}, "train, val, test, not dev"),
        ({"split": ["train", "val", None, "test"]}, "1 images have no split: i2"),
        ({"group": ["p", "q", None, "r"]}, "1 images have no group: i2"),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, columns: dict[str, list[object]], says: str) -> None:
    with pytest.raises(DataError, match=says):
        manifest(tmp_path, **columns)


def test_missing_files_are_listed(tmp_path: Path) -> None:
    frame = table(tmp_path)
    (tmp_path / "m2.png").unlink()
    with pytest.raises(DataError, match=r"1 masks do not exist: .*m2\.png"):
        Manifest(frame, tmp_path, "data")


def test_missing_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column target"):
        Manifest(table(tmp_path).drop(columns="target"), tmp_path, "data")


def test_group_in_two_splits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 groups \(patients\).*more than one split: 7\."):
        manifest(tmp_path, group=[7, 7, 8, 9], split=["train", "test", "train", "val"])


def test_with_split_aligns_by_id(tmp_path: Path) -> None:
    splits = pd.Series({"i3": "test", "i1": "train", "i0": "val", "i2": "train"})
    data = manifest(tmp_path).with_split(splits)
    assert data.table["split"].tolist() == ["val", "train", "train", "test"]
    with pytest.raises(DataError, match=r"no split is given for images .*: i3"):
        manifest(tmp_path).with_split(splits.drop("i3"))
    with pytest.raises(DataError, match=r"not in .*: i9"):
        manifest(tmp_path).with_split(pd.concat([splits, pd.Series({"i9": "val"})]))
    with pytest.raises(DataError, match="twice for i1"):
        manifest(tmp_path).with_split(pd.concat([splits, pd.Series({"i1": "val"})]))


def test_groups_are_text_and_notes_add_up(tmp_path: Path) -> None:
    data = manifest(tmp_path, group=np.array([1, 1, 2, 3])).with_notes("one").with_notes("two", "three")
    assert data.table["group"].tolist() == ["1", "1", "2", "3"]
    assert data.notes == ("one", "two", "three")


def labelled(folder: Path, labels: list[object], multilabel: bool = False, **columns: list[object]) -> Manifest:
    frame = table(folder, len(labels), **columns).assign(target=labels)
    return Manifest(frame, folder, "data", classes=LabelClasses(("a", "b"), multilabel))


def test_labels_are_no_files(tmp_path: Path) -> None:
    data = labelled(tmp_path, ["b", "a", "b"], split=["train", "val", "train"])
    assert data.task == "classification" and data.labels.tolist() == [1, 0, 1]
    assert data.presence.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert data.train.labels.tolist() == [1, 1] and data.with_notes("x").classes == data.classes
    masks = manifest(tmp_path)
    assert masks.task == "segmentation" and masks.classes is None
    for numbers in ("labels", "presence"):
        with pytest.raises(DataError, match="have masks and no labels"):
            getattr(masks, numbers)


def test_several_labels_or_none(tmp_path: Path) -> None:
    data = labelled(tmp_path, ["b|a", "", "b"], multilabel=True)
    assert data.labels.tolist() == [[1, 1], [0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("labels", "multilabel", "says"),
    [
        (["a", "", "b"], False, "1 images have no label: i1"),
        (["a", None, "b"], True, "1 images have no label: i1"),
        (["a", "c", "b"], False, r": labels that are none of the classes \(a, b\): 'c'"),
        (["a", "a|c", "b"], True, r"none of the classes \(a, b\): 'c'"),
    ],
)
def test_bad_labels_are_refused(tmp_path: Path, labels: list[object], multilabel: bool, says: str) -> None:
    with pytest.raises(DataError, match=says):
        labelled(tmp_path, labels, multilabel)


def test_a_missing_image_of_a_labelled_manifest(tmp_path: Path) -> None:
    frame = table(tmp_path, 2).assign(target=["a", "b"])
    (tmp_path / "i1.png").unlink()
    with pytest.raises(DataError, match=r"1 images do not exist: .*i1\.png"):
        Manifest(frame, tmp_path, "data", classes=LabelClasses(("a", "b")))
