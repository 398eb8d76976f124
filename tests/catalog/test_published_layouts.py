"""The sets of the catalogue in the layouts of their publishers, fetched and then read by their own commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from catalog_archives import below, opened, outline, pairs, parsed_recipe, picture, tarred, zipped
from catalog_server import hurried
from PIL import Image

from medgraft.catalog import find_dataset
from medgraft.catalog.get import get
from medgraft.data import MaskClasses, read_mask
from medgraft.errors import DataError


def served(server, name, bodies):
    """An entry of the catalogue whose files are those of the server, in the order of the entry."""
    entry = find_dataset(name)
    (edition,) = entry.editions
    files = [
        replace(file, url=server.put(f"{name}/{file.name}", body), md5="", sha256="", size=None)
        for file, body in zip(edition.files, bodies, strict=True)
    ]
    return replace(entry, editions=(replace(edition, files=tuple(files)),))


def fetched(server, name, bodies):
    """Get a set of the catalogue in the layout of its publishers; returns it as each of its commands reads it."""
    entry = served(server, name, bodies)
    folder = get(entry, patience=hurried())
    assert str(folder) == f"data/{name}"
    return [opened(command) for command in entry.commands(str(folder))]


def isic(images, masks, ending, count=2, start=0):
    names = [f"ISIC_{start + n:07d}" for n in range(count)]
    return [zipped({f"{images}/{name}.jpg": picture(suffix="jpg") for name in names} | {f"{images}/LICENSE.txt": b"x"}),
            zipped({f"{masks}/{name}_{ending}.png": outline(2) for name in names})]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "stages", "images", "masks", "ending", "splits"),
    [
        ("isic2016", ["Training", "Test"], "ISBI2016_ISIC_Part1_{}_Data", "ISBI2016_ISIC_Part1_{}_GroundTruth",
         "Segmentation", {"train", "test"}),
        ("isic2017", ["Training", "Validation", "Test_v2"], "ISIC-2017_{}_Data", "ISIC-2017_{}_Part1_GroundTruth",
         "segmentation", {"train", "val", "test"}),
        ("isic2018", ["Training", "Validation", "Test"], "ISIC2018_Task1-2_{}_Input", "ISIC2018_Task1_{}_GroundTruth",
         "segmentation", {"train", "val", "test"}),
    ],
)  # fmt: skip
def test_isic(server, place, name, stages, images, masks, ending, splits):
    bodies = []
    for number, stage in enumerate(stages):
        bodies += isic(images.format(stage), masks.format(stage), ending, start=10 * number)
    entry = find_dataset(name)
    urls = [file.url.rpartition("/")[2] for file in entry.editions[0].files]
    assert urls == [f"{pattern.format(stage)}.zip" for stage in stages for pattern in (images, masks)]
    (manifest,) = fetched(server, name, bodies)
    assert len(manifest) == 2 * len(stages) and set(manifest.table["split"]) == splits


def test_ham10000(server, place):
    classes = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
    names = [f"ISIC_{n:07d}" for n in range(6)]
    images = {f"ISIC2018_Task3_Training_Input/{name}.jpg": picture(suffix="jpg") for name in names}
    flags = pd.DataFrame(np.eye(7)[[0, 1, 1, 1, 2, 0]], columns=classes)
    flags.insert(0, "image", names)
    truth = {"ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv": flags.to_csv(index=False)}
    lesions = pd.DataFrame({"image": names[::-1], "lesion_id": list("aabcde")[::-1], "diagnosis_confirm_type": "x"})
    (manifest,) = fetched(server, "ham10000", [zipped(images), zipped(truth), lesions.to_csv(index=False).encode()])
    assert manifest.table["target"].tolist() == ["MEL", "NV", "NV", "NV", "BCC", "MEL"]
    assert manifest.table["group"].tolist() == list("aabcde")
    assert below("data/ham10000") == [*(f"images/{name}.jpg" for name in names), "labels.csv"]


@pytest.mark.parametrize("spoil", ["class", "lesion", "column"])
def test_ham10000_with_tables_that_do_not_fit(server, place, spoil):
    images = {"ISIC2018_Task3_Training_Input/a.jpg": picture(suffix="jpg")}
    flags = "image,MEL,NV\na,1.0,1.0\n" if spoil == "class" else "image,MEL,NV\na,1.0,0.0\n"
    truth = {"ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv": flags}
    lesions = {"class": b"image,lesion_id\na,1\n", "lesion": b"image,lesion_id\nb,1\n", "column": b"image\na\n"}[spoil]
    message = "no column lesion_id" if spoil == "column" else "without one class and one lesion: a"
    with pytest.raises(DataError, match=message):
        fetched(server, "ham10000", [zipped(images), zipped(truth), lesions])
    assert not Path("data/ham10000").exists()


def test_chestxray14(server, place):
    names = [f"{n:08d}_000.png" for n in range(1, 13)]
    parts = [tarred({f"images/{name}": picture(mode="L")}) for name in names]
    entry = served(server, "chestxray14", parts)
    folder = get(entry, patience=hurried())
    assert below(folder) == [f"images/{name}" for name in names]
    labels = ["Cardiomegaly|Effusion", "No Finding", "Effusion", "Cardiomegaly"] * 3
    table = pd.DataFrame({"Image Index": names, "Finding Labels": labels, "Patient ID": range(12), "Patient Age": 5})
    table.to_csv(folder / "Data_Entry_2017_v2020.csv", index=False)
    (command,) = entry.commands(str(folder))
    manifest = opened(command)
    assert len(manifest) == 12 and manifest.classes.names == ("Cardiomegaly", "Effusion")
    assert manifest.table["group"].nunique() == 12


def test_kvasir_seg(server, place):
    members = {"Kvasir-SEG/kavsir_bboxes.json": b"{}"}
    for n in range(3):
        members |= {f"Kvasir-SEG/images/{n}.jpg": picture(suffix="jpg"),
                    f"Kvasir-SEG/masks/{n}.jpg": outline(2, 3, suffix="jpg")}  # fmt: skip
    (manifest,) = fetched(server, "kvasir-seg", [zipped(members)])
    assert len(manifest) == 3
    mask = read_mask(manifest.table["target"][0])
    assert not set(np.unique(mask)) <= {0, 255}  # JPEG blurs the edge
    (command,) = find_dataset("kvasir-seg").commands("x")
    classes = MaskClasses.from_option(parsed_recipe(command).mask_values)
    assert classes.names == ("background", "polyp")
    assert np.flatnonzero(classes.encode(mask, "mask").any(axis=1)).tolist() == [2, 3]


def busi(**changes):
    members = {}
    for label, masks in (("benign", [(1,), (5,)]), ("malignant", [(2,)]), ("normal", [()])):
        for number in (1, 2):
            stem = f"Dataset_BUSI_with_GT/{label}/{label} ({number})"
            members[f"{stem}.png"] = picture()
            endings = ["_mask", "_mask_1"]
            members |= {f"{stem}{ending}.png": outline(*rows) for ending, rows in zip(endings, masks, strict=False)}
    return members | changes


def test_busi(server, place):
    masks, labels = fetched(server, "busi", [zipped(busi())])
    assert len(masks) == 6 and masks.classes is None
    joined = np.asarray(Image.open("data/busi/masks/benign (1).png"))
    assert sorted(np.unique(joined)) == [0, 255] and np.flatnonzero(joined.any(axis=1)).tolist() == [1, 5]
    assert not np.asarray(Image.open("data/busi/masks/normal (1).png")).any()
    assert labels.table["target"].value_counts().to_dict() == {"benign": 2, "malignant": 2, "normal": 2}
    assert len(below("data/busi")) == 13


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Dataset_BUSI_with_GT/benign/stranger.png": b"x"}, "neither the name of an image nor of a mask"),
        ({"Dataset_BUSI_with_GT/benign/benign (3).png": picture()}, r"no mask of benign \(3\)"),
        ({"Dataset_BUSI_with_GT/benign/benign (1)_mask_1.png": picture(0, (5, 5))}, "of another size than the others"),
    ],
)
def test_busi_that_was_changed(server, place, changes, message):
    with pytest.raises(DataError, match=message):
        fetched(server, "busi", [zipped(busi(**changes))])


def test_dsb2018(server, place):
    members = {}
    for name in ("aa", "bb", "cc"):
        members |= {f"{name}/images/{name}.png": picture(), f"{name}/masks/1.png": outline(0),
                    f"{name}/masks/2.png": outline(7)}  # fmt: skip
    (manifest,) = fetched(server, "dsb2018", [zipped(members)])
    assert len(manifest) == 3
    rows = np.asarray(Image.open("data/dsb2018/masks/bb.png")).any(axis=1)
    assert np.flatnonzero(rows).tolist() == [0, 7] and len(below("data/dsb2018")) == 6


def test_an_archive_of_another_layout(server, place):
    with pytest.raises(DataError, match="no folder Dataset_BUSI_with_GT, so its publishers have changed it"):
        fetched(server, "busi", [pairs()])
    with pytest.raises(DataError, match="no image found"):
        fetched(server, "dsb2018", [zipped({"readme.txt": b""})])


def test_aptos2019_as_its_steps_lay_it_out(place):
    images = Path("data/aptos2019/images")
    images.mkdir(parents=True)
    for n in range(10):
        (images / f"{n:04d}.png").write_bytes(picture())
    table = pd.DataFrame({"id_code": [f"{n:04d}" for n in range(10)], "diagnosis": [n % 5 for n in range(10)]})
    table.to_csv("data/aptos2019/train.csv", index=False)
    (command,) = find_dataset("aptos2019").commands("data/aptos2019")
    manifest = opened(command)
    assert len(manifest) == 10 and manifest.classes.names == ("0", "1", "2", "3", "4")
