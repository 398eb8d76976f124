"""Layer-wise learning rates that a schedule keeps apart."""

import torch
from torch.optim.lr_scheduler import OneCycleLR


def make_optimiser(model, lr, decay, steps):
    groups = [{"params": model.head.parameters(), "lr": lr}]
    for depth, block in enumerate(reversed(model.encoder.blocks), start=1):
        groups.append({"params": block.parameters(), "lr": lr * decay**depth})
    optimiser = torch.optim.AdamW(groups)
    schedule = OneCycleLR(optimiser, max_lr=[group["lr"] for group in groups], total_steps=steps)
    return optimiser, schedule
