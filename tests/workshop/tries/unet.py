"""U-Nets that learners write."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from medgraft.models.unet import DoubleConv, Down, Up
from medgraft.models.unet import UNet as Medgrafts


class Written(nn.Module):
    """The parts that the wrong ones replace."""

    def __init__(self, in_channels, classes, widths):
        super().__init__()
        self.encoder = nn.ModuleList([DoubleConv(in_channels, widths[0])])
        self.encoder.extend(Down(a, b) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(self.up(b, a) for a, b in reversed(list(pairwise(widths))))
        self.last = nn.Conv2d(widths[0], classes, 1)

    def up(self, coarse, fine):
        return Up(coarse, fine)

    def skip(self, found, place):
        return found[place]

    def forward(self, x):
        found = []
        for block in self.encoder:
            x = block(x)
            found.append(x)
        for k, block in enumerate(self.decoder):
            x = block(x, self.skip(found, len(found) - 2 - k))
        return self.last(x)


class Interpolating(nn.Module):
    """Recursive, enlarging without weights, with max pooling in between."""

    def __init__(self, c, n, channels, outermost=True):
        super().__init__()
        self.into = DoubleConv(c, channels[0])
        self.inner = Interpolating(channels[0], n, channels[1:], False) if len(channels) > 1 else None
        if self.inner is not None:
            self.out = DoubleConv(channels[0] + channels[1], channels[0])
        self.head = nn.Conv2d(channels[0], n, 1) if outermost else nn.Identity()

    def forward(self, x):
        x = self.into(x)
        if self.inner is not None:
            y = self.inner(F.max_pool2d(x, 2))
            x = self.out(torch.cat([F.interpolate(y, size=x.shape[-2:], mode="bilinear"), x], 1))
        return self.head(x)


class PadsAndCrops(nn.Module):
    """The image is made a multiple of what halves evenly, and the logits are cut back."""

    def __init__(self, in_channels, classes, widths):
        super().__init__()
        self.multiple = 2 ** (len(widths) - 1)
        self.downs = nn.ModuleList(DoubleConv(a, b) for a, b in pairwise((in_channels, *widths)))
        self.ups = nn.ModuleList(DoubleConv(a + b, a) for a, b in reversed(list(pairwise(widths))))
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x):
        height, width = x.shape[2:]
        x = self.downs[0](F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple)))
        kept = []
        for down in self.downs[1:]:
            kept.append(x)
            x = down(F.max_pool2d(x, 2))
        for up in self.ups:
            x = up(torch.cat([kept.pop(), F.interpolate(x, scale_factor=2, mode="bilinear")], 1))
        return self.head(x)[..., :height, :width]


class OfGroupNorm(Written):
    def __init__(self, in_channels, classes, widths):
        super().__init__(in_channels, classes, widths)
        for block in [block for block in self.modules() if isinstance(block, DoubleConv)]:
            for place in (1, 4):
                block[place] = nn.GroupNorm(1, block[place].num_features)


class ThreeLevels(Written):
    def __init__(self, in_channels, classes, widths):
        super().__init__(in_channels, classes, widths[:3])


class TwoClasses(Written):
    def __init__(self, in_channels, classes, widths):
        super().__init__(in_channels, 2, widths)


class WithSigmoid(Written):
    def forward(self, x):
        return torch.sigmoid(super().forward(x))


class WithSoftmax(Written):
    def forward(self, x):
        return super().forward(x).softmax(dim=1)


class WithReLU(Written):
    def forward(self, x):
        return F.relu(super().forward(x))


class ForgetsSkips(Written):
    """The skips are replaced by zeros of their size."""

    def skip(self, found, place):
        return torch.zeros_like(found[place])


class Autoencoder(Written):
    """No skips at all, and enlarged to the image at the end."""

    def up(self, coarse, fine):
        return nn.Sequential(nn.ConvTranspose2d(coarse, fine, 2, stride=2), DoubleConv(fine, fine))

    def forward(self, x):
        side = x.shape[-2:]
        for block in (*self.encoder, *self.decoder):
            x = block(x)
        return F.interpolate(self.last(x), size=side, mode="bilinear")


class ForgetsFinest(Written):
    def skip(self, found, place):
        return found[place] if place else torch.zeros_like(found[place])


class OneClass(Written):
    def __init__(self, in_channels, classes, widths):
        super().__init__(in_channels, 1, widths)


class EvenOnly(Written):
    class Stiff(nn.Module):
        def __init__(self, coarse, fine):
            super().__init__()
            self.up = nn.ConvTranspose2d(coarse, fine, 2, stride=2)
            self.mix = DoubleConv(2 * fine, fine)

        def forward(self, coarse, skip):
            return self.mix(torch.cat([skip, self.up(coarse)], dim=1))

    def up(self, coarse, fine):
        return self.Stiff(coarse, fine)


class HalfSize(Written):
    """A step up is missing."""

    def forward(self, x):
        return super().forward(F.max_pool2d(x, 2))


class OwnWidths(Written):
    def __init__(self, in_channels, classes, widths):
        super().__init__(in_channels, classes, (2, 4, 8))


class LeftOver(Written):
    def __init__(self, in_channels, classes, widths):
        super().__init__(in_channels, classes, widths)
        self.bottom = DoubleConv(widths[-1], widths[-1])


RIGHT = [Medgrafts, Written, Interpolating, PadsAndCrops, OfGroupNorm]
WRONG = {
    "probabilities": WithSigmoid, "relu-last": WithReLU, "no-skips": ForgetsSkips, "finest-skip": ForgetsFinest,
    "classes": OneClass, "odd-sizes": EvenOnly, "size": HalfSize, "widths": OwnWidths, "unused": LeftOver,
    "levels": ThreeLevels,
}  # fmt: skip
ALSO_WRONG = [("probabilities", WithSoftmax), ("no-skips", Autoencoder), ("classes", TwoClasses)]
