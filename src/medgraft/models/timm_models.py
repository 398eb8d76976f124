"""timm models by name, with random weights and for images of any size where that can be had."""

from __future__ import annotations

import contextlib
from typing import Any

import timm

from medgraft.errors import RecipeError, suggest
from medgraft.models.cbr import CBR_ENCODERS, cbr_config

# Models built for one input size take others only when told so: Swin by the first, vision transformers by the second.
_ANY_SIZE: tuple[dict[str, Any], ...] = (
    {"strict_img_size": False},
    {"dynamic_img_size": True, "dynamic_img_pad": True},
    {"dynamic_img_size": True},
)


def create_timm_model(name: str, **options: Any) -> Any:
    """Build a timm model with random weights; nothing is downloaded.

    Parameters
    ----------
    name
        A timm name, with or without the tag of its weights.
    options
        Of ``timm.create_model``: ``in_chans``, and ``num_classes=0`` for a model without its classifier.

    Raises
    ------
    RecipeError
        When timm has no model of that name (near names are suggested).
    """
    config = pretrained_config(name)
    if name in CBR_ENCODERS:
        raise RecipeError(f"encoder {name!r} is for classification alone; choose one of timm's, such as resnet18.")
    for any_size in _ANY_SIZE if config.fixed_input_size else ():
        try:
            model = timm.create_model(name, pretrained=False, **any_size, **options)
        except TypeError:
            continue
        if "strict_img_size" in any_size:
            model.patch_embed.dynamic_img_pad = True  # sides that are no multiple of the patch
        return model
    return timm.create_model(name, pretrained=False, **options)


def only_size(model: Any) -> int | None:
    """Return the side in pixels of the only images that a timm model takes, or None where it takes any."""
    config = model.pretrained_cfg
    strict = getattr(getattr(model, "patch_embed", None), "strict_img_size", True)
    if not config["fixed_input_size"] or not strict:
        return None
    return int(config["input_size"][-1])


def pretrained_config(name: str) -> Any:
    """Return what timm knows of an encoder's pretrained weights (mean, std, licence, where they are).

    Encoders of the CBR family have an entry of the same kind, which knows of no weights.

    Raises
    ------
    RecipeError
        When there is no encoder or no weights' tag of that name.
    """
    if name in CBR_ENCODERS:
        return cbr_config()
    config = None
    # timm raises for a tag that it does not know, and returns None for a name.
    with contextlib.suppress(RuntimeError):
        config = timm.get_pretrained_cfg(name, allow_unregistered=False) if timm.is_model(name) else None
    if config is None:
        known = [*timm.list_models(), *CBR_ENCODERS]
        raise RecipeError(f"no encoder {name!r} in timm {timm.__version__}.{suggest(name, known)}")
    return config
