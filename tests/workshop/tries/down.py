"""Steps down that learners write."""

from torch import nn
from torch.nn import functional as F

from medgraft.models.unet import DoubleConv
from medgraft.models.unet import Down as Medgrafts


class InForward(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.convs = DoubleConv(c_in, c_out)

    def forward(self, x):
        return self.convs(F.max_pool2d(x, kernel_size=2))


def of(*makers):
    class Made(nn.Sequential):
        def __init__(self, i, o):
            super().__init__(*(make(i, o) for make in makers))

    return Made


def pool(i, o):
    return nn.MaxPool2d(2)


def one_conv(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())


class Between(nn.Sequential):
    """The pooling lies between the two convolutions."""

    def __init__(self, i, o):
        super().__init__(one_conv(i, o), nn.MaxPool2d(2), one_conv(o, o))


RIGHT = [Medgrafts, InForward]
WRONG = {
    "not-halved": DoubleConv,
    "channels": of(pool, lambda i, o: DoubleConv(i, 2 * i + 1)),
    "rounded-up": of(lambda i, o: nn.MaxPool2d(2, ceil_mode=True), DoubleConv),
    "average": of(lambda i, o: nn.AvgPool2d(2), DoubleConv),
    "pool-last": of(DoubleConv, pool),
    "no-pooling": of(lambda i, o: nn.Conv2d(i, i, 2, stride=2), DoubleConv),
    "one-conv": of(pool, one_conv),
}
ALSO_WRONG = [("pool-last", Between), ("channels", of(pool, lambda i, o: DoubleConv(i, 2 * i)))]
