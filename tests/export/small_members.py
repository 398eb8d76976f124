"""A small member of each family of encoders, made smaller still where timm lets one."""

from __future__ import annotations

import functools

import torch

from medgraft.models import ModelSpec, build_model, timm_models

_TOKENS = {"depth": 2, "embed_dim": 48, "num_heads": 3}
_STAGES = {"depths": (1, 1, 1, 1), "dims": (16, 24, 32, 40)}
_SWIN = {"depths": (2, 1, 1, 1), "embed_dim": 24, "num_heads": (1, 2, 3, 4)}

MEMBERS: dict[str, tuple[str, int, dict]] = {
    "CBR": ("cbr_small", 64, {}),
    "CTransPath": ("swin_tiny_ctranspath", 224, _SWIN),
    "ResNet v2": ("resnetv2_18", 64, {"layers": (1, 1, 1, 1)}),
    "ResNet": ("resnet10t", 64, {}),
    "ResNeXt": ("resnext26ts", 64, {}),
    "Wide ResNet": ("wide_resnet50_2", 64, {"layers": (1, 1, 1, 1), "base_width": 64}),
    "ResNeSt": ("resnest14d", 64, {}),
    "SE-ResNet": ("seresnet18", 64, {"layers": (1, 1, 1, 1)}),
    "Res2Net": ("res2next50", 64, {"layers": (1, 1, 1, 1)}),
    "VGG": ("vgg11", 64, {}),
    "Inception v3": ("inception_v3", 75, {}),
    "Inception v4": ("inception_v4", 75, {}),
    "Inception-ResNet": ("inception_resnet_v2", 75, {}),
    "InceptionNeXt": ("inception_next_atto", 64, {}),
    "Xception": ("xception41", 64, {}),
    "DenseNet": ("densenet121", 64, {"block_config": (1, 1, 1, 1)}),
    "DPN": ("dpn48b", 64, {"k_sec": (1, 1, 1, 1)}),
    "HRNet": ("hrnet_w18_small", 64, {}),
    "RegNet": ("regnetx_002", 64, {}),
    "MnasNet": ("mnasnet_small", 64, {}),
    "MobileNet v1": ("mobilenetv1_100", 64, {}),
    "MobileNet v2": ("mobilenetv2_035", 64, {}),
    "MobileNet v3": ("mobilenetv3_small_050", 64, {}),
    "MobileNet v4": ("mobilenetv4_conv_small_035", 64, {}),
    "MobileOne": ("mobileone_s0", 64, {}),
    "MobileViT v2": ("mobilevitv2_050", 64, {}),
    "MobileViT": ("mobilevit_xxs", 64, {}),
    "GhostNet v2": ("ghostnetv2_100", 64, {}),
    "GhostNet": ("ghostnet_050", 64, {}),
    "RepVGG": ("repvgg_a0", 64, {}),
    "EfficientNet-Lite": ("efficientnet_lite0", 64, {}),
    "EfficientNet v2": ("tf_efficientnetv2_b0", 64, {}),
    "EfficientNet": ("efficientnet_b0", 64, {}),
    "EfficientFormer": ("efficientformer_l1", 224, {}),
    "EdgeNeXt": ("edgenext_xx_small", 64, {"depths": (1, 1, 1, 1)}),
    "FastViT": ("fastvit_t8", 64, {"layers": (1, 1, 1, 1)}),
    "ConvNeXt v2": ("convnextv2_atto", 64, _STAGES),
    "ConvNeXt": ("convnext_atto", 64, _STAGES),
    "NFNet": ("nfnet_l0", 64, {"depths": (1, 1, 1, 1)}),
    "DeiT III": ("deit3_small_patch16_224", 64, _TOKENS),
    "DeiT": ("deit_tiny_patch16_224", 64, _TOKENS),
    "Swin v2": ("swinv2_cr_tiny_224", 64, _SWIN),
    "Swin": ("swin_tiny_patch4_window7_224", 64, _SWIN),
    "DINOv3": ("vit_tiny_patch16_dinov3_qkvb", 64, _TOKENS),
    "DINOv2": ("vit_small_patch14_dinov2", 70, _TOKENS),
    "CLIP": ("vit_xsmall_patch16_clip_224", 64, _TOKENS),
    "SigLIP": ("vit_base_patch16_siglip_gap_224", 64, _TOKENS),
    "ViT": ("vit_tiny_patch16_224", 64, _TOKENS),
    "BEiT v2": ("beitv2_base_patch16_224", 224, _TOKENS),
    "BEiT": ("beit_base_patch16_224", 224, _TOKENS),
    "EVA-02": ("eva02_tiny_patch14_224", 224, _TOKENS),
    "EVA": ("eva_large_patch14_196", 196, _TOKENS),
    "MLP-Mixer": ("mixer_s32_224", 224, {}),
    "MaxViT": ("maxvit_pico_rw_256", 256, {"depths": (1, 1, 1, 1), "embed_dim": (32, 32, 32, 32)}),
    "CoAtNet": ("coatnet_pico_rw_224", 224, {"depths": (1, 1, 1, 1), "embed_dim": (32, 32, 32, 32)}),
    "CaiT": ("cait_xxs24_224", 224, {"depth": 2}),
    "XCiT": ("xcit_nano_12_p16_224", 224, {"depth": 2}),
    "LeViT": ("levit_128s", 224, {"depth": (1, 1, 1)}),
    "PVT v2": ("pvt_v2_b0", 64, {"depths": (1, 1, 1, 1)}),
    "PoolFormer": ("poolformer_s12", 64, {}),
}
"""By family: a member, the side of its images, and what makes it smaller."""


def small(family: str, model: str, monkeypatch):
    """The member inside a ``classifier`` or an ``encoder_unet``, with statistics of its own and logits of unit spread.

    Untrained decoders else give logits of thousands, whose probabilities say nothing.
    """
    name, side, smaller = MEMBERS[family]
    made = functools.partial(timm_models.create_timm_model, **smaller) if smaller else timm_models.create_timm_model
    for place in ("medgraft.models.features", "medgraft.models.encoder"):
        monkeypatch.setattr(f"{place}.create_timm_model", made)
    torch.manual_seed(0)
    classes = 3 if model == "classifier" else 1
    built = build_model(ModelSpec(model=model, encoder=name, classes=classes))
    for part in built.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None  # a plain average from the first batch on
            part.reset_running_stats()
    built.train()
    with torch.no_grad():
        for _ in range(2):
            built(torch.rand(2, 3, side, side))
        built.eval()
        last = built.final if model == "classifier" else built.head
        spread = built(torch.rand(2, 3, side, side)).std()
        for parameter in last.parameters():
            parameter.div_(spread)
    return built, side
