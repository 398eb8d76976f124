"""Ways to freeze a module."""

import copy
import types

import torch
from torch import nn


class Frozen(nn.Module):
    """A module around the module."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        for parameter in inner.parameters():
            parameter.requires_grad = False
        self.inner.eval()

    def train(self, mode=True):
        self.training = mode
        return self

    def forward(self, images):
        with torch.no_grad():
            return self.inner(images)


def layer_by_layer(net):
    """Every layer stays in eval, each by a class of its own."""
    for layer in net.modules():
        kind = type(layer)
        layer.__class__ = type(kind.__name__, (kind,), {"train": lambda self, mode=True: nn.Module.train(self, False)})
    net.eval()
    for _, weight in net.named_parameters():
        weight.requires_grad_(False)


def by_a_hook(encoder):
    """Whatever train() did is undone before each forward pass; nothing is returned."""
    encoder.requires_grad_(False)
    encoder.register_forward_pre_hook(lambda module, given: module.eval() and None)


def gradients_alone(module):
    module.requires_grad_(False)
    return module


def eval_once(module):
    return module.requires_grad_(False).eval()


def still(module, modes=True):
    module.eval()
    module.train = lambda mode=True: module
    return module


def hooked(module):
    for parameter in module.parameters():
        parameter.register_hook(torch.zeros_like)
    return still(module)


def outermost(module):
    module.requires_grad_(False)
    for layer in module.children():
        if isinstance(layer, nn.BatchNorm2d):
            still(layer)


def everywhere(module):
    torch.set_grad_enabled(False)
    return still(module)


def norms_alone(module):
    module.requires_grad_(False)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            still(layer)


def no_momentum(module):
    module.requires_grad_(False)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = 0.0
    return module


def copied(module):
    return copy.deepcopy(module).requires_grad_(False)


def copied_eval(module):
    return copy.deepcopy(module).requires_grad_(False).eval()


def frozen_copy(module):
    module = copy.deepcopy(module).requires_grad_(False).eval()
    module.train = types.MethodType(lambda self, mode=True: self, module)
    return module


def attribute_of_the_module(module):
    module.requires_grad = False
    still(module)


RIGHT = [Frozen, layer_by_layer, by_a_hook, frozen_copy]
WRONG = {
    "statistics-move": gradients_alone, "undone-by-train": eval_once, "gradient-left": still, "gradient-zero": hooked,
    "some-layers": outermost, "head-too": everywhere, "dropout-left": norms_alone, "batch-statistics": no_momentum,
}  # fmt: skip
ALSO_WRONG = [
    ("statistics-move", copied), ("undone-by-train", copied_eval), ("gradient-left", attribute_of_the_module)
]  # fmt: skip
