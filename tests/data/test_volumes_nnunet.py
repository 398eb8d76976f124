"""The folders of nnU-Net and of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medgraft.data import Manifest, open_data
from medgraft.errors import DataError


def volume(path: Path, level: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(np.full((6, 5, 4), level, np.uint8), np.eye(4)).to_filename(path)
    return path


def names(data: Manifest, column: str = "image") -> list[str]:
    return [text.rpartition("/")[2] for text in data.table[column]]


def cases(root: Path, image: str, mask: str, count: int = 2, channels: int = 1, part: str = "Tr") -> Path:
    for number in range(count):
        for channel in range(channels):
            name = image.format(number, channel)
            volume(root / f"images{part}" / name, channel)
        volume(root / f"labels{part}" / mask.format(number), number)
    return root


def test_nnunet_reads_the_first_channel_and_says_so(tmp_path: Path) -> None:
    cases(tmp_path, "liver_{:03d}_{:04d}.nii.gz", "liver_{:03d}.nii.gz", channels=3)
    volume(tmp_path / "imagesTs" / "liver_900_0000.nii.gz")
    about = {"channel_names": {"0": "CT", "1": "PET", "2": "T1"}, "labels": {"background": 0, "liver": 1}}
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    data = open_data(tmp_path)
    assert names(data)[0] == "liver_000_0000.nii.gz#axial-0" and names(data, "target")[-1] == "liver_001.nii.gz#axial-3"
    assert data.table["id"].tolist()[0] == "liver_000-axial-0" and len(data) == 8
    assert data.table["group"].nunique() == 2 and not data.has_split
    assert data.mask_values == {"0": "background", "1": "liver"}
    assert data.notes[:4] == (
        "imagesTr/ and labelsTr/: 2 images with masks",
        "3 channels a case, of which the first is read (CT; left out: PET, T1)",
        "imagesTs/ has no masks and was left aside",
        "dataset.json: 0 = background, 1 = liver",
    )


def test_the_decathlon_has_one_name_for_both_and_values_for_names(tmp_path: Path) -> None:
    cases(tmp_path, "heart_{:04d}.nii.gz", "heart_{:04d}.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"0": "background", "1": "atrium", "2": "wall"}}))
    data = open_data(tmp_path)
    assert len(data) == 8 and data.mask_values == {"0": "background", "1": "atrium", "2": "wall"}


def test_labelled_test_cases_are_the_test_split(tmp_path: Path) -> None:
    cases(tmp_path, "a{:02d}_{:04d}.nii.gz", "a{:02d}.nii.gz")
    cases(tmp_path, "t{:02d}_{:04d}.nii.gz", "t{:02d}.nii.gz", count=1, part="Ts")
    data = open_data(tmp_path)
    assert data.split_counts() == {"train": 8, "val": 0, "test": 4}


@pytest.mark.parametrize(("about", "values"), [
    ({"labels": {"background": 0, "whole": [1, 2], "core": 2}}, None),
    ({"labels": {"background": 0, "organ": 1, "ignore": 2}}, None),
    ({"labels": ["background"]}, None),
    ([1, 2], None),
    ({}, None),
])  # fmt: skip
def test_what_dataset_json_does_not_say_is_not_guessed(tmp_path: Path, about: object, values: object) -> None:
    cases(tmp_path, "a{:02d}_{:04d}.nii.gz", "a{:02d}.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    assert open_data(tmp_path).mask_values is values


def test_nnunet_in_need_of_mending(tmp_path: Path) -> None:
    cases(tmp_path, "a{:02d}_{:04d}.nii.gz", "a{:02d}.nii.gz")
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DataError, match=r"dataset\.json: cannot be read as JSON"):
        open_data(tmp_path)
    (tmp_path / "dataset.json").unlink()
    (tmp_path / "labelsTr" / "a01.nii.gz").unlink()
    with pytest.raises(DataError, match=r"1 images in .*imagesTr have no mask in .*labelsTr: a01_0000\.nii\.gz"):
        open_data(tmp_path)
