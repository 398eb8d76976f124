"""Double convolutions that learners write."""

import torch
from torch import nn
from torch.nn import functional as F

from medgraft.models.unet import DoubleConv


class InForward(nn.Module):
    """Layers by name, with biases, with He's initialisation, and F.relu."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.a = nn.Conv2d(c_in, c_out, 3, padding="same")
        self.b = nn.Conv2d(c_out, c_out, 3, padding="same")
        self.norm_a, self.norm_b = nn.BatchNorm2d(c_out), nn.BatchNorm2d(c_out)
        for conv in (self.a, self.b):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def forward(self, x):
        x = F.relu(self.norm_a(self.a(x)))
        return F.relu(self.norm_b(self.b(x)))


def as_function(in_channels, out_channels):
    """A function that makes one, with a hidden width of its own."""
    layers = []
    for a, b in ((in_channels, out_channels + 3), (out_channels + 3, out_channels)):
        layers += [nn.ZeroPad2d(1), nn.Conv2d(a, b, 3), nn.BatchNorm2d(b, momentum=0.01), nn.ReLU()]
    return nn.Sequential(*layers)


def of(*parts):
    """A class of these layers; c and n stand for convolution and BatchNorm, r for ReLU, others make layers."""

    class Made(nn.Sequential):
        def __init__(self, in_channels, out_channels):
            channels, layers = in_channels, []
            for part in parts:
                if callable(part):
                    layers.append(part(channels, out_channels))
                elif part == "c":
                    layers.append(nn.Conv2d(channels, out_channels, 3, padding=1))
                else:
                    layers.append(nn.BatchNorm2d(out_channels) if part == "n" else nn.ReLU())
                channels = out_channels
            super().__init__(*layers)

    return Made


def unpadded(a, b):
    return nn.Conv2d(a, b, 3)


def five(a, b):
    return nn.Conv2d(a, b, 5, padding=2)


def unbiased(a, b):
    return nn.Conv2d(a, b, 3, padding=1, bias=False)


def over_groups(a, b):
    return nn.GroupNorm(1, b)


class Widens(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(DoubleConv(in_channels, 2 * out_channels))


class ReluFirst(nn.Module):
    """The order of the layers turned round."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.convs = nn.ModuleList([unbiased(in_channels, out_channels), unbiased(out_channels, out_channels)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)])

    def forward(self, x):
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(torch.relu(conv(x)))
        return x


class Lazy(nn.Sequential):
    """Layers that find out themselves how many channels come in."""

    def __init__(self, _, o):
        super().__init__(
            *(part for _ in "ab" for part in (nn.LazyConv2d(o, 3, padding=1), nn.LazyBatchNorm2d(), nn.ReLU()))
        )


class SharesNorm(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.a, self.b = unbiased(in_channels, out_channels), unbiased(out_channels, out_channels)
        self.norm, self.relu = nn.BatchNorm2d(out_channels), nn.ReLU()

    def forward(self, x):
        return self.relu(self.norm(self.b(self.relu(self.norm(self.a(x))))))


RIGHT = [DoubleConv, InForward, as_function, of(*"cnrcnr"), Lazy]
WRONG = {
    "no-padding": of(unpadded, "n", "r", unpadded, "n", "r"),
    "channels": Widens,
    "no-last-relu": ReluFirst,
    "one-conv": of(*"cnr"),
    "kernel": of(five, "n", "r", "c", "n", "r"),
    "no-middle-relu": of(*"cncnr"),
    "no-batchnorm": of("c", over_groups, "r", "c", over_groups, "r"),
    "one-batchnorm": of(unbiased, "r", unbiased, "n", "r"),
    "shared-batchnorm": SharesNorm,
}
ALSO_WRONG = [
    ("no-padding", of(unpadded, "n", "r", "c", "n", "r")), ("no-batchnorm", of(*"crcr")),
    ("one-batchnorm", of(*"cnrcr")), ("one-batchnorm", of(*"crcnr")), ("no-last-relu", of(*"cnrcn")),
]  # fmt: skip
"""Other ways to the same mistakes."""
