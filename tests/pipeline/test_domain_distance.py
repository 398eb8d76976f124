"""Measuring distances on folders: what is looked at, what is left out, and what is compared with what."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import save_file

from medgraft.data import read_image, resize_image
from medgraft.errors import DataError, RecipeError
from medgraft.models import create_feature_encoder, find_weights
from medgraft.pipeline import distance as room
from medgraft.pipeline.distance import distance_between_data, distance_from_pretraining, distance_from_reference
from medgraft.pipeline.distance_text import lines
from medgraft.progress import Observer
from medgraft.transfer.anchors import Anchors
from medgraft.transfer.distance import from_pretraining

QUIET = {"size": 64, "observer": Observer()}


@pytest.fixture(autouse=True)
def _anchors(monkeypatch):
    """They are measured elsewhere."""
    monkeypatch.setattr(room, "anchors", lambda *_, **__: Anchors(0.07, 8, 0.7, 0.8))


def _weights(name, path):
    """A file of random weights for one of timm's small models; its BatchNorms have seen something."""
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    save_file(model.state_dict(), path)
    return {"encoder": name, "weights": str(path)}


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """Options for an encoder with BatchNorm that is built at once, and how it is told."""
    return _weights("test_resnet", tmp_path_factory.mktemp("weights") / "resnet.safetensors") | QUIET


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    """The same for an encoder without."""
    return _weights("test_vit", tmp_path_factory.mktemp("weights") / "vit.safetensors") | QUIET


@pytest.fixture
def plain(blobs, tmp_path):
    """A folder with 12 images and nothing else that counts."""
    folder = tmp_path / "plain"
    shutil.copytree(blobs / "disc", folder)
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def test_it_is_the_distance_of_the_images_as_a_fit_reads_them(plain):
    report = distance_from_pretraining(plain, **QUIET)
    name = "tf_efficientnet_lite0"
    encoder = create_feature_encoder(name, weights=find_weights(name))
    files = sorted(plain.glob("disc*.png"))
    pixels = np.stack([resize_image(read_image(file, 3, at_least=64), 64) for file in files])
    wanted = from_pretraining(encoder, [pixels], seed=0)
    assert report.layers.value == pytest.approx(wanted.value, rel=1e-5)
    assert (report.data.images, report.data.total, report.data.groups) == (12, 12, None)
    assert report.features is None and report.against is None
    assert report.anchors == Anchors(0.07, 8, 0.7, 0.8)


@pytest.mark.parametrize("data", ["ellipses", "blobs"])
def test_any_data_that_medgraft_opens(data, request, resnet):
    report = distance_from_pretraining(request.getfixturevalue(data), images=6, **resnet)
    assert report.data.images == 6 and report.data.total == {"ellipses": 20, "blobs": 36}[data]
    assert report.layers.n == 6 and report.layers.low < report.layers.value < report.layers.high


def test_the_sample_is_drawn_by_the_seed(blobs, resnet):
    first, again, other = (
        distance_from_pretraining(blobs, images=5, seed=seed, **resnet).layers.value for seed in (1, 1, 2)
    )
    assert first == again != other


def _table(blobs, folder, **columns):
    """The blobs by a CSV in ``folder``."""
    files = sorted(blobs.rglob("*.png"))
    table = pd.DataFrame({"file": list(map(str, files)), "label": [file.parent.name for file in files], **columns})
    folder.mkdir()
    table.to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


def test_test_images_are_not_looked_at(blobs, tmp_path, resnet):
    split = ["train", "val", "test"] * 12
    report = distance_from_pretraining(_table(blobs, tmp_path / "a", split=split), **resnet)
    assert report.data.total == report.data.images == 24
    assert "12 test images are not looked at" in report.data.notes
    only = _table(blobs, tmp_path / "b", split=["test"] * 36)
    with pytest.raises(DataError, match="all images are test images"):
        distance_from_pretraining(only, **resnet)


def test_patients_are_drawn_whole(blobs, tmp_path, resnet):
    patients = np.repeat(np.arange(6), 6)
    table = _table(blobs, tmp_path / "a", case=patients)
    by_image, by_case = (distance_from_pretraining(table, **extra, **resnet) for extra in ({}, {"group": "case"}))
    assert (by_image.data.groups, by_case.data.groups) == (None, 6)
    assert by_image.layers.value == by_case.layers.value
    assert by_image.layers.high - by_image.layers.low < by_case.layers.high - by_case.layers.low


def test_images_that_cannot_be_read_are_left_out_and_said(plain, resnet):
    (plain / "disc_03.png").write_bytes(b"no image")
    (plain / "disc_05.png").write_bytes((plain / "disc_05.png").read_bytes()[:200])
    report = distance_from_pretraining(plain, **resnet)
    assert report.data.images == report.layers.n == 10
    said = report.data.notes[-1]
    assert said.startswith("2 images were left out: ") and "disc_03.png" in said and "disc_05.png" in said
    for file in plain.glob("disc*.png"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"plain: no image can be read; the first says: .*disc_00.png"):
        distance_from_pretraining(plain, **resnet)


def test_deep_images_among_others(plain, resnet):
    own_size = resnet | {"size": 48}
    before = distance_from_pretraining(plain, **own_size).layers.value
    pixels = cv2.imread(str(plain / "disc_00.png"))
    cv2.imwrite(str(plain / "disc_00.png"), pixels.astype(np.uint16) * 257)
    assert distance_from_pretraining(plain, **own_size).layers.value == pytest.approx(before, rel=1e-6)


def test_a_folder_of_nothing_is_refused_as_everywhere(tmp_path, resnet):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="the folder is empty"):
        distance_from_pretraining(tmp_path / "empty", **resnet)
    with pytest.raises(DataError, match="no such folder or file"):
        distance_from_pretraining(tmp_path / "none", **resnet)


def test_a_table_that_was_asked_for_is_not_passed_over(plain, resnet):
    (plain / "labels.csv").write_text("file,label\ndisc_00.png,a\ndisc_01.png,b\n")
    with pytest.raises(DataError, match="cases"):
        distance_from_pretraining(plain, group="cases", **resnet)


def test_a_table_with_a_fault_does_not_bring_its_test_images_back(plain, resnet):
    names = [file.name for file in sorted(plain.glob("disc*.png"))]
    splits = ["test" if number < 4 else "train" for number in range(len(names))]
    labels = ["ab"[number % 2] for number in range(len(names))]
    table = pd.DataFrame({"file": names, "label": labels, "split": splits})
    table.loc[len(table)] = ("gone.png", "a", "train")
    table.to_csv(plain / "labels.csv", index=False)
    with pytest.raises(DataError, match=r"gone\.png"):
        distance_from_pretraining(plain, **resnet)
    (plain / "labels.csv").write_text("when,who\n1,2\n")  # a table of something else
    assert distance_from_pretraining(plain, **resnet).data.images == 12


def test_one_image_has_a_distance_and_no_interval(plain, resnet):
    report = distance_from_pretraining(plain, images=1, **resnet)
    assert report.layers.value > 0 and np.isnan(report.layers.low)
    assert report.to_dict()["layers"]["low"] is None
    assert any("no interval: one image or group alone" in line for line in lines(report))
    with pytest.raises(DataError, match="one image alone"):
        distance_between_data(plain, plain, images=1, **resnet)
    with pytest.raises(RecipeError, match="images: at least 1"):
        distance_from_pretraining(plain, images=0, **resnet)


def test_between_two_folders(plain, ellipses, resnet):
    same, other = distance_between_data(plain, plain, **resnet), distance_between_data(plain, ellipses, **resnet)
    assert same.layers.value == pytest.approx(0, abs=1e-9) and same.features.value == pytest.approx(0, abs=1e-6)
    assert same.layers.high > 0, "the same images, but not the same draws"
    assert other.layers.low > 0.005 and other.features.low > 0
    assert other.features.value > 100 * abs(same.features.value)
    assert (other.features.n, other.features.other_n, other.features.width) == (12, 20, 96)
    assert other.features.inflated and other.anchors is None and other.against.name == ellipses.name
    assert "word" not in other.to_dict()["layers"], "the words are for the distance from pretraining images"


def test_an_encoder_without_batch_norm(plain, ellipses, vit, tmp_path):
    with pytest.raises(RecipeError, match=r"holds no statistics of its pretraining images.*distance A B"):
        distance_from_pretraining(plain, **vit)
    between = distance_between_data(plain, ellipses, **vit)
    assert between.layers is None and between.features.value > 0 and between.features.width == 64
    saved = distance_from_pretraining(ellipses, save_reference=tmp_path / "a.npz", **vit)
    assert saved.layers is None and saved.anchors is None and saved.saved == tmp_path / "a.npz"
    by_file = distance_from_reference(plain, tmp_path / "a.npz", **vit)
    assert by_file.features.value == pytest.approx(between.features.value, rel=1e-4)
    assert by_file.layers is None


def test_a_saved_reference_stands_for_its_images(plain, ellipses, vit, tmp_path, resnet):
    file = tmp_path / "a.npz"
    distance_from_pretraining(ellipses, save_reference=file, **resnet)
    between, by_file = distance_between_data(plain, ellipses, **resnet), distance_from_reference(plain, file, **resnet)
    assert by_file.layers.value == pytest.approx(between.layers.value, rel=1e-6)
    assert by_file.features.value == pytest.approx(between.features.value, rel=1e-3)
    assert by_file.features.high - by_file.features.low < between.features.high - between.features.low
    assert (by_file.against.name, by_file.against.images, by_file.reference) == (ellipses.name, 20, file)
    with pytest.raises(RecipeError, match="with encoder test_resnet, not test_vit"):
        distance_from_reference(plain, file, **vit)
    with pytest.raises(RecipeError, match="add --size 64"):
        distance_from_reference(plain, file, **resnet | {"size": 96})


def test_a_reference_of_one_image_is_refused_and_not_written(plain, tmp_path, resnet):
    with pytest.raises(DataError, match="one image alone"):
        distance_from_pretraining(plain, images=1, save_reference=tmp_path / "a.npz", **resnet)
    assert not (tmp_path / "a.npz").exists()


def test_grey_is_what_a_fit_would_make_of_it(plain, resnet):
    grey = distance_from_pretraining(plain, channels=1, **resnet)
    assert grey.channels == 1
    for file in plain.glob("disc*.png"):
        cv2.imwrite(str(file), cv2.imread(str(file), cv2.IMREAD_GRAYSCALE))
    # Colour weights on one grey plane compute what they do on three equal ones.
    assert distance_from_pretraining(plain, **resnet).layers.value == pytest.approx(grey.layers.value, abs=0.01)


def test_224_pixels_unless_told_or_the_encoder_takes_another_size_only(plain, monkeypatch):
    seen = []
    monkeypatch.setattr(room, "observe", lambda encoder, reader, progress: seen.append(reader.recipe.size) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        distance_from_pretraining(plain, observer=Observer())
    made = room.create_feature_encoder

    def only(*arguments):
        encoder = made(*arguments)
        encoder.only = 96
        return encoder

    monkeypatch.setattr(room, "create_feature_encoder", only)
    with pytest.raises(ZeroDivisionError):
        distance_from_pretraining(plain, observer=Observer())
    assert seen == [224, 96]


def test_the_observer_is_told_and_closed(plain, resnet):
    class Watch(Observer):
        def __init__(self):
            self.told, self.closed = [], 0

        def working(self, what, done, total):
            self.told.append((what, done, total))

        def close(self):
            self.closed += 1

    watch = Watch()
    distance_from_pretraining(plain, **resnet | {"observer": watch})
    assert watch.closed == 1 and watch.told[-1] == ("looking at plain", 12, 12)
    with pytest.raises(DataError):
        distance_from_pretraining(plain / "none", **resnet | {"observer": watch})
    assert watch.closed == 2
