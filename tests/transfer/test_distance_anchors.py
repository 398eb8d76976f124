"""The scale: which photographs, how they are cut, what noise is, and what all come to with the weights of Lite0."""

import numpy as np
import pytest
from PIL import Image

from medgraft.models import create_feature_encoder, find_weights
from medgraft.transfer import anchors as room
from medgraft.transfer.anchors import Anchors, anchors, crops, noise, photograph_files

LITE0 = "tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def lite0():
    return create_feature_encoder(LITE0, weights=find_weights(LITE0))


def test_photographs_are_those_that_packages_ship():
    names = [file.name for file in photograph_files()]
    assert names[:3] == ["china.jpg", "flower.jpg", "grace_hopper.jpg"]
    assert names[3:] == ["astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg"]


def test_without_scikit_image_there_are_fewer(monkeypatch):
    found = room.find_spec
    monkeypatch.setattr(room, "find_spec", lambda name: None if name == "skimage" else found(name))
    assert [file.name for file in photograph_files()] == ["china.jpg", "flower.jpg", "grace_hopper.jpg"]


def test_crops_are_cut_in_turn_by_the_seed(tmp_path):
    files = []
    for value in (0, 100, 200):
        files.append(tmp_path / f"{value}.png")
        Image.new("RGB", (90, 60), (value, value, value)).save(files[-1])
    cut = crops(files, 7, 32, 3)
    assert cut.shape == (7, 32, 32, 3) and cut.dtype == np.uint8
    assert cut[:, 0, 0, 0].tolist() == [0, 100, 200, 0, 100, 200, 0]
    files = photograph_files()[:2]
    assert (crops(files, 4, 32, 3, seed=1) == crops(files, 4, 32, 3, seed=1)).all()
    assert (crops(files, 4, 32, 3, seed=1) != crops(files, 4, 32, 3, seed=2)).any()
    assert crops(files, 2, 32, 1).shape == (2, 32, 32, 1)


def test_crops_have_the_area_and_aspect_they_say(tmp_path, monkeypatch):
    sides = []

    def spy(part, size):
        sides.append(part.shape[:2])
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(room, "resize_image", spy)
    Image.new("RGB", (300, 200)).save(tmp_path / "a.png")
    crops([tmp_path / "a.png"], 300, 32, 3)
    height, width = np.array(sides).T
    area, aspect = height * width / 60_000, width / height
    assert area.min() > 0.07 and area.max() > 0.8 and 0.72 < aspect.min() < 0.85 and 1.2 < aspect.max() < 1.37


def test_noise():
    gaussian, uniform = (noise(kind, 4, 64, 3).astype(float) for kind in ("gaussian", "uniform"))
    # 64 by itself; values below 0 and above 255, 2.3% each, are moved to there: 61.35.
    assert gaussian.mean() == pytest.approx(127, abs=1) and gaussian.std() == pytest.approx(61.35, abs=0.5)
    assert uniform.mean() == pytest.approx(127.5, abs=1) and uniform.std() == pytest.approx(73.9, abs=1)
    assert abs(np.corrcoef(uniform[..., 0].ravel(), uniform[..., 1].ravel())[0, 1]) < 0.03
    assert (noise("gaussian", 1, 32, 1, 5) == noise("gaussian", 1, 32, 1, 5)).all()


def test_lite0_is_at_home_in_photographs_and_not_in_noise(lite0, monkeypatch):
    monkeypatch.setattr(room, "CROPS", 24)
    monkeypatch.setattr(room, "NOISE", 4)
    told = []
    found = anchors(lite0, 128, seed=11, progress=lambda done, total: told.append((done, total)))
    assert found.pictures == len(photograph_files())
    assert found.photographs < 0.15 < 0.5 < min(found.gaussian, found.uniform)
    assert told[-1] == (32, 32) and [done for done, _ in told] == sorted(done for done, _ in told)


def test_they_are_measured_once(lite0, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path))
    calls = []
    measured = Anchors(0.1, 8, 0.7, 0.8)
    monkeypatch.setattr(room, "_measured", lambda *arguments: calls.append(arguments) or measured)
    assert anchors(lite0, 96) == anchors(lite0, 96) == measured and len(calls) == 1
    (kept,) = (tmp_path / "anchors").iterdir()
    for number, spoilt in enumerate(("", "[]", '{"photographs": 1}')):
        kept.write_text(spoilt)
        assert anchors(lite0, 96) == measured and len(calls) == 2 + number
    for encoder, size, seed in ((lite0, 64, 0), (lite0, 96, 1), (create_feature_encoder(LITE0), 96, 0)):
        before = len(calls)
        anchors(encoder, size, seed)
        assert len(calls) == before + 1
    assert len(list((tmp_path / "anchors").iterdir())) == 4


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(lite0, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(room, "_measured", lambda *_: Anchors(0.1, 8, 0.7, 0.8))
    assert anchors(lite0, 96).photographs == 0.1
