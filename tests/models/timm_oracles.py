"""timm's own models without classifier, to compare ours with, and their states as pretrained weights."""

import timm
import torch

from medgraft.models import Weights


def stir(model, seed=0):
    """Random statistics, scales and tokens in place of those that start at 0 or 1, which would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point() and (tensor.ndim <= 1 or tensor.abs().max() < 1e-3):
            tensor.uniform_(0.3, 0.8, generator=generator)
    return model.eval()


def any_size(name):
    """What timm wants to be told for images of any size."""
    if "swin" in name:
        return {"strict_img_size": False}
    if "vit" in name or "deit" in name:
        return {"dynamic_img_size": True, "dynamic_img_pad": True}
    return {}


def timm_features(name, **options):
    """timm's own model without classifier, with numbers that hide nothing."""
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=0, **any_size(name), **options)
    if "swin" in name:
        model.patch_embed.dynamic_img_pad = True
    return stir(model)


def weights_of(model, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)):
    """The state of a model as pretrained weights."""
    return Weights("test", "0", "none", mean, std, model.state_dict())
