"""Rows of an evaluation: distances in one unit for all images, sizes where they are known, and notes where not."""

import cv2
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import dicom_making
from medgraft.data import Manifest, PixelStore, open_data
from medgraft.evaluation import known_spacings, mask_row, metric_columns, scores_table, size_agreement
from medgraft.progress import Observer


class Listener(Observer):
    """Keeps what is said."""

    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


def pictures(folder, spacings):
    """Images with a square of 4 x 4 as mask, DICOM with this spacing or PNG where it is None; as a manifest."""
    rows = []
    for number, spacing in enumerate(spacings):
        pixels, mask = np.full((20, 30), 100, np.uint8), np.zeros((20, 30), np.uint8)
        mask[4:8, 4:8] = 255
        image, target = folder / f"{number}.{'png' if spacing is None else 'dcm'}", folder / f"{number}_mask.png"
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(target), mask)
        if spacing is None:
            cv2.imwrite(str(image), pixels)
        else:
            dicom_making.make(image, pixels, number=number + 1, PixelSpacing=list(spacing))
        rows.append({"id": str(number), "image": str(image), "target": str(target), "split": "test"})
    return Manifest(pd.DataFrame(rows), folder, "pictures")


def rows_of(manifest, tmp_path, shift=3):
    """Every image scored, with the square predicted ``shift`` columns to the right."""
    store, listener = PixelStore.open(manifest, 16, cache=tmp_path / "cache"), Listener()
    found = known_spacings(manifest, range(len(manifest)), listener)
    said = np.zeros((20, 30), np.uint8)
    said[4:8, 4 + shift : 8 + shift] = 1
    rows = [mask_row(said, manifest, store, place, spacing) for place, spacing in found.items()]
    return pd.DataFrame(rows), listener.said


def test_distances_are_in_mm_where_every_file_says_how_large_a_pixel_is(tmp_path):
    table, said = rows_of(pictures(tmp_path / "data", [(0.5, 0.5), (2.0, 0.25)]), tmp_path)
    assert not said and "hd95_px" not in table
    # 3 columns of 0.5 mm, and of 0.25 mm (the rows are too far from each other to be nearer).
    assert table["hd95_mm"].tolist() == [1.5, 0.75]
    assert table["pixel_mm2"].tolist() == [0.25, 0.5]
    assert size_agreement(table).unit == "mm²" and size_agreement(table).true.tolist() == [4, 8]


def test_distances_are_in_pixels_for_all_where_one_file_does_not_say_it_and_that_is_said(tmp_path):
    table, said = rows_of(pictures(tmp_path / "data", [(0.5, 0.5), None, (0.5, 0.5)]), tmp_path)
    assert table["hd95_px"].tolist() == [3, 3, 3]
    assert not {"hd95_mm", "pixel_mm2"} & set(table)
    assert len(said) == 1 and "2 of 3 files" in said[0]


def test_pictures_without_sizes_are_scored_in_pixels_without_a_word(tmp_path):
    table, said = rows_of(pictures(tmp_path / "data", [None, None]), tmp_path)
    assert not said and table["assd_px"].notna().all()
    assert {"hd95_px", "assd_px", "boundary_dice_px", "structure_f1", "panoptic_quality"} < set(
        scores_table(table)["test"]
    )
    assert not set(metric_columns(table)) & {"pixels_true", "structures_found", "foreground"}


def test_slices_of_volumes_know_their_distance_so_that_volumes_are_compared(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / "scans" / kind).mkdir(parents=True)
    for name in ("one", "two"):
        mask = np.zeros((12, 10, 4), np.uint8)
        mask[2:6, 2:6, :] = 1
        affine = np.diag([0.5, 0.5, 5.0, 1.0])
        noise = np.random.default_rng(0).integers(0, 100, mask.shape).astype(np.int16)
        nib.Nifti1Image(noise, affine).to_filename(tmp_path / "scans" / "images" / f"{name}.nii.gz")
        nib.Nifti1Image(mask, affine).to_filename(tmp_path / "scans" / "masks" / f"{name}.nii.gz")
    manifest = open_data(tmp_path / "scans")
    manifest = manifest.with_split(pd.Series("test", index=manifest.table["id"]))
    store = PixelStore.open(manifest, 16, cache=tmp_path / "cache")
    found = known_spacings(manifest, range(len(manifest)), Listener())
    rows = pd.DataFrame(
        [mask_row(np.zeros((10, 12), np.uint8), manifest, store, place, spacing) for place, spacing in found.items()]
    )
    assert rows["slice_mm"].tolist() == [5.0] * len(manifest)
    # Everything was missed: in each slice 10 rows and 12 columns of 0.5 mm from corner to corner.
    assert rows["hd95_mm"].tolist() == pytest.approx([np.hypot(5, 6)] * len(manifest))
    volumes = size_agreement(rows)
    # 16 voxels of 0.25 mm2 in 4 slices of 5 mm are 80 mm3.
    assert volumes.unit == "ml" and volumes.true.tolist() == pytest.approx([0.08, 0.08])
    assert volumes.bias.value == pytest.approx(-0.08)
