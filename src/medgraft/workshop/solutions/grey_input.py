"""The first convolution of a pretrained encoder, for grey images."""

import torch
from torch import nn


def grey(conv):
    new = nn.Conv2d(
        1, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation, bias=conv.bias is not None
    )
    with torch.no_grad():
        new.weight.copy_(conv.weight.sum(dim=1, keepdim=True))
    if conv.bias is not None:
        new.bias = nn.Parameter(conv.bias.detach().clone())
    return new
