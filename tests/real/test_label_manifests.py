"""The manifests of real labels: X-rays by patient, blood cells by source image, lesions by diagnosis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medgraft.data import Manifest, assign_folds, assign_splits, open_data

SHARED = Path(__file__).resolve().parents[3] / "shared"
DATA = SHARED / "data"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here, so neither is its data")


def counts(data: Manifest, split: str) -> list[int]:
    return data.presence[data.rows(split)].sum(axis=0).tolist()


def test_xrays_of_the_table_and_of_the_folder_are_the_same() -> None:
    table = open_data(DATA / "nih_cxr" / "labels.csv", group="nih_patient")
    folder = open_data(DATA / "nih_cxr", group="nih_patient")
    assert table.notes == (
        "labels.csv: images from column file, labels from column label, 600 rows",
        "classes in order: no_finding, pneumonia",
        "labels.csv: column nih_patient read as the patient (group), 458 groups",
    )
    assert table.name == folder.name == "nih_cxr" and table.classes == folder.classes
    columns = ["id", "image", "target", "group"]
    ours, theirs = (data.table[columns].sort_values("id").to_numpy().tolist() for data in (table, folder))
    assert ours == theirs and len(ours) == 600
    assert np.bincount(table.labels).tolist() == [300, 300]


def test_xrays_are_split_by_patient_and_class() -> None:
    done = assign_splits(open_data(DATA / "nih_cxr", group="nih_patient"))
    assert [counts(done, split) for split in ("train", "val", "test")] == [[210, 210], [45, 45], [45, 45]]
    assert (done.table.groupby("group")["split"].nunique() == 1).all()


def test_folds_of_xrays() -> None:
    parts = assign_folds(open_data(DATA / "nih_cxr", group="nih_patient"), 5)
    tested = np.array([part.table["split"] == "test" for part in parts])
    assert (tested.sum(axis=0) == 1).all()
    for part in parts:
        assert all(abs(n - 60) <= 2 for n in counts(part, "test"))
        assert all(abs(n - 240 * 0.15 / 0.85) <= 4 for n in counts(part, "val"))
        assert (part.table.groupby("group")["split"].nunique() == 1).all()


def test_blood_cells_keep_their_own_test_set() -> None:
    data = open_data(DATA / "blood_cells" / "labels.csv", group="source_image_group")
    assert data.classes is not None
    assert data.classes.names == ("eosinophil", "lymphocyte", "monocyte", "neutrophil")
    assert data.split_counts() == {"train": 1600, "val": 0, "test": 400}
    done = assign_splits(data)
    assert counts(done, "test") == [100] * 4 and done.table["group"].nunique() == 207
    # Of 400 cells of a class val is owed 70.6; a source image may bring tens of cells.
    assert all(abs(n - 400 * 0.15 / 0.85) <= 12 for n in counts(done, "val"))
    assert (done.table.groupby("group")["split"].nunique() == 1).all()


def test_blood_cells_of_the_folders_have_the_same_split() -> None:
    folder = open_data(DATA / "blood_cells")
    assert "folders train/, test/ read as the split, 1600 train, 0 val, 400 test" in folder.notes
    table = open_data(DATA / "blood_cells" / "labels.csv")
    columns = ["id", "target", "split"]
    assert folder.table[columns].sort_values("id").to_numpy().tolist() == (
        table.table[columns].sort_values("id").to_numpy().tolist()
    )


def test_lesions_have_masks_and_a_diagnosis() -> None:
    masks = open_data(DATA / "isic2017")
    data = open_data(DATA / "isic2017", task="classification")
    assert masks.task == "segmentation" and data.task == "classification" and len(data) == 554
    assert data.classes is not None and data.classes.names == ("melanoma", "nevus", "seborrheic_keratosis")
    assert np.bincount(data.labels).tolist() == [124, 396, 34]
    assert data.split_counts() == {"train": 388, "val": 83, "test": 83}
    assert sorted(data.table["image"]) == sorted(masks.table["image"])
