"""The perceptual hash: its bits against another library's cosine transform, its flips, and what it survives."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn

from medgraft.audit.hashing import TURNS, differing_bits, is_flat, perceptual_hash, perceptual_hashes, transposed
from medgraft.audit.near import compare

TURNED = (
    lambda a: a,
    np.fliplr,
    np.flipud,
    lambda a: np.rot90(a, 2),
    np.transpose,
    lambda a: np.rot90(a, -1),
    lambda a: np.rot90(a, 1),
    lambda a: np.rot90(a.T, 2),
)


def picture(seed: int, side: int = 256) -> Image.Image:
    """Smooth blobs of several sizes with a little noise, as different from another seed's as two X-rays are."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side))
    for cells, strength in ((4, 60), (9, 30), (20, 12)):
        coarse = Image.fromarray(rng.normal(0, strength, (cells, cells)).astype(np.float32))
        total += np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(120 + total + rng.normal(0, 3, total.shape), 0, 255).astype(np.uint8))


def small(image: Image.Image) -> npt.NDArray[np.float32]:
    return np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), np.float32)


def bits_of(words: npt.NDArray[np.uint64]) -> list[int]:
    """64 bits of each word, lowest first, by Python's integers."""
    return [int(word) >> place & 1 for word in words for place in range(64)]


def test_the_bits_are_signs_of_the_cosine_transform_by_parity_of_row_and_column() -> None:
    cells = small(picture(1))
    signs = dctn(cells.astype(np.float64))[:16, :16] > 0
    expected = [
        int(signs[2 * i + row, 2 * j + column])
        for row in (0, 1)
        for column in (0, 1)
        for i in range(8)
        for j in range(8)
    ]
    expected[0] = 0  # the constant one says nothing
    assert bits_of(perceptual_hash(cells)) == expected


@pytest.mark.parametrize("turn", range(8))
def test_every_turn_is_recognised_and_named(turn: int) -> None:
    cells = small(picture(2))
    other = perceptual_hash(np.ascontiguousarray(TURNED[turn](cells)))
    near, bits, found = compare(other[None], perceptual_hash(cells)[None])
    assert (bool(near[0]), int(bits[0]), int(found[0])) == (True, 0, turn)
    assert len(TURNS) == 8 and (TURNS[turn] == "") == (turn == 0)


def test_a_transposed_hash_is_the_hash_of_the_transposed_picture() -> None:
    cells = np.stack([small(picture(seed)) for seed in range(5)])
    ours = transposed(perceptual_hashes(cells))
    assert (ours == perceptual_hashes(cells.transpose(0, 2, 1))).all()


def test_brightness_and_contrast_change_nothing() -> None:
    cells = small(picture(3))
    assert (perceptual_hash(cells * 0.4 + 50) == perceptual_hash(cells)).all()


def test_nothing_to_see_gives_no_hash() -> None:
    noise = np.random.default_rng(0).normal(90, 0.2, (32, 32))
    hashes = perceptual_hashes(np.stack([np.full((32, 32), 90.0), noise, small(picture(4))]))
    assert is_flat(hashes).tolist() == [True, True, False]


@pytest.mark.parametrize("seed", range(12))
def test_encoding_at_half_the_size_and_a_flip_stay_within_reach(seed: int) -> None:
    image = picture(seed)
    encoded = io.BytesIO()
    image.resize((128, 128), Image.Resampling.BICUBIC).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
        encoded, "JPEG", quality=50
    )
    near, bits, turn = compare(perceptual_hash(small(Image.open(encoded)))[None], perceptual_hash(small(image))[None])
    assert near[0] and bits[0] <= 15 and TURNS[turn[0]] == "flipped left-right"


def test_different_pictures_are_far_apart() -> None:
    hashes = np.stack([perceptual_hash(small(picture(seed, side=64))) for seed in range(60)])
    one, other = np.triu_indices(60, 1)
    near, bits, _ = compare(hashes[one], hashes[other])
    assert not near.any() and bits.min() > 45


words = st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4)


@settings(max_examples=60, deadline=None)
@given(words, words)
def test_differing_bits_are_counted_after_every_flip(first: list[int], second: list[int]) -> None:
    """By Python's integers: a flip inverts the words of odd columns, of odd rows, or of one of both."""
    full = 2**64 - 1
    coarse = sum(1 << (8 * row + column) for row in range(4) for column in range(4))
    flips = ((0, 0, 0, 0), (0, full, 0, full), (0, 0, full, full), (0, full, full, 0))
    every, low = differing_bits(np.array([first], np.uint64), np.array([second], np.uint64))
    for flip, inverted in enumerate(flips):
        differing = [a ^ b ^ c for a, b, c in zip(first, second, inverted, strict=True)]
        assert int(every[flip, 0]) == sum(word.bit_count() for word in differing)
        assert int(low[flip, 0]) == sum((word & coarse).bit_count() for word in differing)


@pytest.mark.parametrize("side", [28, 64])
def test_small_pictures_survive_encoding_too(side: int) -> None:
    """Their fine frequencies are noise; the coarse ones have to do."""
    for seed in range(10):
        image = picture(seed, side)
        encoded = io.BytesIO()
        image.save(encoded, "JPEG", quality=75)
        near, _, turn = compare(perceptual_hash(small(Image.open(encoded)))[None], perceptual_hash(small(image))[None])
        assert near[0] and turn[0] == 0
