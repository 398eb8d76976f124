"""Architectures of medical encoders that timm can build but has no name for, entered in timm's own registry.

Their publishers build them with arguments to timm's Vision Transformer (or, for CTransPath, with another patch
embedding in timm's Swin), and publish the tensors under timm's names. Once registered here, their names can stand
wherever the name of an encoder is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from timm.layers import SwiGLUPacked
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer import checkpoint_filter_fn as swin_names
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer import checkpoint_filter_fn as vit_names
from torch import Tensor, nn

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_SWIGLU = {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU, "init_values": 1e-5}

VISION_TRANSFORMERS: dict[str, dict[str, Any]] = {
    # UNI (Chen et al. 2024) and Phikon-v2 (Filiot et al. 2024): ViT-L/16 of DINOv2, with layer scales.
    "vit_large_patch16_uni": {
        "patch_size": 16, "embed_dim": 1024, "depth": 24, "num_heads": 16, "init_values": 1e-5,
    },
    # UNI2-h (Mahmood lab 2025).
    "vit_giant_patch14_reg8_uni2": {
        "patch_size": 14, "embed_dim": 1536, "depth": 24, "num_heads": 24, "mlp_ratio": 2.66667 * 2,
        "reg_tokens": 8, "no_embed_class": True, **_SWIGLU,
    },
    # Prov-GigaPath (Xu et al. 2024): ViT-g of DINOv2 with patches of 16.
    "vit_giant_patch16_gigapath": {
        "patch_size": 16, "embed_dim": 1536, "depth": 40, "num_heads": 24, "mlp_ratio": 5.33334, **_SWIGLU,
    },
    # H-optimus-0 (Saillard et al. 2024): ViT-g of DINOv2 with registers, at 224 pixels.
    "vit_giant_patch14_reg4_hoptimus": {
        "patch_size": 14, "embed_dim": 1536, "depth": 40, "num_heads": 24, "mlp_ratio": 2.66667 * 2,
        "reg_tokens": 4, "no_embed_class": True, **_SWIGLU,
    },
    # Virchow (Vorontsov et al. 2024).
    "vit_huge_patch14_virchow": {
        "patch_size": 14, "embed_dim": 1280, "depth": 32, "num_heads": 16, "mlp_ratio": 5.3375, **_SWIGLU,
    },
    # Virchow2 (Zimmermann et al. 2024).
    "vit_huge_patch14_reg4_virchow2": {
        "patch_size": 14, "embed_dim": 1280, "depth": 32, "num_heads": 16, "mlp_ratio": 5.3375,
        "reg_tokens": 4, **_SWIGLU,
    },
}  # fmt: skip
"""Arguments of timm's ``VisionTransformer``, as the publishers' pages and configurations give them."""

CONVOLUTIONAL_SWIN = "swin_tiny_ctranspath"
"""CTransPath (Wang et al., Medical Image Analysis 2022): Swin-T behind three convolutions."""

default_cfgs = generate_default_cfgs(
    {
        name: {
            "url": "", "num_classes": 0, "input_size": (3, 224, 224), "fixed_input_size": True, "crop_pct": 1.0,
            "first_conv": "patch_embed.proj", "classifier": "head", **_IMAGENET,
        }
        for name in VISION_TRANSFORMERS
    }
    | {
        CONVOLUTIONAL_SWIN: {
            "url": "", "num_classes": 0, "input_size": (3, 224, 224), "fixed_input_size": True, "crop_pct": 1.0,
            "first_conv": "patch_embed.proj.0", "classifier": "head.fc", **_IMAGENET,
        }
    }
)  # fmt: skip
"""Where timm looks for what it should know of the names that this module registers."""


class ConvolutionalStem(nn.Module):
    """Patch embedding by two strided convolutions and a pointwise one; stands in for timm's ``PatchEmbed``.

    Takes images [B, C, H, W] and returns [B, H / 4, W / 4, D]; sides that are no multiple of 4 are padded where
    ``dynamic_img_pad`` is set.
    """

    def __init__(
        self, img_size: int | tuple[int, int] = 224, patch_size: int = 4, in_chans: int = 3, embed_dim: int = 96,
        norm_layer: Callable[..., nn.Module] | None = None, strict_img_size: bool = True,
        dynamic_img_pad: bool = False, output_fmt: str = "NHWC", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if patch_size != 4 or embed_dim % 8 or output_fmt != "NHWC":
            raise ValueError("this stem has patches of 4, a multiple of 8 channels, and its channels last")
        self.patch_size = (patch_size, patch_size)
        self.img_size = img_size if isinstance(img_size, tuple) else (img_size, img_size)
        self.grid_size = (self.img_size[0] // patch_size, self.img_size[1] // patch_size)
        self.strict_img_size, self.dynamic_img_pad = strict_img_size, dynamic_img_pad
        place = {"device": device, "dtype": dtype}
        layers: list[nn.Module] = []
        for channels in (embed_dim // 8, embed_dim // 4):
            layers += [nn.Conv2d(in_chans, channels, 3, stride=2, padding=1, bias=False, **place)]
            layers += [nn.BatchNorm2d(channels, **place), nn.ReLU(inplace=True)]
            in_chans = channels
        self.proj = nn.Sequential(*layers, nn.Conv2d(in_chans, embed_dim, 1, **place))
        self.norm = norm_layer(embed_dim, **place) if norm_layer else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return the embedded patches, channels last."""
        height, width = images.shape[-2:]
        if self.strict_img_size and (height, width) != self.img_size:
            raise ValueError(f"images of {height} x {width}, but the model takes {self.img_size}")
        if self.dynamic_img_pad:
            images = nn.functional.pad(images, (0, -width % self.patch_size[1], 0, -height % self.patch_size[0]))
        embedded: Tensor = self.norm(self.proj(images).permute(0, 2, 3, 1))
        return embedded


def _vision_transformer(name: str) -> Callable[..., Any]:
    def build(pretrained: bool = False, **options: Any) -> Any:
        return build_model_with_cfg(
            VisionTransformer, name, pretrained, pretrained_filter_fn=vit_names,
            feature_cfg={"out_indices": 3, "feature_cls": "getter"}, **(VISION_TRANSFORMERS[name] | options),
        )  # fmt: skip

    return build


def _convolutional_swin(pretrained: bool = False, **options: Any) -> Any:
    arguments = {
        "patch_size": 4, "window_size": 7, "embed_dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24),
        "embed_layer": ConvolutionalStem,
    }  # fmt: skip
    return build_model_with_cfg(
        SwinTransformer, CONVOLUTIONAL_SWIN, pretrained, pretrained_filter_fn=swin_names,
        feature_cfg={"flatten_sequential": True, "out_indices": (0, 1, 2, 3)}, **(arguments | options),
    )  # fmt: skip


def _enter(name: str, build: Callable[..., Any]) -> None:
    """Enter an architecture in timm's registry, which takes a function's own name for the model's."""
    build.__name__ = build.__qualname__ = name
    register_model(build)


for _name in VISION_TRANSFORMERS:
    _enter(_name, _vision_transformer(_name))
_enter(CONVOLUTIONAL_SWIN, _convolutional_swin)
