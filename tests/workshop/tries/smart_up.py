"""Steps up that learners write."""

import torch
from torch import nn
from torch.nn import functional as F


class Transposed(nn.Module):
    """A transposed convolution, then padded or cut to the skip; the skip comes first."""

    def __init__(self, a, b, c):
        super().__init__()
        self.up = nn.ConvTranspose2d(a, c, 2, stride=2)
        self.first, self.second = nn.Conv2d(b + c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)

    def forward(self, low, high):
        low = self.up(low)
        if high is not None:
            down, right = high.size(2) - low.size(2), high.size(3) - low.size(3)
            low = torch.cat((high, F.pad(low, (0, right, 0, down))), 1)
        return F.leaky_relu(self.second(F.leaky_relu(self.first(low), 0.1)), 0.1)


class Nearest(nn.Module):
    """Nearest neighbours, GroupNorm, no activation at the end."""

    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__()
        both = in_channels + skip_channels
        self.layers = nn.ModuleList([nn.Conv2d(both, 16, 3, padding="same"), nn.GroupNorm(4, 16), nn.GELU(),
                                     nn.Conv2d(16, out_channels, 3, padding="same")])  # fmt: skip

    def forward(self, x, skip):
        size = [2 * side for side in x.shape[2:]] if skip is None else skip.shape[2:]
        x = F.interpolate(x, size=tuple(size))
        x = torch.cat([part for part in (x, skip) if part is not None], 1)
        for layer in self.layers:
            x = layer(x)
        return x


class _Base(nn.Module):
    def __init__(self, i, s, o):
        super().__init__()
        self.mix = nn.Sequential(*self.layers(i + s, o))

    def layers(self, i, o):
        return nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.Conv2d(o, o, 3, padding=1), nn.ReLU()

    def fit(self, x, skip):
        return F.interpolate(x, size=skip.shape[-2:]), skip

    def forward(self, x, skip):
        if skip is None:
            return self.mix(F.interpolate(x, scale_factor=2))
        return self.mix(torch.cat(self.fit(x, skip), 1))


class DoubledOnly(_Base):
    def fit(self, x, skip):
        return F.interpolate(x, scale_factor=2), skip


class SkipResized(_Base):
    def fit(self, x, skip):
        x = F.interpolate(x, scale_factor=2)
        return x, F.interpolate(skip, size=x.shape[-2:])


class NotLarger(_Base):
    def fit(self, x, skip):
        return x, F.interpolate(skip, size=x.shape[-2:])


class Added(_Base):
    def forward(self, x, skip):
        return self.mix(F.interpolate(x, size=skip.shape[-2:]) + skip)


class SameChannels(_Base):
    def __init__(self, i, s, o):
        super().__init__(i, o, o)


class NoneForgotten(_Base):
    def forward(self, x, skip):
        return self.mix(torch.cat(self.fit(x, skip), 1))


class Unused(_Base):
    def fit(self, x, skip):
        x, skip = super().fit(x, skip)
        return x, torch.zeros_like(skip)


class One(_Base):
    def layers(self, i, o):
        return nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()


class Straight(_Base):
    def layers(self, i, o):
        return nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.Conv2d(o, o, 3, padding=1), nn.BatchNorm2d(o)


class MadeInForward(nn.Module):
    def __init__(self, i, s, o):
        super().__init__()
        self.o = o

    def forward(self, x, skip):
        if skip is None:
            x = F.interpolate(x, scale_factor=2)
        else:
            x = torch.cat([F.interpolate(x, size=skip.shape[-2:]), skip], 1)
        return F.relu(nn.Conv2d(self.o, self.o, 3, padding=1)(F.relu(nn.Conv2d(x.shape[1], self.o, 3, padding=1)(x))))


class LastAlone(_Base):
    def layers(self, i, o):
        return nn.Conv2d(i, o, 3, padding=1), nn.Conv2d(o, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()


class Narrowed(nn.Module):
    """Fewer channels first, a norm of each image, and a smooth activation."""

    def __init__(self, i, s, o):
        super().__init__()
        self.skips, self.narrow, layers = s, nn.Conv2d(i, o, 1), []
        for width in (o + s, o):
            layers += [nn.Conv2d(width, o, 3, 1, 1, bias=False), nn.InstanceNorm2d(o), nn.SiLU()]
        self.mix = nn.Sequential(*layers)

    def forward(self, x, skip):
        size = (2 * x.size(2), 2 * x.size(3)) if self.skips == 0 else skip.shape[2:]
        x = F.interpolate(self.narrow(x), size, mode="nearest-exact")
        return self.mix(x if self.skips == 0 else torch.cat([x, skip], 1))


RIGHT = [Transposed, Nearest, Narrowed]
WRONG = {
    "doubled-only": DoubledOnly, "skip-resized": SkipResized, "not-larger": NotLarger, "added": Added,
    "channels": SameChannels, "none-skip": NoneForgotten, "unused": Unused, "one-convolution": One,
    "no-activation": Straight, "made-in-forward": MadeInForward,
}  # fmt: skip
ALSO_WRONG = [("no-activation", LastAlone)]
