"""timm models by name, with random weights and for images of any size."""

from __future__ import annotations

from typing import Any

import timm

from medgraft.errors import RecipeError, suggest


def create_timm_model(name: str) -> Any:
    """Build the full timm model with random weights; nothing is downloaded.

    Raises
    ------
    RecipeError
        When timm has no model of that name (near names are suggested), or it takes one image size only.
    """
    config = pretrained_config(name)
    # Models built for one input size (Swin) accept others only when told so.
    options = {"strict_img_size": False} if config.fixed_input_size else {}
    try:
        model = timm.create_model(name, pretrained=False, **options)
    except TypeError:
        raise RecipeError(f"encoder {name!r} takes images of one size only; choose another encoder.") from None
    if options:
        model.patch_embed.dynamic_img_pad = True  # sides that are no multiple of the patch
    return model


def pretrained_config(name: str) -> Any:
    """Return what timm knows of an encoder's pretrained weights (mean, std, licence, where they are).

    Raises
    ------
    RecipeError
        When timm has no model or no weights' tag of that name.
    """
    config = timm.get_pretrained_cfg(name, allow_unregistered=False) if timm.is_model(name) else None
    if config is None:
        raise RecipeError(f"no encoder {name!r} in timm {timm.__version__}.{suggest(name, timm.list_models())}")
    return config
