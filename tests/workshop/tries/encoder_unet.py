"""U-Nets on an encoder."""

import torch
from torch import nn
from torch.nn import functional as F


def _conv(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.Conv2d(o, o, 3, padding=1), nn.ReLU())


def _to(x, size):
    return F.interpolate(x, size=tuple(size), mode="bilinear")


class Plain(nn.Module):
    """Steps in a ModuleList, an encoder that is not trained; wrong ones change a part of it."""

    width = 8

    def __init__(self, encoder, classes):
        super().__init__()
        self.encoder, self.classes = encoder, classes
        *skips, deepest = encoder.channels
        inputs = [deepest, self.width, self.width, self.width]
        self.ups = nn.ModuleList(_conv(i + s, self.width) for i, s in zip(inputs, skips[::-1], strict=True))
        self.head = nn.Conv2d(self.width, classes, 1)

    def forward(self, images):
        with torch.no_grad():
            pyramid = self.encoder.forward_pyramid(images)
        return self.finish(self.decode(pyramid), images)

    def decode(self, pyramid):
        x = pyramid[-1]
        for k, up in enumerate(self.ups):
            x = up(self.meet(x, pyramid[-2 - k]))
        return x

    def meet(self, x, skip):
        return torch.cat([_to(x, skip.shape[2:]), skip], 1)

    def finish(self, x, images):
        return self.head(_to(x, images.shape[2:]))


class ByName(nn.Module):
    """Transposed convolutions, each layer with a name, GroupNorm, and a stage of its own at the image's size."""

    def __init__(self, backbone, n):
        super().__init__()
        self.backbone = backbone
        a, b, c, d, e = backbone.channels
        self.middle = nn.Sequential(nn.Conv2d(e, 12, 1), nn.GroupNorm(3, 12), nn.SiLU())
        self.up16, self.up8, self.up4, self.up2 = (nn.ConvTranspose2d(12, 12, 2, stride=2) for _ in range(4))
        self.mix16, self.mix8, self.mix4, self.mix2 = (
            nn.Sequential(_conv(12 + skip, 12), nn.GroupNorm(3, 12)) for skip in (d, c, b, a)
        )
        self.up1 = nn.ConvTranspose2d(12, 6, 2, stride=2)
        self.last = nn.Conv2d(6, n, 3, padding=1)

    def forward(self, x):
        one, two, three, four, five = self.backbone.forward_pyramid(x)
        z = self.middle(five)
        for up, mix, skip in ((self.up16, self.mix16, four), (self.up8, self.mix8, three),
                              (self.up4, self.mix4, two), (self.up2, self.mix2, one)):  # fmt: skip
            z = up(z)[:, :, : skip.shape[2], : skip.shape[3]]
            z = mix(torch.cat([z, skip], 1))
        return self.last(F.relu(self.up1(z))[:, :, : x.shape[2], : x.shape[3]])


class HalfSize(Plain):
    def finish(self, x, images):
        return self.head(x)


class Doubled(Plain):
    def finish(self, x, images):
        return self.head(F.interpolate(x, scale_factor=2))


class OneClass(Plain):
    def __init__(self, encoder, classes):
        super().__init__(encoder, 1)


class Forwards(Plain):
    """From fine to coarse: all shapes fit, and all detail is lost."""

    def __init__(self, encoder, classes):
        super().__init__(encoder, classes)
        first, *skips = encoder.channels
        inputs = [first, self.width, self.width, self.width]
        self.ups = nn.ModuleList(_conv(i + s, self.width) for i, s in zip(inputs, skips, strict=True))

    def decode(self, pyramid):
        x = pyramid[0]
        for up, skip in zip(self.ups, pyramid[1:], strict=True):
            x = up(self.meet(x, skip))
        return x


class Sigmoid(Plain):
    def finish(self, x, images):
        return super().finish(x, images).sigmoid()


class Relu(Plain):
    def finish(self, x, images):
        return super().finish(x, images).relu()


class Deepest(Plain):
    def meet(self, x, skip):
        return super().meet(x, torch.zeros_like(skip))


class OneShort(Plain):
    """The finest stage is left out."""

    def __init__(self, encoder, classes):
        super().__init__(encoder, classes)
        self.ups = self.ups[:3]


class PlainList(Plain):
    def __init__(self, encoder, classes):
        super().__init__(encoder, classes)
        ups = list(self.ups)
        del self.ups
        self.ups = ups


class NoGradient(Plain):
    @torch.no_grad()
    def forward(self, images):
        return super().forward(images)


RIGHT = [Plain, ByName]
WRONG = {
    "half-size": HalfSize, "odd-sizes": Doubled, "classes": OneClass, "pyramid-order": Forwards,
    "sigmoid-inside": Sigmoid, "relu-at-the-end": Relu, "deepest-only": Deepest, "stages-unused": OneShort,
    "not-registered": PlainList, "no-gradient": NoGradient,
}  # fmt: skip
