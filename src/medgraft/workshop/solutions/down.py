"""Half the size by max pooling, then two convolutions."""

from torch import nn

from medgraft.workshop.solutions.double_conv import DoubleConv


class Down(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))
