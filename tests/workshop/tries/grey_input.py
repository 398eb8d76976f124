"""First convolutions for grey images."""

import copy

import torch
from torch import nn


def in_place(layer):
    """The same object, with other weights."""
    layer.weight = nn.Parameter(layer.weight.data.sum(1, keepdim=True))
    layer.in_channels = 1
    return layer


class Grey(nn.Conv2d):
    """A class of its own, which a learner may call like a function."""

    def __init__(self, rgb):
        super().__init__(1, rgb.out_channels, rgb.kernel_size, stride=rgb.stride, padding=rgb.padding,
                         dilation=rgb.dilation, bias=False)  # fmt: skip
        total = 0
        for channel in range(rgb.in_channels):
            total = total + rgb.weight[:, channel : channel + 1].detach()
        self.weight.data = total
        self.bias = copy.deepcopy(rgb.bias)


def _like(conv, **changes):
    made = {name: getattr(conv, name) for name in ("kernel_size", "stride", "padding", "dilation")}
    return nn.Conv2d(1, conv.out_channels, bias=conv.bias is not None, **{**made, **changes})


def _with(conv, weight, **changes):
    new = _like(conv, **changes)
    new.weight.data.copy_(weight)
    if conv.bias is not None:
        new.bias.data.copy_(conv.bias)
    return new


def mean(conv):
    return _with(conv, conv.weight.mean(1, keepdim=True))


def first(conv):
    return _with(conv, conv.weight[:, :1])


def luminance(conv):
    factors = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return _with(conv, (conv.weight * factors).sum(1, keepdim=True))


def bias_lost(conv):
    new = _with(conv, conv.weight.sum(1, keepdim=True))
    new.bias = None
    return new


def stride_lost(conv):
    return _with(conv, conv.weight.sum(1, keepdim=True), stride=1, padding=conv.kernel_size[0] // 2)


def dilation_lost(conv):
    return _with(conv, conv.weight.sum(1, keepdim=True), dilation=1)


class Copies(nn.Module):
    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def forward(self, images):
        return self.conv(images.expand(-1, 3, -1, -1))


def fixed(conv):
    new = _with(conv, conv.weight.sum(1, keepdim=True))
    return new.requires_grad_(False)


def by_state(conv):
    """A new layer that is given everything by name, and the old one's state."""
    names = ("out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    new = nn.Conv2d(in_channels=1, bias=conv.bias is not None, **{name: getattr(conv, name) for name in names})
    new.load_state_dict({name: v.sum(1, keepdim=True) if v.ndim == 4 else v for name, v in conv.state_dict().items()})
    return new


RIGHT = [in_place, Grey, by_state]
WRONG = {
    "mean": mean, "first-channel": first, "luminance": luminance, "random-weights": _like, "bias-lost": bias_lost,
    "stride-lost": stride_lost, "three-channels": Copies, "no-parameter": fixed,
}  # fmt: skip
ALSO_WRONG = [("stride-lost", dilation_lost)]
