"""The plain U-Net: its size by hand, its shapes, its parts."""

from itertools import pairwise

import pytest
import torch

from medgraft.models import Down, UNet, Up
from medgraft.models.unet import DoubleConv


def test_parameters_by_hand():
    def double(i, o):  # two 3x3 kernels without bias, two BatchNorms of weight and bias
        return 9 * i * o + 9 * o * o + 4 * o

    widths = (64, 128, 256, 512, 1024)
    steps = list(pairwise(widths))
    down = double(3, 64) + sum(double(a, b) for a, b in steps)
    up = sum(4 * b * a + a + double(2 * a, a) for a, b in steps)
    expected = down + up + 64 + 1
    assert expected == 31_037_633
    assert sum(p.numel() for p in UNet(in_channels=3, classes=1).parameters()) == expected


@pytest.mark.parametrize("size", [(32, 32), (65, 50), (47, 33), (64, 96)])
@pytest.mark.parametrize(("channels", "classes"), [(1, 1), (3, 4), (5, 2)])
@torch.no_grad()
def test_logits_have_the_size_of_the_input(size, channels, classes):
    model = UNet(channels, classes, widths=(4, 6, 8, 10, 12)).eval()
    assert model(torch.rand(2, channels, *size)).shape == (2, classes, *size)
    assert (model.in_channels, model.classes, model.encoder) == (channels, classes, None)


def test_parts_have_their_shapes():
    assert DoubleConv(3, 8)(torch.rand(2, 3, 9, 7)).shape == (2, 8, 9, 7)
    assert Down(3, 8)(torch.rand(2, 3, 9, 7)).shape == (2, 8, 4, 3)
    assert Up(16, 8)(torch.rand(2, 16, 4, 3), torch.rand(2, 8, 9, 7)).shape == (2, 8, 9, 7)


@torch.no_grad()
def test_statistics_given_act_as_normalising_beforehand():
    torch.manual_seed(0)
    plain, normalising = (
        UNet(widths=(4, 8)).eval(),
        UNet(widths=(4, 8), mean=(0.2,) * 3, std=(0.5,) * 3).eval(),
    )
    state = {k: v for k, v in plain.state_dict().items() if not k.startswith("normalise")}
    normalising.load_state_dict(state, strict=False)
    images = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(normalising(images), plain((images - 0.2) / 0.5))


def test_every_parameter_learns():
    model = UNet(widths=(4, 6, 8))
    model(torch.rand(2, 3, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
