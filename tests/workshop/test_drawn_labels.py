"""The drawn set with labels: whole patients, the same every time, and read as what it is."""

import numpy as np
import pandas as pd
import pytest

import medgraft as mg
from medgraft.workshop.drawn import drawn_labels


def test_two_images_of_each_patient_share_a_label(tmp_path):
    table = pd.read_csv(drawn_labels(tmp_path / "hair", patients=12, size=40))
    assert (table.groupby("patient").size() == 2).all()
    assert (table.groupby("patient")["label"].nunique() == 1).all()
    assert set(table["label"]) == {"hair", "clear"}


def test_it_is_opened_as_labels_with_patients(tmp_path):
    manifest = mg.open(drawn_labels(tmp_path / "hair", patients=12, size=40))
    assert manifest.task == "classification" and manifest.has_groups
    assert manifest.classes.names == ("clear", "hair")


def test_the_second_image_is_the_first_mirrored(tmp_path):
    manifest = mg.open(drawn_labels(tmp_path / "hair", patients=4, size=40))
    first, second, other, _ = (mg.data.read_image(path).astype(float) for path in manifest.table["image"][:4])
    assert np.corrcoef(first[:, ::-1].ravel(), second.ravel())[0, 1] > 0.9
    assert np.abs(first[:, ::-1] - second).mean() < np.abs(first - other).mean()


def test_the_same_call_gives_the_same_images_and_leaves_them_alone(tmp_path):
    one, two = (drawn_labels(tmp_path / name, patients=2, size=40) for name in ("one", "two"))
    for image in (one.parent / "images").iterdir():
        assert image.read_bytes() == (two.parent / "images" / image.name).read_bytes()
    (one.parent / "images" / "mark.txt").write_text("mine")
    drawn_labels(tmp_path / "one", patients=2, size=40)
    assert (one.parent / "images" / "mark.txt").exists()


def test_what_another_wrote_is_not_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(mg.MedgraftError, match="holds something else"):
        drawn_labels(tmp_path, patients=2, size=40)
