"""The measuring half of an inspection on the real sets: readable, hardly a false near-duplicate, copies found."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medgraft.audit.hashing import TURNS
from medgraft.audit.near import exact_duplicates, near_duplicates
from medgraft.audit.scan import scan
from medgraft.audit.shortcuts import find_shortcuts
from medgraft.data import open_data

SHARED = Path(__file__).resolve().parents[3] / "shared"
DATA = SHARED / "data"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here, so neither is its data")

IMAGES = {"nih_cxr": "*/*.jpg", "isic2017": "images/*.jpg", "nuclei": "images/*.png"}


@pytest.mark.parametrize("name", IMAGES)
def test_different_images_of_one_kind_are_not_taken_for_copies(name: str) -> None:
    files = sorted(map(str, (DATA / name).glob(IMAGES[name])))
    found = scan(files)
    assert found.readable.all() and len(files) >= 200
    assert len(near_duplicates(found.hashes).first) == 0
    assert (exact_duplicates(found) == -1).all()


@pytest.mark.parametrize("name", IMAGES)
def test_copies_that_were_encoded_made_smaller_and_flipped_are_found(name: str, tmp_path: Path) -> None:
    files = sorted((DATA / name).glob(IMAGES[name]))[::10]
    copies = []
    for place, file in enumerate(files):
        with Image.open(file) as image:
            small = image.convert("RGB").resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)
        flips = (None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_90)
        flip = flips[place % 4]
        encoded = io.BytesIO()
        (small if flip is None else small.transpose(flip)).save(encoded, "JPEG", quality=50)
        copies.append(tmp_path / f"{place}.jpg")
        copies[-1].write_bytes(encoded.getvalue())
    near = near_duplicates(scan([*map(str, files), *map(str, copies)]).hashes)
    pairs = dict(zip(zip(near.first.tolist(), near.second.tolist(), strict=True), near.turn.tolist(), strict=True))
    said = ("", "flipped left-right", "flipped up-down", "turned by 90° clockwise")
    right = [TURNS[pairs.get((i, i + len(files)), 7)] == said[i % 4] for i in range(len(files))]
    assert np.mean(right) >= 0.95
    assert len(pairs) <= len(files)


def test_the_xrays_labels_can_be_guessed_from_more_than_lungs() -> None:
    data = open_data(DATA / "nih_cxr" / "labels.csv", group="nih_patient")
    assert data.classes is not None
    groups = data.table["group"].to_numpy()
    found = find_shortcuts(scan(list(data.table["image"])), data.labels, data.classes.names, groups)
    strength = {shortcut.family: shortcut.auc.value for shortcut in found if shortcut.beyond_chance}
    assert {"file size", "border pixels", "coarse layout"} <= set(strength) and min(strength.values()) > 0.55
    same = {shortcut.family for shortcut in found if shortcut.features == 0}
    assert same == {"dimensions", "format"}


def test_masks_of_nuclei_fit_and_flipped_ones_are_suspected(tmp_path: Path) -> None:
    images = sorted((DATA / "nuclei" / "images").glob("*.png"))[:60]
    masks = [DATA / "nuclei" / "masks" / image.name for image in images]
    found = scan(list(map(str, images)), list(map(str, masks))).masks
    assert found is not None and (found["better"] == "").all() and (found["fit"] > 0.3).all()
    flipped = []
    for mask in masks:
        with Image.open(mask) as opened:
            flipped.append(tmp_path / mask.name)
            opened.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(flipped[-1])
    found = scan(list(map(str, images)), list(map(str, flipped))).masks
    assert found is not None and (found["better"] == "flipped left-right").mean() > 0.9
