"""What is seen of masks: values, foreground, borders, size, and whether they lie on what they outline."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from medgraft.audit.alignment import alignment
from medgraft.audit.scan import scan

Mask = npt.NDArray[np.uint8]


def save(path: Path, pixels: npt.NDArray[np.generic]) -> str:
    Image.fromarray(pixels).save(path)
    return str(path)


def test_values_foreground_and_borders(tmp_path: Path) -> None:
    image = save(tmp_path / "image.png", np.random.default_rng(0).integers(0, 255, (40, 50), dtype=np.uint8))
    corner = np.zeros((40, 50), np.uint8)
    corner[:10, :20] = 128
    corner[5, 5] = 255
    masks = [
        corner,
        np.zeros((40, 50), np.uint8),
        np.full((40, 50), 1, np.uint8),
        np.arange(2000, dtype=np.uint16).reshape(40, 50),
    ]
    names = [save(tmp_path / f"{i}.png", mask) for i, mask in enumerate(masks)]
    found = scan([image] * 4, names).masks
    assert found is not None
    assert found["values"].tolist() == [(0, 128, 255), (0,), (1,), tuple(range(32))]
    assert found["value_count"].tolist() == [3, 1, 1, 2000]
    assert found["foreground"].tolist() == pytest.approx([200 / 2000, 0, 1, 1999 / 2000])
    borders = found[["top", "bottom", "left", "right"]].to_numpy().tolist()
    assert borders == [[True, False, True, False], [False] * 4, [True] * 4, [True] * 4]
    assert found["same_size"].all() and (found["error"] == "").all()


def test_another_size_and_what_cannot_be_read(tmp_path: Path) -> None:
    image = save(tmp_path / "image.png", np.full((40, 50), 7, np.uint8))
    small = save(tmp_path / "small.png", np.zeros((20, 25), np.uint8))
    colour = save(tmp_path / "colour.png", np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8))
    gone = str(tmp_path / "gone.png")
    found = scan([image, image, image, gone], [small, colour, gone, small]).masks
    assert found is not None
    assert found["same_size"].tolist() == [False] * 4
    assert [bool(error) for error in found["error"]] == [False, True, True, False]
    assert "colour image" in found["error"][1] and "no such file" in found["error"][2]
    assert (found["height"][0], found["width"][0]) == (20, 25)
    assert found["fit"].isna().all()


def test_equal_masks_have_equal_digests(tmp_path: Path) -> None:
    image = save(tmp_path / "image.png", np.full((8, 8), 7, np.uint8))
    one, other = np.zeros((2, 8, 8), np.uint8)
    other[7, 7] = 1
    names = [save(tmp_path / f"{i}.png", mask) for i, mask in enumerate((one, other, one))]
    found = scan([image] * 3, names).masks
    assert found is not None
    assert found["digest"][0] == found["digest"][2] != found["digest"][1]


def lesion(seed: int, height: int = 160, width: int = 200, bright: bool = False) -> tuple[Mask, Mask]:
    """An image with a dark (or bright) blob off its centre and an uneven light, and the blob's outline."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    centre = (int(width * rng.uniform(0.25, 0.4)), int(height * rng.uniform(0.6, 0.75)))
    cv2.ellipse(mask, centre, (int(width * 0.16), int(height * 0.1)), float(rng.uniform(20, 70)), 0, 360, 1, -1)
    light = np.add.outer(np.linspace(0, 30, height), np.linspace(0, 20, width))
    image = (
        130
        + light
        + rng.normal(0, 8, mask.shape)
        + (60 if bright else -60) * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3)
    )
    return np.clip(image, 0, 255).astype(np.uint8), mask


@pytest.mark.parametrize("bright", [False, True])
def test_a_mask_in_its_place_is_not_suspected(bright: bool) -> None:
    for seed in range(20):
        image, mask = lesion(seed, bright=bright)
        found = alignment(image, mask > 0)
        assert found.fit > 0.3 and found.better == "" and np.isnan(found.better_fit)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.fliplr, "flipped left-right"),
        (np.flipud, "flipped up-down"),
        (lambda mask: np.rot90(mask, 2), "turned by 180°"),
    ],
)
def test_a_flipped_mask_is_told_how_to_flip_it_back(wrong: object, said: str) -> None:
    for seed in range(10):
        image, mask = lesion(seed)
        found = alignment(image, np.ascontiguousarray(wrong(mask)) > 0)  # type: ignore[operator]
        assert found.better == said and found.better_fit > found.fit + 0.1


def test_a_mask_that_was_turned_by_a_quarter_is_told_how_to_turn_it_back() -> None:
    image, mask = lesion(3, 180, 180)
    found = alignment(image, np.ascontiguousarray(np.rot90(mask, 1)) > 0)
    assert found.better == "turned by 90° clockwise"


def test_a_moved_mask_is_told_where_it_belongs() -> None:
    image, mask = lesion(4, 192, 192)
    found = alignment(image, np.roll(mask, (-30, 24), axis=(0, 1)) > 0)
    assert found.better == "moved by -24 x +30 pixels"


def test_nothing_is_said_where_there_is_no_edge() -> None:
    image, mask = lesion(5)
    for grey, foreground in ((np.full_like(image, 9), mask > 0), (image, mask > 1), (image, mask < 2)):
        found = alignment(grey, foreground)
        assert np.isnan(found.fit) and found.better == ""
