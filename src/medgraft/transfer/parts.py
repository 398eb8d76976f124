"""The parts of a model: its encoder, the rest, and which parameters of a part are scales and shifts of norms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from torch import nn

from medgraft.models import Encoder, Segmenter

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_NORMS = (*_BATCH_NORMS, *_INSTANCE_NORMS, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
# Most norms of timm extend torch's; those that do not (RmsNorm, SimpleNorm) are known by where they are written.
_TIMM_NORMS = ("timm.layers.norm", "timm.layers.norm_act")

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm


class ParamGroup(TypedDict):
    """A group for a torch optimiser. ``base_lr`` is the rate that a schedule scales; 0 while the part is fixed."""

    params: list[nn.Parameter]
    lr: float
    base_lr: float
    weight_decay: float
    part: str


def encoder_of(model: nn.Module) -> Encoder | None:
    """The encoder of ``model``, or None where it has none (the plain U-Net)."""
    encoder = getattr(model, "encoder", None)
    return encoder if isinstance(encoder, Encoder) else None


def blocks_of(model: nn.Module) -> Encoder | int:
    """What a strategy's ``rates``, ``prefix`` and ``stage`` want to know of ``model``: its encoder, or 0 blocks."""
    encoder = encoder_of(model)
    return 0 if encoder is None else encoder


def rest_name(model: nn.Module) -> str:
    """What the parameters outside the encoder are called in groups, stages and summaries."""
    if encoder_of(model) is None:
        return "model"
    return "decoder" if isinstance(model, Segmenter) else "head"


def rest_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The parameters outside the encoder."""
    encoder = encoder_of(model)
    inside = set(map(id, encoder.parameters())) if encoder is not None else set()
    return [p for p in model.parameters() if id(p) not in inside]


def norm_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Scales and shifts of the normalisations in ``module``: batch, layer, group, instance and RMS."""
    norms = (inner for inner in module.modules() if is_norm(inner))
    # A norm of timm may hold an activation with parameters of its own, which are no scales and shifts.
    return [parameter for norm in norms for parameter in norm.parameters(recurse=False)]


def batch_norms(module: nn.Module) -> list[BatchNorm]:
    """The batch normalisations in ``module`` that keep running statistics."""
    found = [inner for inner in module.modules() if isinstance(inner, _BATCH_NORMS)]
    return [norm for norm in found if norm.running_mean is not None]


def param_groups(part: str, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> list[ParamGroup]:
    """Groups of one part: what decays, and (norms and biases, of fewer than two axes) what does not."""
    listed = list(parameters)
    by_decay = ((weight_decay, [p for p in listed if p.ndim > 1]), (0.0, [p for p in listed if p.ndim <= 1]))
    return [
        ParamGroup(params=chosen, lr=lr, base_lr=lr, weight_decay=decay, part=part)
        for decay, chosen in by_decay
        if chosen
    ]


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a normalisation: batch, layer, group, instance or RMS, of torch or timm."""
    return isinstance(module, _NORMS) or any(kind.__module__ in _TIMM_NORMS for kind in type(module).__mro__)
