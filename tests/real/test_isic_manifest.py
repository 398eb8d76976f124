"""The manifests of real folders: ISIC 2017 lesions with their own split, and nuclei without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medgraft.data.formats.raster import image_size, read_mask
from medgraft.data.layouts import open_data
from medgraft.data.masks import MaskClasses
from medgraft.data.split import assign_splits
from medgraft.errors import DataError

SHARED = Path(__file__).resolve().parents[3] / "shared"
DATA = SHARED / "data"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here, so neither is its data")


def test_isic_2017_has_554_images_and_its_own_split() -> None:
    data = open_data(DATA / "isic2017")
    assert len(data) == 554
    assert data.split_counts() == {"train": 388, "val": 83, "test": 83}
    assert any("labels.csv: column split read as the split" in note for note in data.notes)
    assert data.table["diagnosis"].value_counts().to_dict() == {
        "nevus": 396,
        "melanoma": 124,
        "seborrheic_keratosis": 34,
    }


def test_isic_masks_agree_with_the_table() -> None:
    part = open_data(DATA / "isic2017").test.table
    for row in part.head(20).itertuples():
        mask = read_mask(row.target)
        assert mask.shape == image_size(row.image) == (row.h, row.w)
        # The table's fraction was taken before the mask was shrunk.
        classes = MaskClasses.infer(set(np.unique(mask).tolist()), {})
        assert classes.encode(mask, row.target).mean() == pytest.approx(row.lesion_fraction, abs=1e-3)


def test_isic_table_without_a_label_points_to_the_folder() -> None:
    with pytest.raises(DataError, match="Or give the folder"):
        open_data(DATA / "isic2017" / "labels.csv", task="segmentation")


def test_nuclei_are_split_by_foreground() -> None:
    data = open_data(DATA / "nuclei")
    assert len(data) == 200 and not data.has_split
    fraction = data.table["fraction"].to_numpy()
    done = assign_splits(data, fraction)
    assert done.split_counts() == {"train": 140, "val": 30, "test": 30}
    means = [fraction[done.rows(split)].mean() for split in ("train", "val", "test")]
    assert max(means) - min(means) < 0.03
