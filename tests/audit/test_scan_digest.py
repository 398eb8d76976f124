"""The digest of pixels: nothing that differs has the same one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.audit import digest
from medgraft.audit.digest import pixel_digest


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 90), st.integers(1, 90), st.sampled_from([1, 3]), st.booleans())
def test_a_change_of_one_value_changes_it(seed: int, height: int, width: int, channels: int, deep: bool) -> None:
    rng = np.random.default_rng(seed)
    dtype = np.uint16 if deep else np.uint8
    pixels = rng.integers(0, 256, (height, width, channels)).astype(dtype)
    other = pixels.copy()
    where = tuple(int(rng.integers(side)) for side in pixels.shape)
    other[where] ^= dtype(1 << int(rng.integers(8)))
    assert pixel_digest(pixels) == pixel_digest(pixels.copy()) != pixel_digest(other)
    assert 0 <= pixel_digest(pixels) < 2**64


def test_shape_and_depth_count() -> None:
    pixels = np.zeros((6, 8, 1), np.uint8)
    others = [pixels.reshape(8, 6, 1), pixels.reshape(6, 8), pixels.reshape(4, 4, 3), pixels[:, ::2].astype(np.uint16)]
    assert len({pixel_digest(array) for array in (pixels, *others)}) == 5


def test_it_is_of_the_values_and_not_of_their_place_in_memory() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    assert pixel_digest(pixels[::-1, ::2]) == pixel_digest(np.ascontiguousarray(pixels[::-1, ::2]))


@pytest.mark.parametrize("place", [0, 7])
def test_two_changes_in_the_same_byte_of_their_words_do_not_cancel(place: int) -> None:
    """The weak spot of a plain product sum: high bytes alone reach few bits, and pairs of them cancel."""
    base = np.zeros(80_000, np.uint8)
    seen = {pixel_digest(base)}
    rng = np.random.default_rng(1)
    for _ in range(3000):
        changed = base.copy()
        changed[rng.choice(10_000, 2, replace=False) * 8 + place] = 128
        seen.add(pixel_digest(changed))
    assert len(seen) > 2995  # the same two places may be drawn twice


def test_many_images_have_as_many_digests() -> None:
    rng = np.random.default_rng(2)
    assert len({pixel_digest(rng.integers(0, 2, (8, 8, 1), dtype=np.uint8)) for _ in range(20_000)}) == 20_000


def test_pictures_of_more_blocks_than_a_block_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of 134 MB; here with blocks of 16 words, so that sums of blocks are summed again."""
    monkeypatch.setattr(digest, "_BLOCK", 16)
    monkeypatch.setattr(digest, "_PIECE", 64)
    monkeypatch.setattr(digest, "_FACTORS", digest._FACTORS[:, :16])
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (120, 150, 3), dtype=np.uint8)
    seen = {pixel_digest(pixels)}
    for _ in range(300):
        other = pixels.copy()
        other[tuple(int(rng.integers(side)) for side in pixels.shape)] ^= 1 << int(rng.integers(8))
        seen.add(pixel_digest(other))
    assert len(seen) > 295  # the same change may be drawn twice
