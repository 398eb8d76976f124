"""Sliding windows: seamless, at the training's scale, and the same as MONAI's where the two do the same."""

import numpy as np
import pytest
import torch
from fake_runs import PAIR, THREE, Constant, FakeRun, Pixelwise
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import RecipeError
from medgraft.inference import Tiling, Windows, answerer_of
from medgraft.inference.windows import blended, gaussian_weights


def test_weights_of_a_window_worked_by_hand():
    """Size 8: the standard deviation is 1, and pixels lie 0.5, 1.5, 2.5 and 3.5 from the middle."""
    line = np.exp(-(np.array([3.5, 2.5, 1.5, 0.5, 0.5, 1.5, 2.5, 3.5]) ** 2) / 2)
    np.testing.assert_allclose(gaussian_weights(8), np.maximum(np.outer(line, line), 1e-3), rtol=1e-6)


@pytest.mark.parametrize(("sides", "overlap", "corners"), [
    ((8, 8), 0.5, [(0, 0)]),
    ((8, 12), 0.5, [(0, 0), (0, 4)]),
    ((8, 13), 0.5, [(0, 0), (0, 4), (0, 5)]),
    ((8, 20), 0.0, [(0, 0), (0, 8), (0, 12)]),
    ((9, 9), 0.25, [(0, 0), (0, 1), (1, 0), (1, 1)]),
    ((8, 10), 0.99, [(0, 0), (0, 1), (0, 2)]),
])  # fmt: skip
def test_where_windows_lie(sides, overlap, corners):
    assert Tiling(8, 8, 8, overlap).corners(*sides) == corners


@settings(max_examples=25, deadline=None)
@given(height=st.integers(8, 40), width=st.integers(8, 40), overlap=st.floats(0, 0.9), value=st.floats(0, 1, width=32))
def test_a_constant_stays_a_constant(height, width, overlap, value):
    said = blended(
        np.zeros((height, width, 1), np.uint8),
        Tiling(8, 8, 8, overlap),
        lambda windows: np.full((len(windows), 2, 8, 8), value, np.float32),
    )
    assert said.shape == (2, height, width)
    # Each of two sums of at most 8 x 8 windows in float32 rounds 64 times, by a relative 2 ** -24 at most.
    np.testing.assert_allclose(said, value, rtol=2 * 64 * 2**-24, atol=1e-7)
    assert said.max() <= 1


def test_a_model_that_sees_pixels_alone_leaves_no_seam():
    pixels = np.random.default_rng(0).integers(0, 256, (29, 37, 1), dtype=np.uint8)
    said = blended(pixels, Tiling(8, 8, 8, 0.5), lambda windows: windows.transpose(0, 3, 1, 2) / np.float32(255))
    np.testing.assert_allclose(said[0], pixels[..., 0] / 255, atol=1e-6)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.75])
def test_the_same_as_monai(overlap):
    """A model that looks around itself and says something else at the edges of a window."""
    from monai.inferers import sliding_window_inference

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, padding=2), torch.nn.ReLU(), torch.nn.Conv2d(8, 2, 3, padding=1)
    )
    pixels = np.random.default_rng(1).integers(0, 256, (53, 71, 3), dtype=np.uint8)

    @torch.inference_mode()
    def said(windows):
        return model(torch.from_numpy(windows).permute(0, 3, 1, 2).float() / 255).softmax(1).numpy()

    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        theirs = sliding_window_inference(
            image, (16, 16), 4, lambda x: model(x).softmax(1), overlap=overlap, mode="gaussian"
        )
    np.testing.assert_allclose(blended(pixels, Tiling(16, 16, 16, overlap), said), theirs[0].numpy(), atol=2e-6)


def test_an_image_is_seen_at_the_scale_of_the_training(tmp_path):
    """Training images of 32 x 64 became 16 x 16; so an image of 64 x 96 becomes 32 x 24, in 3 x 2 windows."""
    seen = []

    class Watching(Pixelwise):
        def forward(self, images):
            seen.append(tuple(images.shape))
            return super().forward(images)

    run = FakeRun(tmp_path, Watching(), size=16, source_size=[32, 64])
    image = np.random.default_rng(0).integers(0, 256, (64, 96), dtype=np.uint8)
    answerer = answerer_of(run, windows=Windows(0.5))
    assert answerer.look(image).shown[0].shape == (32, 24, 1)
    assert answerer.predict(image).prediction.mask.shape == (64, 96) and seen == [(6, 1, 16, 16)]


def test_an_image_no_larger_than_the_trainings_is_seen_whole(tmp_path):
    run = FakeRun(tmp_path, Pixelwise(), size=16, source_size=[64, 64])
    for shape in ((64, 64), (50, 20)):
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        windowed, whole = (answerer_of(run, windows=w).predict(image).prediction for w in (Windows(), None))
        assert np.array_equal(windowed.probability, whole.probability)


def test_windows_of_several_classes_add_up(tmp_path):
    run = FakeRun(tmp_path, Constant(1.0, 2.0, 0.0, maps=True), THREE, size=16)
    found = answerer_of(run, windows=Windows(0.3, side=20), tta="transpose").predict(np.zeros((50, 33), np.uint8))
    odds = np.exp([1.0, 2.0, 0.0])
    expected = np.broadcast_to((odds / odds.sum())[:, None, None], (3, 50, 33))
    np.testing.assert_allclose(found.prediction.probability, expected, atol=1e-6)
    assert (found.prediction.mask == 1).all()


def test_windows_that_cannot_be(tmp_path):
    with pytest.raises(RecipeError, match=r"overlap.*not 1"):
        Windows(1.0)
    with pytest.raises(RecipeError, match="not 0"):
        Windows(0.5, side=0)
    with pytest.raises(RecipeError, match=r"does not say how large.*--window-side"):
        answerer_of(FakeRun(tmp_path, Pixelwise()), windows=Windows())
    with pytest.raises(RecipeError, match="for masks"):
        answerer_of(FakeRun(tmp_path, Constant(0.0), PAIR), windows=Windows())
