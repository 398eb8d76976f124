"""Steps up that learners write."""

import torch
from torch import nn
from torch.nn import functional as F

from medgraft.models.unet import DoubleConv
from medgraft.models.unet import Up as Medgrafts


class Interpolated(nn.Module):
    """Enlarged to the skip's size without weights; the skip comes second."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.convs = DoubleConv(c_in + c_out, c_out)

    def forward(self, low, high):
        low = F.interpolate(low, size=high.shape[2:], mode="bilinear", align_corners=False)
        return self.convs(torch.cat((low, high), 1))


class Right(nn.Module):
    """The parts that the wrong ones replace."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, 2, stride=2)
        self.mix = self.mixed(in_channels, out_channels)

    def mixed(self, i, o):
        return DoubleConv(i, o)

    def fit(self, fine, skip):
        rows, columns = skip.shape[2] - fine.shape[2], skip.shape[3] - fine.shape[3]
        return F.pad(fine, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))

    def forward(self, coarse, skip):
        return self.mix(torch.cat([skip, self.fit(self.up(coarse), skip)], dim=1))


class Unfitted(Right):
    def fit(self, fine, skip):
        return fine


class CropsSkip(Right):
    def forward(self, coarse, skip):
        fine = self.up(coarse)
        return self.mix(torch.cat([skip[..., : fine.shape[2], : fine.shape[3]], fine], dim=1))


class ShrinksSkip(Right):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.up = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, coarse, skip):
        return self.mix(torch.cat([F.adaptive_max_pool2d(skip, coarse.shape[2:]), self.up(coarse)], dim=1))


class KeepsChannels(Right):
    def mixed(self, i, o):
        return DoubleConv(i, i)


class NoSkip(Right):
    def mixed(self, i, o):
        return DoubleConv(o, o)

    def forward(self, coarse, skip):
        return self.mix(self.fit(self.up(coarse), skip))


class Padded(Right):
    """No larger, only padded; channels fit by a convolution 1 x 1."""

    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.up = nn.Conv2d(in_channels, out_channels, 1)


class OneConv(Right):
    def mixed(self, i, o):
        return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())


class Adds(Right):
    def mixed(self, i, o):
        return DoubleConv(o, o)

    def forward(self, coarse, skip):
        return self.mix(skip + self.fit(self.up(coarse), skip))


class AddsInterpolated(Interpolated):
    def __init__(self, c_in, c_out):
        super().__init__(0, c_out)
        self.narrow = nn.Conv2d(c_in, c_out, 3, padding=1)

    def forward(self, low, high):
        return self.convs(high + self.narrow(F.interpolate(low, size=high.shape[2:], mode="bilinear")))


class Multiplies(Adds):
    def forward(self, coarse, skip):
        return self.mix(skip * self.fit(self.up(coarse), skip))


class SkipTwice(Right):
    def forward(self, coarse, skip):
        return self.mix(torch.cat([skip, skip], dim=1))


class Shuffled(Right):
    """Four channels a pixel become four pixels, and what lacks is repeated from the rim."""

    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.up = nn.Sequential(nn.Conv2d(in_channels, 4 * out_channels, 1), nn.PixelShuffle(2))

    def fit(self, fine, skip):
        return F.pad(fine, (0, skip.size(3) - fine.size(3), 0, skip.size(2) - fine.size(2)), mode="replicate")


RIGHT = [Medgrafts, Interpolated, Right, Shuffled]
WRONG = {
    "odd-sizes": Unfitted, "skip-cropped": CropsSkip, "skip-shrunk": ShrinksSkip, "channels": KeepsChannels,
    "skip-unused": NoSkip, "no-upsampling": Padded, "one-conv": OneConv, "adds": Adds,
    "coarse-unused": SkipTwice,
}  # fmt: skip
ALSO_WRONG = [("adds", AddsInterpolated), ("adds", Multiplies)]
