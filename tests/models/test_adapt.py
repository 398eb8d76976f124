"""A grey encoder is the colour encoder on the grey image repeated, up to rounding, borders included."""

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from medgraft.errors import RecipeError
from medgraft.models import create_encoder
from medgraft.models.adapt import adapt_first_layer, adapt_model
from medgraft.models.weights import Weights

RGB_MEAN, RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _first(layer, images, **options):
    return F.conv2d(layer.normalise(images), layer.weight, **options)


def _weights_of(name):
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    cfg = model.pretrained_cfg
    return Weights("test", "0", "none", cfg["mean"], cfg["std"], model.state_dict())


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "convnext_tiny"])
@pytest.mark.parametrize("size", [(64, 64), (65, 50)])
@torch.no_grad()
def test_sum_equals_the_colour_encoder_on_the_repeated_image(name, size):
    weights = _weights_of(name)
    colour, grey = (create_encoder(name, channels, weights).eval() for channels in (3, 1))
    image = torch.rand(2, 1, *size)
    for ours, theirs in zip(grey(image), colour(image.expand(-1, 3, -1, -1)), strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * max(1.0, theirs.abs().max().item())


@torch.no_grad()
def test_sum_is_exact_at_the_border_of_the_first_convolution():
    torch.manual_seed(1)
    weight, image = torch.randn(8, 3, 7, 7), torch.rand(1, 1, 20, 20)
    colour = adapt_first_layer(weight, RGB_MEAN, RGB_STD, 3)
    grey = adapt_first_layer(weight, RGB_MEAN, RGB_STD, 1)
    options = {"stride": 2, "padding": 3}
    difference = _first(grey, image, **options) - _first(colour, image.expand(-1, 3, -1, -1), **options)
    assert difference.abs().max() < 1e-5 * 7 * 7


def test_equal_statistics_need_one_plane_only():
    layer = adapt_first_layer(torch.ones(4, 3, 3, 3), (0.5,) * 3, (0.5,) * 3, 1)
    assert layer.weight.shape == (4, 1, 3, 3) and torch.all(layer.weight == 3)


def test_mean_averages_weights_and_statistics_by_hand():
    weight = torch.tensor([1.0, 2.0, 6.0]).view(1, 3, 1, 1)
    layer = adapt_first_layer(weight, (0.1, 0.2, 0.3), (0.2, 0.3, 0.4), 1, "mean")
    # (0.5 - 0.2) / 0.3 * (1 + 2 + 6) / 3 = 3
    assert _first(layer, torch.full((1, 1, 1, 1), 0.5)).item() == pytest.approx(3.0, rel=1e-5)


def test_five_channels_cycle_the_colours_and_scale_by_hand():
    weight = torch.tensor([1.0, 2.0, 6.0]).view(1, 3, 1, 1)
    layer = adapt_first_layer(weight, (0.1, 0.2, 0.3), (0.2, 0.4, 0.5), 5)
    assert layer.weight.flatten().tolist() == pytest.approx([0.6, 1.2, 3.6, 0.6, 1.2])
    assert layer.normalise.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3, 0.1, 0.2])
    assert layer.normalise.std.flatten().tolist() == pytest.approx([0.2, 0.4, 0.5, 0.2, 0.4])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.floats(0.0, 1.0))
def test_a_flat_image_at_the_mean_gives_a_response_of_the_same_size(channels, value):
    """With equal statistics and equal colours, the number of channels does not change a response."""
    weight = torch.full((2, 3, 1, 1), 0.7)
    three = _first(adapt_first_layer(weight, (0.5,) * 3, (0.25,) * 3, 3), torch.full((1, 3, 1, 1), value))
    layer = adapt_first_layer(weight, (0.5,) * 3, (0.25,) * 3, channels)
    torch.testing.assert_close(_first(layer, torch.full((1, channels, 1, 1), value)), three)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0"])
def test_encoders_take_any_number_of_channels_and_learn_from_them(name, channels):
    encoder = create_encoder(name, channels)
    encoder(torch.rand(2, channels, 64, 64))[0].mean().backward()
    first = next(p for p in encoder.parameters() if p.dim() == 4)
    assert first.grad is not None and first.grad.abs().sum() > 0
    assert encoder.in_channels == channels


@pytest.mark.parametrize(("channels", "how", "words"), [(1, "avg", "sum, mean"), (0, "sum", "at least 1")])
def test_what_cannot_be_adapted_is_said(channels, how, words):
    with pytest.raises(RecipeError, match=words):
        adapt_first_layer(torch.ones(1, 3, 1, 1), RGB_MEAN, RGB_STD, channels, how)


def test_a_grey_weight_is_repeated_and_divided_by_hand():
    weight = torch.tensor([6.0]).view(1, 1, 1, 1)
    layer = adapt_first_layer(weight, (0.4,), (0.2,), 3)
    assert layer.weight.flatten().tolist() == pytest.approx([2.0, 2.0, 2.0])
    # the average of the colours is 0.5, and (0.5 - 0.4) / 0.2 * 6 = 3
    image = torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1)
    assert _first(layer, image).item() == pytest.approx(3.0, rel=1e-5)
    assert adapt_first_layer(weight, (0.4,), (0.2,), 1).weight is weight


@pytest.mark.parametrize("how", ["sum", "mean"])
def test_a_grey_weight_is_unchanged_for_grey_whatever_the_way(how):
    weight = torch.randn(2, 1, 3, 3)
    layer = adapt_first_layer(weight, (0.4,), (0.2,), 1, how)
    assert layer.weight is weight and layer.normalise.mean.item() == pytest.approx(0.4)


@pytest.mark.parametrize("first", ["0", None, "missing"])
def test_a_first_layer_that_is_no_convolution_takes_the_channels_it_was_made_for(first):
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Conv2d(3, 3, 1))
    normalise = adapt_model(model, first, RGB_MEAN, RGB_STD, 3, "sum")
    assert normalise.mean.flatten().tolist() == pytest.approx(RGB_MEAN)
    with pytest.raises(RecipeError, match="no plain convolution; only images of 3 channels"):
        adapt_model(model, first, RGB_MEAN, RGB_STD, 1, "sum")
