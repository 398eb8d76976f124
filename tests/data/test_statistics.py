"""Streaming statistics against numpy on all pixels at once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medgraft.data import statistics
from medgraft.data.statistics import ChannelStatistics
from medgraft.errors import DataError

DTYPES = st.sampled_from([np.uint8, np.uint16])


@settings(max_examples=50, deadline=None)
@given(data=st.data(), dtype=DTYPES, channels=st.integers(1, 4))
def test_any_pieces_give_numpys_answer_on_all_pixels(data: st.DataObject, dtype: type, channels: int) -> None:
    shape = st.tuples(st.integers(1, 4), st.integers(1, 5), st.just(channels))
    pieces = data.draw(st.lists(shape.flatmap(lambda s: hnp.arrays(dtype, s)), min_size=1, max_size=5))
    seen = ChannelStatistics()
    for piece in pieces:
        seen.update(piece)
    pixels = np.concatenate([piece.reshape(-1, channels) for piece in pieces]).astype(np.float64)
    scale = np.iinfo(dtype).max
    assert seen.count == len(pixels)
    np.testing.assert_allclose(seen.mean, pixels.mean(axis=0) / scale, rtol=1e-12)
    np.testing.assert_allclose(seen.std, pixels.std(axis=0) / scale, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_many_pixels_over_several_chunks(dtype: type) -> None:
    top = np.iinfo(dtype).max
    count = 2 * statistics._CHUNK + 17
    pixels = np.random.default_rng(0).integers(0, top, (count, 3), dtype=dtype, endpoint=True)
    seen = ChannelStatistics()
    seen.update(pixels)
    assert seen.mean.dtype == np.float64
    np.testing.assert_allclose(seen.mean, pixels.mean(axis=0, dtype=np.float64) / top, rtol=1e-12)
    np.testing.assert_allclose(seen.std, pixels.std(axis=0, dtype=np.float64) / top, rtol=1e-12)


def test_sums_are_exact_where_float32_would_drift() -> None:
    """A spread of one step in 65535 around the top: 3 of 4 pixels at 65535, one at 65534."""
    pixels = np.full((512, 512, 1), 65535, np.uint16)
    pixels[::2, ::2] = 65534
    seen = ChannelStatistics()
    for _ in range(8):
        seen.update(pixels)
    assert seen.mean[0] == float(Fraction(65535 * 4 - 1, 4 * 65535))
    assert seen.std[0] == pytest.approx(np.sqrt(3 / 16) / 65535, rel=1e-14)


def test_constant_image_has_no_spread() -> None:
    seen = ChannelStatistics()
    seen.update(np.full((100, 100, 3), 51, np.uint8))
    assert seen.mean.tolist() == [0.2] * 3 and seen.std.tolist() == [0.0] * 3


@settings(max_examples=50, deadline=None)
@given(dtype=DTYPES, cut=st.integers(0, 20), seed=st.integers(0, 9))
def test_merge_is_update(dtype: type, cut: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 3, 2)).astype(dtype)
    whole, first, second = ChannelStatistics(), ChannelStatistics(), ChannelStatistics()
    whole.update(pixels)
    for part, piece in ((first, pixels[:cut]), (second, pixels[cut:])):
        part.update(piece)
    first.merge(second)
    assert first.mean.tolist() == whole.mean.tolist() and first.std.tolist() == whole.std.tolist()
    fresh = ChannelStatistics()
    fresh.merge(first)
    fresh.merge(ChannelStatistics())
    assert fresh.mean.tolist() == whole.mean.tolist() and fresh.count == 60


def test_mixed_depth_other_types_and_nothing_are_refused() -> None:
    seen = ChannelStatistics()
    with pytest.raises(DataError, match="no pixels"):
        _ = seen.mean
    with pytest.raises(DataError, match="float32"):
        seen.update(np.zeros((2, 2, 3), np.float32))
    seen.update(np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(DataError, match="uint16"):
        seen.update(np.zeros((2, 2, 3), np.uint16))
    with pytest.raises(DataError, match="1 channels"):
        seen.update(np.zeros((2, 2, 1), np.uint8))
