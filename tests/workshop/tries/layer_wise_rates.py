"""Optimisers with layer-wise rates."""

import math

import torch
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LambdaLR, LinearLR, OneCycleLR, SequentialLR


def _groups(model, lr, rate):
    blocks = list(model.encoder.blocks)
    groups = [{"params": list(block.parameters()), "lr": rate(k, len(blocks))} for k, block in enumerate(blocks)]
    return [*groups, {"params": list(model.head.parameters()), "lr": lr}]


def cosine(net, rate, factor, number):
    optimiser = torch.optim.SGD(_groups(net, rate, lambda k, n: rate * factor ** (n - k)), momentum=0.9)
    return optimiser, CosineAnnealingLR(optimiser, T_max=number)


class WithoutDecayOfNorms:
    """Two groups a block, the second without weight decay; a warm-up by LambdaLR."""

    def __new__(cls, model, lr, decay, steps):
        groups = []
        for name, parameter in model.named_parameters():
            depth = 0 if name.startswith("head.") else len(model.encoder.blocks) - int(name.split(".")[2])
            plain = {"weight_decay": 0.0} if parameter.ndim == 1 else {}
            groups.append({"params": [parameter], "lr": lr * decay**depth, **plain})
        optimiser = torch.optim.AdamW(groups, lr=lr, weight_decay=0.05)

        def factor(step):
            warm = steps // 10
            return (step + 1) / warm if step < warm else 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (steps - warm))

        return optimiser, LambdaLR(optimiser, factor)


def _cosine(groups, steps, **more):
    optimiser = torch.optim.AdamW(groups, **more)
    return optimiser, CosineAnnealingLR(optimiser, T_max=steps)


def flattened(model, lr, decay, steps):
    optimiser, _ = _cosine(_groups(model, lr, lambda k, n: lr * decay ** (n - k)), steps)
    return optimiser, OneCycleLR(optimiser, max_lr=lr, total_steps=steps)


def same(model, lr, decay, steps):
    return _cosine(model.parameters(), steps, lr=lr)


def reversed_(model, lr, decay, steps):
    return _cosine(_groups(model, lr, lambda k, n: lr * decay ** (k + 1)), steps)


def off_by_one(model, lr, decay, steps):
    return _cosine(_groups(model, lr, lambda k, n: lr * decay ** (n - 1 - k)), steps)


def twice(model, lr, decay, steps):
    groups = _groups(model, lr, lambda k, n: lr * decay ** (n - k))
    return _cosine([*groups[:-1], {"params": model.parameters(), "lr": lr}], steps)


def missing(model, lr, decay, steps):
    return _cosine(_groups(model, lr, lambda k, n: lr * decay ** (n - k))[:-1], steps)


def no_schedule(model, lr, decay, steps):
    optimiser, _ = cosine(model, lr, decay, steps)
    return optimiser, ConstantLR(optimiser, factor=1.0)


def one_group_for_the_encoder(model, lr, decay, steps):
    groups = [{"params": model.encoder.parameters(), "lr": lr * decay}, {"params": model.head.parameters(), "lr": lr}]
    return _cosine(groups, steps)


def norms_forgotten(model, lr, decay, steps):
    """Norms and biases are not decayed, and take the optimiser's own rate."""
    groups = [{"params": model.head.parameters(), "lr": lr}]
    for depth, block in enumerate(reversed(model.encoder.blocks), 1):
        groups.append({"params": [p for p in block.parameters() if p.ndim > 1], "lr": lr * decay**depth})
        groups.append({"params": [p for p in block.parameters() if p.ndim == 1], "weight_decay": 0.0})
    return _cosine(groups, steps, lr=1e-5)


def rate_for_a_factor(model, lr, decay, steps):
    optimiser = torch.optim.SGD(_groups(model, lr, lambda k, n: lr * decay ** (n - k)))
    return optimiser, LambdaLR(optimiser, lambda step: lr * (1 - step / steps))


def warmed_up(model, lr, decay, steps):
    optimiser = torch.optim.RMSprop(_groups(model, lr, lambda k, n: lr * decay ** (n - k)))
    warm = LinearLR(optimiser, 0.1, 1.0, steps // 10)
    return optimiser, SequentialLR(optimiser, [warm, CosineAnnealingLR(optimiser, steps - steps // 10)], [steps // 10])


RIGHT = [cosine, WithoutDecayOfNorms, warmed_up]
WRONG = {
    "flattened": flattened, "same-rate": same, "reversed": reversed_, "off-by-one": off_by_one, "twice": twice,
    "missing": missing, "no-schedule": no_schedule, "uneven": norms_forgotten, "factor": rate_for_a_factor,
}  # fmt: skip
ALSO_WRONG = [("same-rate", one_group_for_the_encoder)]
