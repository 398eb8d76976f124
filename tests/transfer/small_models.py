"""Small models whose parts are known: an encoder with a block without norms and one without parameters."""

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from medgraft.models import Encoder, Normalise
from medgraft.models.decompose import Cut

BLOCKS = ("stem", "plain", "mixed", "pool")


def small_encoder() -> Encoder:
    """Blocks for 3-channel images: BatchNorm; a bare convolution; group, layer and batch norms; pooling."""
    torch.manual_seed(0)
    blocks = [
        nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Dropout(0.5)),
        nn.Sequential(
            nn.GroupNorm(2, 8), nn.Conv2d(8, 8, 1, bias=False), BatchNormAct2d(8, act_layer=nn.PReLU),
            nn.Flatten(2), nn.LayerNorm(256),
        ),
        nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten()),
    ]  # fmt: skip
    parts = Cut(blocks, BLOCKS, taps=(3,), channels=(8,), strides=(2,), parts=(), channels_last=False)
    return Encoder("small", parts, Normalise((0.5,) * 3, (0.25,) * 3), 3, (0.5,) * 3, (0.25,) * 3)


class SmallClassifier(nn.Module):
    """Logits [B, classes] of images [B, 3, 32, 32]."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.encoder = small_encoder()
        self.head = nn.Linear(8, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images)[-1])


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before: dict[str, Tensor], model: nn.Module) -> set[str]:
    return {name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)}
