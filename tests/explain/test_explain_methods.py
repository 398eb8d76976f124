"""Methods on models whose maps can be worked out by hand, and against an independent library where there is one."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from torch import nn

from medgraft.errors import EngineError, RecipeError
from medgraft.explain.layers import MapLayer
from medgraft.explain.methods import METHODS, method_named
from medgraft.explain.target import Target

LAYER = MapLayer("maps", "maps", "channels first")


class LinearInAverages(nn.Module):
    """Two maps of an image of three colours, their averages, and two classes that are linear in them."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Conv2d(3, 2, 1, bias=False)
        self.maps.weight.data = torch.tensor([[1.0, 0, 0], [0, 1, 0]])[..., None, None]
        self.head = nn.Linear(2, 2)
        self.head.weight.data = torch.tensor([[2.0, -1.0], [-3.0, 1.0]])
        self.head.bias.data = torch.tensor([0.5, -7.0])

    def forward(self, images):
        return self.head(self.maps(images).mean(dim=(2, 3)))


class LinearInPixels(nn.Module):
    """One logit: a weighted sum of all pixels."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float32))

    def forward(self, images):
        return (images * self.weights).sum(dim=(1, 2, 3))[:, None]


def red_and_green(red, green):
    """Pixels [2, 2, 3] with these values of 255."""
    return np.stack([red, green, np.zeros((2, 2))], axis=2).astype(np.uint8)


@pytest.mark.parametrize("name", ["gradcam", "hirescam"])
def test_cams_behind_a_global_average_are_class_activation_maps(name):
    """CAM of class 0 is (2 red - green) / 4 places, cut off at 0; of 255, red is 0, 51, 102, 255."""
    pixels = red_and_green([[0, 51], [102, 255]], [[255, 0], [51, 0]])
    found = METHODS[name].find(LinearInAverages(), pixels, Target("a", 0), LAYER).map
    assert found == pytest.approx(np.array([[0.0, 0.4], [0.6, 2.0]]) / 4, abs=1e-6)


def test_the_first_of_two_classes_is_the_other_ones_negative():
    """-(2 red - green) / 4, cut off at 0."""
    pixels = red_and_green([[0, 51], [102, 255]], [[255, 0], [51, 0]])
    found = METHODS["gradcam"].find(LinearInAverages(), pixels, Target("not a", 0, -1.0), LAYER).map
    assert found == pytest.approx(np.array([[0.25, 0], [0, 0]]), abs=1e-6)


def test_hirescam_takes_each_places_own_gradient_and_gradcam_the_average():
    """The answer is the sum of a map times place weights 1, 0, 0, -5: a mean gradient of -1 hides all that is there."""

    class Placed(nn.Module):
        def __init__(self):
            super().__init__()
            self.maps = nn.Conv2d(3, 1, 1, bias=False)
            self.maps.weight.data = torch.tensor([1.0, 0, 0])[None, :, None, None]

        def forward(self, images):
            return (self.maps(images) * torch.tensor([[1.0, 0], [0, -5]])).sum(dim=(2, 3))

    pixels = red_and_green([[255, 255], [255, 51]], np.zeros((2, 2)))
    own = METHODS["hirescam"].find(Placed(), pixels, Target("a", 0), LAYER).map
    mean = METHODS["gradcam"].find(Placed(), pixels, Target("a", 0), LAYER).map
    assert own == pytest.approx(np.array([[1.0, 0], [0, 0]]))
    assert not mean.any()


def test_integrated_gradients_of_a_linear_model_are_weight_times_difference_from_the_mean_colour():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 8, 8)).astype(np.float32)
    pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    found = METHODS["integrated_gradients"].find(LinearInPixels(weights), pixels, Target("a", 0), None)
    x = pixels.transpose(2, 0, 1) / 255
    by_hand = (weights * (x - x.mean(axis=(1, 2), keepdims=True))).sum(axis=0)
    assert found.map == pytest.approx(by_hand, abs=1e-5)
    assert found.notes == ()


def test_integrated_gradients_add_up_to_the_difference_of_a_curved_model_too():
    """The logit is the sum of squares: from the mean colour on it rises by the sum of x squared less the mean's."""

    class Squares(LinearInPixels):
        def forward(self, images):
            return super().forward(images**2)

    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    found = METHODS["integrated_gradients"].find(Squares(np.ones((3, 8, 8))), pixels, Target("a", 0), None)
    x = pixels / 255
    assert found.map.sum() == pytest.approx((x**2).sum() - 64 * (x.mean(axis=(0, 1)) ** 2).sum(), rel=1e-4)
    assert found.notes == ()


def test_a_jump_that_no_gradient_sees_is_said_not_to_add_up():
    """A step has no slope anywhere, so that attributions of 0 stand against a difference of 1."""

    class Step(LinearInPixels):
        def forward(self, images):
            brightest = images.amax(dim=(1, 2, 3))[:, None]
            return (brightest > 0.9).float() + 0 * super().forward(images)

    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[3, 3] = 255
    found = METHODS["integrated_gradients"].find(Step(np.ones((3, 8, 8))), pixels, Target("a", 0), None)
    assert not found.map.any()
    assert len(found.notes) == 1 and "add up to 0 and not to 1," in found.notes[0] and "256 points" in found.notes[0]


def test_occlusion_peaks_at_the_one_patch_that_a_model_looks_at():
    weights = np.zeros((3, 48, 48), np.float32)
    weights[:, 8:16, 28:36] = 1
    pixels = np.random.default_rng(0).integers(0, 60, (48, 48, 3), dtype=np.uint8)
    pixels[8:16, 28:36] = 250
    found = METHODS["occlusion"].find(LinearInPixels(weights), pixels, Target("a", 0), None).map
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 8 <= row < 16 and 28 <= column < 36
    assert np.clip(found, 0, None)[4:20, 24:40].sum() > 0.9 * np.clip(found, 0, None).sum()


def test_occlusion_finds_the_falls_that_captum_finds_with_the_same_patches():
    """48 pixels make 12 cells of 4; between their middles the map is bilinear, so its mean over a cell tells little."""
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(3, 48, 48)).astype(np.float32)
    pixels = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
    model = LinearInPixels(weights)
    images = torch.from_numpy(pixels.transpose(2, 0, 1)[None] / np.float32(255))
    mean = torch.from_numpy(pixels.mean(axis=(0, 1)).round()[None, :, None, None] / np.float32(255)).float()
    theirs = Occlusion(model).attribute(
        images, sliding_window_shapes=(3, 8, 8), strides=(3, 4, 4), baselines=mean.expand_as(images), target=0
    )
    cells = theirs[0, 0].numpy()[::4, ::4]
    ours = METHODS["occlusion"].find(model, pixels, Target("a", 0), None).map
    # Halfway between four pixels lies the middle of a cell.
    middles = (ours[1::4, 1::4] + ours[2::4, 1::4] + ours[1::4, 2::4] + ours[2::4, 2::4]) / 4
    inner = slice(1, -1)
    expected = cells.copy()
    # Averaging at an eighth of a cell from the middle mixes in the neighbours: 7/8 and 1/8, halved on either side.
    for axis in (0, 1):
        padded = np.pad(expected, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        before, after = (np.take(padded, range(start, start + 12), axis) for start in (0, 2))
        expected = 0.875 * expected + 0.0625 * (before + after)
    assert middles[inner, inner] == pytest.approx(expected[inner, inner], abs=1e-3)


def test_methods_are_known_by_name():
    with pytest.raises(RecipeError, match="Did you mean gradcam"):
        method_named("gradcamm")


def test_without_captum_the_extra_is_named_and_occlusion_still_works(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(EngineError, match=r"pip install 'medgraft\[explain\]'"):
        method_named("gradcam")
    assert method_named("occlusion").title == "Occlusion"
