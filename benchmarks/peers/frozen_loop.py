"""The peers for classification: the plain loops that people write with timm and torch, and fastai's.

None of this is Medgraft's: images are decoded by PIL in every epoch, the encoder is frozen by ``requires_grad`` alone
or not at all, and everything runs in PyTorch's float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


@dataclass
class Told:
    """What a training gave: seconds of each epoch's training and validation, and probabilities of the test images."""

    epochs: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    steps: int = 0
    probabilities: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def seconds(self) -> float:
        """All epochs, with validation where there was any."""
        return sum(self.epochs) + sum(self.validation)


class Files(Dataset[tuple[Tensor, int]]):
    """Image files and labels, decoded when they are asked for."""

    def __init__(self, files: Sequence[str], labels: Sequence[int], size: int, train: bool, mean: float, std: float):
        self.files, self.labels = list(files), list(labels)
        changes = [transforms.RandomAffine(10, (0.05, 0.05), (0.9, 1.1)), transforms.ColorJitter(0.2, 0.2)]
        self.transform = transforms.Compose(
            [
                transforms.Resize((size, size)),
                *(changes if train else []),
                transforms.ToTensor(),
                transforms.Normalize([mean] * 3, [std] * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.open(Path(self.files[index])).convert("RGB")
        return self.transform(image), self.labels[index]


def build(encoder: str, state: dict[str, Tensor], learns: Callable[[str], bool]) -> nn.Module:
    """The timm model with one logit, the given weights, and gradients only where ``learns`` says."""
    model = timm.create_model(encoder, pretrained=False, num_classes=1)
    own = model.state_dict()
    model.load_state_dict({k: v for k, v in state.items() if k in own and v.shape == own[k].shape}, strict=False)
    classifier = {id(parameter) for parameter in model.get_classifier().parameters()}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(id(parameter) in classifier or learns(name))
    return model


def train(
    model: nn.Module,
    training: Files,
    validation: Files,
    test: Files,
    epochs: int,
    batch_size: int,
    lr: float,
    encoder_lr: float,
    seed: int,
) -> Told:
    """Train as plainly as it is usually written, scoring the validation files after each epoch, the test files last."""
    torch.manual_seed(seed)
    head = list(model.get_classifier().parameters())
    known = {id(parameter) for parameter in head}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    groups = [{"params": head, "lr": lr}, *([{"params": rest, "lr": encoder_lr}] if rest else [])]
    optimiser, criterion = torch.optim.AdamW(groups), nn.BCEWithLogitsLoss()
    batches, told = DataLoader(training, batch_size, shuffle=True, drop_last=True), Told()
    for _ in range(epochs):
        start = time.perf_counter()
        model.train(bool(rest))
        for images, labels in batches:
            optimiser.zero_grad()
            criterion(model(images)[:, 0], labels.float()).backward()
            optimiser.step()
            told.steps += 1
        told.epochs.append(time.perf_counter() - start)
        start = time.perf_counter()
        _scores(model, validation, batch_size)
        told.validation.append(time.perf_counter() - start)
    told.probabilities = _scores(model, test, batch_size)
    return told


@torch.no_grad()
def _scores(model: nn.Module, files: Files, batch_size: int) -> np.ndarray:
    model.eval()
    return torch.cat([model(images)[:, 0].sigmoid() for images, _ in DataLoader(files, batch_size)]).numpy()
