"""Augmentation: one map for image and mask, worked colours, and chance that comes from the given generator alone."""

from __future__ import annotations

import colorsys
import random
from typing import Any

import albumentations
import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from medgraft.data.augment import Augmenter
from medgraft.data.colour import Colour, sample_colour
from medgraft.data.geometry import Geometry, sample_geometry
from medgraft.errors import DataError
from medgraft.policy import POLICIES, Augment

SQUARE = np.arange(25, dtype=np.uint8).reshape(5, 5)


def photo(size: int = 48, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(3)
    image = cv2.GaussianBlur(rng.integers(0, 256, (size, size, channels), dtype=np.uint8), (0, 0), 3)
    return cv2.normalize(image, None, 30, 220, cv2.NORM_MINMAX).reshape(size, size, channels)


def blob(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2 - 4, height // 2 + 3), (width // 4, height // 6), 30, 0, 360, 1, -1)
    return mask


def moved(geometry: Geometry, pixels: np.ndarray = SQUARE) -> tuple[np.ndarray, np.ndarray]:
    image, mask = geometry.apply(np.ascontiguousarray(pixels)[..., None], np.ascontiguousarray(pixels))
    assert mask is not None
    return image[..., 0], mask


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        (Geometry(flip_horizontal=True), SQUARE[:, ::-1]),
        (Geometry(flip_vertical=True), SQUARE[::-1]),
        (Geometry(rotation=90), np.rot90(SQUARE)),
        (Geometry(rotation=180), np.rot90(SQUARE, 2)),
        (Geometry(rotation=-90), np.rot90(SQUARE, -1)),
        # Flipped first, then turned.
        (Geometry(flip_horizontal=True, rotation=90), np.rot90(SQUARE[:, ::-1])),
        # A fifth of five pixels to the right, two fifths down; the reflection enters (without the edge twice).
        (Geometry(shift=(0.2, 0.0)), SQUARE[:, [1, 0, 1, 2, 3]]),
        (Geometry(shift=(0.0, 0.4)), SQUARE[[2, 1, 0, 1, 2]]),
        # Twice as large: of rows and columns 1, 1.5, 2, 2.5, 3 every second one is a whole pixel.
        (Geometry(scale=2.0), None),
    ],
)
def test_worked_geometry(geometry: Geometry, expected: np.ndarray | None) -> None:
    image, mask = moved(geometry)
    if expected is None:
        assert image[::2, ::2].tolist() == SQUARE[1:4, 1:4].tolist() == mask[::2, ::2].tolist()
        assert image[0, :3].tolist() == [6, 6, 7] or image[0, :3].tolist() == [6, 7, 7]  # 6, 6.5, 7
        return
    assert image.tolist() == expected.tolist() == mask.tolist()


def test_oblong_images_keep_their_shape_and_centre() -> None:
    oblong = np.zeros((5, 9), np.uint8)
    oblong[2, 4] = 200
    image, mask = moved(Geometry(rotation=90), oblong)
    # The five columns in the middle hold the turned middle; beyond them lies its reflection.
    assert image.shape == mask.shape == (5, 9)
    assert image[2, 4] == mask[2, 4] == 200 and image[:, 2:7].sum() == mask[:, 2:7].sum() == 200


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.sampled_from([(64, 64), (48, 80), (65, 63)]),
    elastic=st.sampled_from([0.0, 0.03, 0.1]),
)
def test_image_and_mask_move_by_the_same_map(seed: int, shape: tuple[int, int], elastic: float) -> None:
    policy = Augment(
        flip_horizontal=0.5, flip_vertical=0.5, rotation=180, scale=0.2, shift=0.1, elastic=elastic
    )  # fmt: skip
    mask = blob(*shape) * np.uint8(7)
    image, changed = Augmenter(policy)((mask > 0)[..., None] * np.uint8(255), mask, np.random.default_rng(seed))
    # Class 7 never becomes a class between.
    assert changed is not None and changed.dtype == np.uint8 and set(np.unique(changed)) <= {0, 7}
    # Bilinear and nearest may differ only where the image is between 0 and 255, that is on the outline.
    assert (changed[image[..., 0] == 255] == 7).all() and (changed[image[..., 0] == 0] == 0).all()
    # And there half a pixel decides, up to OpenCV's coordinates in 1/32 pixel.
    assert (changed[image[..., 0] > 200] == 7).mean() > 0.97


def test_the_elastic_field_moves_pixels_where_it_says() -> None:
    field = np.zeros((3, 3, 2), np.float32)
    field[..., 0] = 0.25  # read a quarter of the width further right, everywhere
    ramp = np.tile(np.arange(16, dtype=np.uint8) * 10, (16, 1))
    image, mask = moved(Geometry(elastic=field), ramp)
    assert image[:, :12].tolist() == ramp[:, 4:].tolist() == mask[:, :12].tolist()


def test_elastic_stays_within_its_range() -> None:
    for seed in range(20):
        field = sample_geometry(Augment(elastic=0.03), np.random.default_rng(seed)).elastic
        assert field is not None and 0.01 < np.abs(field).max() <= 0.03


def test_draws_stay_in_range_and_reach_both_ends() -> None:
    policy = POLICIES["dermoscopy"]
    rng = np.random.default_rng(0)
    shapes = [sample_geometry(policy, rng) for _ in range(2000)]
    colours = [sample_colour(policy, rng) for _ in range(2000)]
    for values, low, high in (
        ([g.rotation for g in shapes], -180, 180),
        ([g.scale for g in shapes], 0.8, 1.2),
        ([g.shift[0] for g in shapes], -0.1, 0.1),
        ([c.brightness for c in colours], 0.8, 1.2),
        ([c.hue for c in colours], -0.03, 0.03),
    ):
        assert low <= min(values) < low + 0.01 * (high - low) and high >= max(values) > high - 0.01 * (high - low)
    assert 0.45 < np.mean([g.flip_horizontal for g in shapes]) < 0.55


@pytest.mark.parametrize("policy", [Augment(), POLICIES["none"]])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_identity_is_bit_identical(policy: Augment, dtype: Any) -> None:
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (31, 37, 3), dtype=dtype)
    mask = blob(31, 37)
    for seed in range(5):
        same, same_mask = Augmenter(policy)(image, mask, np.random.default_rng(seed))
        np.testing.assert_array_equal(same, image)
        np.testing.assert_array_equal(same_mask, mask)


@pytest.mark.parametrize(
    ("colour", "enhancer", "factor"),
    [
        (Colour(brightness=0.8), ImageEnhance.Brightness, 0.8),
        (Colour(brightness=1.15), ImageEnhance.Brightness, 1.15),
        (Colour(contrast=0.7), ImageEnhance.Contrast, 0.7),
        (Colour(contrast=1.2), ImageEnhance.Contrast, 1.2),
        (Colour(saturation=0.5), ImageEnhance.Color, 0.5),
        (Colour(saturation=1.3), ImageEnhance.Color, 1.3),
    ],
)
def test_colour_agrees_with_pil(colour: Colour, enhancer: Any, factor: float) -> None:
    image = photo()
    expected = np.asarray(enhancer(Image.fromarray(image)).enhance(factor)).astype(int)
    # PIL rounds the grey it blends with, and truncates.
    assert np.abs(colour.apply(image).astype(int) - expected).max() <= 2
    assert np.abs(expected - image).max() > 10


def test_hue_turns_the_colour_plane_and_keeps_luma_and_greys() -> None:
    image = photo() // 2 + 60
    image[0, 0] = 128
    turned = Colour(hue=0.1).apply(image)
    assert turned[0, 0].tolist() == [128] * 3
    for before, after in ((image[5, 5], turned[5, 5]), (image[20, 33], turned[20, 33])):
        y, i, q = colorsys.rgb_to_yiq(*(before / 255))
        y2, i2, q2 = colorsys.rgb_to_yiq(*(after / 255))
        angle = 0.1 * 2 * np.pi
        expected = y, i * np.cos(angle) - q * np.sin(angle), i * np.sin(angle) + q * np.cos(angle)
        assert (y2, i2, q2) == pytest.approx(expected, abs=0.008)


def test_one_matrix_equals_the_steps_one_by_one() -> None:
    image = photo() // 3 + 80  # far from black and white, where clipping once or four times is the same
    together = Colour(brightness=1.1, contrast=0.9, saturation=1.2, hue=0.05).apply(image)
    steps = image
    for step in (Colour(brightness=1.1), Colour(contrast=0.9), Colour(saturation=1.2), Colour(hue=0.05)):
        steps = step.apply(steps)
    assert np.abs(together.astype(int) - steps).max() <= 3


def test_sixteen_bits_get_the_same_change_in_their_own_units() -> None:
    image = photo()
    colour = Colour(brightness=1.1, contrast=0.8, saturation=1.2, hue=0.03)
    deep = colour.apply(image.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    # Half a level of rounding, and OpenCV's fixed-point arithmetic on 8 bits.
    assert np.abs(deep / 257 - colour.apply(image)).max() < 0.6


def test_grey_images_keep_their_values_under_hue_and_saturation() -> None:
    image = photo(channels=1)
    np.testing.assert_array_equal(Colour(saturation=0.5, hue=0.3).apply(image), image)
    brighter = Colour(brightness=1.2).apply(image)
    assert brighter.shape == image.shape
    np.testing.assert_allclose(brighter, np.minimum(image * 1.2, 255), atol=0.51)


def test_white_stays_white_when_brightened() -> None:
    for dtype in (np.uint8, np.uint16):
        white = np.full((4, 4, 3), np.iinfo(dtype).max, dtype)
        np.testing.assert_array_equal(Colour(brightness=1.2).apply(white), white)


def test_the_mask_is_not_touched_by_colour_and_the_sources_are_left_alone() -> None:
    image, mask = photo(), blob(48, 48)
    image.flags.writeable = mask.flags.writeable = False
    changed, changed_mask = Augmenter(Augment(brightness=0.5))(image, mask, np.random.default_rng(0))
    assert (changed != image).any()
    np.testing.assert_array_equal(changed_mask, mask)
    assert Augmenter(POLICIES["microscopy"])(image, None, np.random.default_rng(0))[1] is None


def chancy(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    image[...] = np.random.randint(0, 255, image.shape)
    image[0, 0] = random.randrange(255)
    image[1, 1] = int(torch.randint(255, ()))
    return image, mask


def flip(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return image[:, ::-1], mask[:, ::-1]


COMPOSE = albumentations.Compose(
    [
        albumentations.HorizontalFlip(p=0.5),
        albumentations.RandomBrightnessContrast(p=1.0),
        albumentations.Affine(rotate=(-90, 90), p=1.0),
    ]
)


@pytest.mark.parametrize("extra", [None, chancy, COMPOSE, albumentations.Affine(rotate=(-90, 90), p=1.0)])
def test_the_generator_decides_everything(extra: Any) -> None:
    augmenter = Augmenter(POLICIES["microscopy"], extra)
    results = []
    for seed in (7, 8, 7):
        random.seed(len(results))
        np.random.seed(len(results))
        torch.manual_seed(len(results))
        results.append(augmenter(photo(), blob(48, 48), np.random.default_rng(seed)))
    for first, other in zip(results[0], results[2], strict=True):
        np.testing.assert_array_equal(first, other)
    assert (results[0][0] != results[1][0]).mean() > 0.5


def test_global_generators_are_left_as_they_were() -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    Augmenter(POLICIES["dermoscopy"], chancy)(photo(), blob(48, 48), np.random.default_rng(0))
    with pytest.raises(ZeroDivisionError):
        Augmenter(Augment(), lambda image, mask: 1 / 0)(photo(), blob(48, 48), np.random.default_rng(0))
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == expected


def test_a_callable_gets_writable_arrays_of_its_own_and_may_return_views() -> None:
    image, mask = photo(), blob(48, 48)
    before = image.copy()
    Augmenter(Augment(), chancy)(image, mask, np.random.default_rng(0))
    np.testing.assert_array_equal(image, before)
    changed, changed_mask = Augmenter(Augment(), flip)(image, mask, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, image[:, ::-1])
    np.testing.assert_array_equal(changed_mask, mask[:, ::-1])


def test_albumentations_moves_image_and_mask_together() -> None:
    mask = blob(48, 48)
    extra = albumentations.Compose([albumentations.HorizontalFlip(p=1.0)])
    image, changed = Augmenter(Augment(), extra)(mask[..., None] * np.uint8(9), mask, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, mask[:, ::-1])
    np.testing.assert_array_equal(image[..., 0], mask[:, ::-1] * 9)
    assert Augmenter(Augment(), extra)(photo(), None, np.random.default_rng(0))[1] is None


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (lambda image, mask: image, "must return"),
        (lambda image, mask: (image[:8], mask), "shape and type must stay"),
        (lambda image, mask: (image / 255, mask), "float64"),
        (lambda image, mask: (image, None), "the mask came back as NoneType"),
        (albumentations.Compose([albumentations.RandomCrop(8, 8)]), r"Compose.*\(8, 8, 3\)"),
        (albumentations.Compose([albumentations.ToTensorV2()]), "Tensor"),
    ],
)
def test_a_callable_that_returns_something_else_is_told(extra: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Augmenter(Augment(), extra)(photo(), blob(48, 48), np.random.default_rng(0))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("elastic", [0.0, 0.05])
def test_channels_are_moved_alike_whatever_their_number(dtype: Any, elastic: float) -> None:
    rng = np.random.default_rng(3)
    geometry = sample_geometry(POLICIES["dermoscopy"].model_copy(update={"elastic": elastic}), rng)
    image = rng.integers(0, np.iinfo(dtype).max, (37, 53, 3), dtype=dtype)
    moved, _ = geometry.apply(image, None)
    alone = [geometry.apply(image[..., [channel]], None)[0][..., 0] for channel in range(3)]
    assert moved.shape == image.shape and moved.flags["C_CONTIGUOUS"]
    # OpenCV rounds to 1/32 of a pixel in either, by code of its own for each number of channels.
    assert np.abs(moved.astype(int) - np.stack(alone, axis=-1)).max() <= np.iinfo(dtype).max // 255
