"""Nuclei, drawn one by one by people: how many there are, and what a mask of all of them knows of that."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from monai.metrics.panoptic_quality import compute_panoptic_quality
from scipy.ndimage import label

from medgraft.evaluation import Structures, detection, segmentation_row, structures_of

SHARED = Path(__file__).resolve().parents[3] / "shared"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here, so neither is its data")
NUCLEI = SHARED / "data" / "nuclei"


def read(kind, file):
    return cv2.imread(str(NUCLEI / kind / file.name), cv2.IMREAD_UNCHANGED)


@pytest.fixture(scope="module")
def files():
    return sorted((NUCLEI / "masks").glob("*.png"))[::5]


def test_every_nucleus_is_found_in_its_own_picture_and_the_count_is_the_tables(files):
    table = pd.read_csv(NUCLEI / "labels.csv")
    counts = dict(zip(table["id"], table["n_nuclei"], strict=True))
    for file in files:
        drawn = read("instances", file).astype(np.int32)
        found = Structures.of(drawn, drawn)
        assert found.true == found.found == counts[file.stem]
        assert found.shared == found.true


def test_nuclei_that_touch_are_one_structure_in_a_mask_of_all_of_them(files):
    merged = 0
    for file in files:
        mask, drawn = read("masks", file) > 0, read("instances", file).astype(np.int32)
        parts = structures_of(mask)
        assert parts.max() == label(mask, np.ones((3, 3)))[1]
        against_nuclei = Structures.of(parts, drawn)
        assert against_nuclei.found <= min(against_nuclei.true, against_nuclei.predicted)
        merged += against_nuclei.missed > against_nuclei.extra
        # The same masks, compared as masks, are the same.
        row = segmentation_row(mask.astype(np.uint8), mask.astype(np.uint8), ("ground", "nucleus"))
        assert (row["structure_f1"], row["panoptic_quality"], row["hd95_px"]) == (1, 1, 0)
    assert merged > len(files) / 4


def test_grown_nuclei_are_scored_as_by_monai(files):
    rows = []
    for file in files[::4]:
        truth = structures_of(read("masks", file) > 0)
        grown = structures_of(cv2.dilate((truth > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
        ours = Structures.of(grown, truth)
        theirs = compute_panoptic_quality(torch.from_numpy(grown), torch.from_numpy(truth), smooth_numerator=0)
        assert ours.scores()["panoptic_quality"] == pytest.approx(float(theirs), abs=1e-5)
        rows.append(segmentation_row((grown > 0).astype(int), (truth > 0).astype(int), ("ground", "nucleus")))
        assert rows[-1]["structures_iou"] == pytest.approx(ours.shared)
        assert rows[-1]["hd95_px"] <= 2
    whole = detection(pd.DataFrame(rows))
    assert whole.true == sum(row["structures_true"] for row in rows)
    assert whole.f1.value == pytest.approx(2 * whole.found / (whole.true + whole.predicted))
