"""U-Net of DoubleConv, Down and Up."""

from itertools import pairwise

from torch import nn

from medgraft.workshop.solutions.double_conv import DoubleConv
from medgraft.workshop.solutions.down import Down
from medgraft.workshop.solutions.up import Up


class UNet(nn.Module):
    def __init__(self, in_channels, classes, widths=(16, 32, 64, 128)):
        super().__init__()
        pairs = list(pairwise(widths))
        self.first = DoubleConv(in_channels, widths[0])
        self.downs = nn.ModuleList(Down(fine, coarse) for fine, coarse in pairs)
        self.ups = nn.ModuleList(Up(coarse, fine) for fine, coarse in reversed(pairs))
        self.head = nn.Conv2d(widths[0], classes, kernel_size=1)

    def forward(self, x):
        skips = [self.first(x)]
        for down in self.downs:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.ups:
            x = up(x, skips.pop())
        return self.head(x)
