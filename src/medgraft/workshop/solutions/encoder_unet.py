"""A U-Net whose contracting half is an encoder."""

from torch import nn
from torch.nn import functional as F

from medgraft.workshop.solutions.smart_up import SmartUp


class EncoderUNet(nn.Module):
    def __init__(self, encoder, classes, widths=(64, 32, 16, 16)):
        super().__init__()
        self.encoder = encoder
        self.ups = nn.ModuleList()
        channels, *skips = reversed(encoder.channels)
        for skip, width in zip(skips, widths, strict=True):
            self.ups.append(SmartUp(channels, skip, width))
            channels = width
        self.head = nn.Conv2d(channels, classes, 1)

    def forward(self, images):
        x, *skips = reversed(self.encoder.forward_pyramid(images))
        for up, skip in zip(self.ups, skips, strict=True):
            x = up(x, skip)
        return F.interpolate(self.head(x), size=images.shape[-2:], mode="bilinear")
