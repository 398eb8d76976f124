"""What all tests share: no network, a cache of their own, and a small data set that a small model can learn."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import cv2
import numpy as np
import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

# The same examples in every run, half as many as usual; `pytest --hypothesis-profile default` looks for others.
settings.register_profile("same", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("same")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("MEDGRAFT_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


def draw_ellipses(folder, count: int = 20, height: int = 48, width: int = 64, seed: int = 0):
    """Bright ellipses on a noisy ground, as images/ and masks/; returns the folder."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for index in range(count):
        mask = np.zeros((height, width), np.uint8)
        centre = (int(rng.integers(20, width - 20)), int(rng.integers(16, height - 16)))
        axes = (int(rng.integers(6, 14)), int(rng.integers(6, 14)))
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
        ground = rng.integers(60, 110, (height, width, 3))
        image = np.where(mask[..., None] > 0, ground + 90, ground).astype(np.uint8)
        cv2.imwrite(str(folder / "images" / f"case_{index:02d}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"case_{index:02d}_mask.png"), mask)
    return folder


@pytest.fixture(scope="session")
def ellipses(tmp_path_factory):
    """A folder of 20 images (48 x 64) with masks."""
    return draw_ellipses(tmp_path_factory.mktemp("ellipses") / "shapes")


def draw_blobs(folder, count: int = 12, classes=("disc", "square", "cross"), side: int = 48, seed: int = 0):
    """A folder a class of images with that shape, bright on a noisy ground; returns the folder."""
    rng = np.random.default_rng(seed)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for index in range(count):
            ground = rng.integers(60, 110, (side, side, 3)).astype(np.uint8)
            x, y, r = int(rng.integers(16, side - 16)), int(rng.integers(16, side - 16)), int(rng.integers(8, 13))
            colour = (200, 190, 180)
            if name == "disc":
                cv2.circle(ground, (x, y), r, colour, -1)
            elif name == "square":
                cv2.rectangle(ground, (x - r, y - r), (x + r, y + r), colour, -1)
            else:
                cv2.line(ground, (x - r, y), (x + r, y), colour, 3)
                cv2.line(ground, (x, y - r), (x, y + r), colour, 3)
            cv2.imwrite(str(folder / name / f"{name}_{index:02d}.png"), ground)
    return folder


@pytest.fixture(scope="session")
def blobs(tmp_path_factory):
    """A folder of three class folders with 12 images (48 x 48) each."""
    return draw_blobs(tmp_path_factory.mktemp("blobs") / "blobs")


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """A folder of two class folders with 16 images (48 x 48) each."""
    return draw_blobs(tmp_path_factory.mktemp("pairs") / "pairs", 16, ("disc", "cross"), seed=1)
