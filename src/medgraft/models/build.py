"""Models by name: what a run writes down to build the same model again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

import torch

from medgraft.errors import RecipeError, suggest
from medgraft.models.classifier import Classifier
from medgraft.models.encoder import Encoder, create_encoder
from medgraft.models.encoder_model import EncoderModel
from medgraft.models.encoder_unet import EncoderUNet
from medgraft.models.features import create_feature_encoder
from medgraft.models.slim import slimmed
from medgraft.models.smp import SMP_DECODERS, SmpSegmenter
from medgraft.models.timm_models import pretrained_config
from medgraft.models.unet import UNet
from medgraft.models.weights import Weights

_SMP = "smp:"
E = TypeVar("E", bound=Encoder)


def list_models() -> list[str]:
    """Return the names that ``ModelSpec.model`` may have."""
    return ["encoder_unet", "unet", *(_SMP + decoder for decoder in SMP_DECODERS), "classifier"]


@dataclass(frozen=True)
class ModelSpec:
    """All that is needed to build a model of the same structure, without its weights' source.

    Attributes
    ----------
    model : str
        One of :func:`list_models`.
    encoder : str or None
        The timm name; None for ``unet``.
    in_channels, classes : int
        Channels of images and logits (1 for a binary mask or label).
    mean, std : tuple of float or None
        With an encoder, the three colour statistics of its weights (one value each where they take grey images);
        for ``unet``, those of the training images by channel. None takes what the weights or timm say;
        :meth:`completed` fills it in.
    adapt : str
        How the first convolution takes grey images.
    widths : tuple of int or None
        Channels of the steps (``encoder_unet``, ``unet``); None is the model's own default.
    bottleneck : int
        Channels after the coarsest level (``encoder_unet``).
    slim : int or None
        How many encoder blocks have their full width, the others half of it, see :mod:`medgraft.models.slim`.
    head, dropout : str, float
        What stands on the encoder (``classifier``), see :class:`medgraft.models.classifier.Classifier`.
    """

    model: str = "encoder_unet"
    encoder: str | None = "tf_efficientnet_lite0"
    in_channels: int = 3
    classes: int = 1
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    adapt: str = "sum"
    widths: tuple[int, ...] | None = None
    bottleneck: int = 512
    head: str = "linear"
    dropout: float = 0.5
    slim: int | None = None

    def __post_init__(self) -> None:
        if self.model not in list_models():
            raise RecipeError(
                f"no model {self.model!r}; there are {', '.join(list_models())}.{suggest(self.model, list_models())}"
            )
        if self.model == "unet":
            object.__setattr__(self, "encoder", None)
        elif self.encoder is None:
            raise RecipeError(f"model {self.model!r} wants an encoder; name one, such as tf_efficientnet_lite0.")

    def completed(self, weights: Weights | None = None) -> ModelSpec:
        """Return the spec with ``mean`` and ``std`` filled in, from the weights or else from timm."""
        if self.encoder is None:
            return self
        known = weights or pretrained_config(self.encoder)
        return replace(self, mean=self.mean or tuple(known.mean), std=self.std or tuple(known.std))

    def to_dict(self) -> dict[str, Any]:
        """As plain types that JSON can hold."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ModelSpec:
        """Read what :meth:`to_dict` wrote; raises RecipeError for an unknown key."""
        known = [field.name for field in fields(cls)]
        for key in raw:
            if key not in known:
                raise RecipeError(f"no key {key!r} in the description of a model.{suggest(key, known)}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        return cls(**values)


def build_model(spec: ModelSpec, weights: Weights | None = None) -> UNet | EncoderModel:
    """Build the model that ``spec`` describes.

    Parameters
    ----------
    spec
        The description; ``mean`` and ``std`` in it go before those of ``weights``.
    weights
        Pretrained weights of the encoder, or None for random ones.

    Raises
    ------
    RecipeError
        When an encoder is unknown or unsuited, or an extra package is missing.
    WeightsError
        When the weights do not fit.
    """
    if spec.encoder is None:
        widths = {"widths": spec.widths} if spec.widths else {}
        return UNet(spec.in_channels, spec.classes, mean=spec.mean, std=spec.std, **widths)
    if spec.model == "classifier":
        features = _encoder(create_feature_encoder, spec, weights)
        return Classifier(features, spec.classes, spec.head, spec.dropout)
    encoder = _encoder(create_encoder, spec, weights)
    if spec.model.startswith(_SMP):
        return SmpSegmenter(encoder, spec.model.removeprefix(_SMP), spec.classes)
    return _encoder_unet(encoder, spec)


def _encoder(create: Callable[..., E], spec: ModelSpec, weights: Weights | None) -> E:
    """The encoder of ``spec``; of a slim one, the blocks of full width have the pretrained weights."""
    options = (spec.adapt, spec.mean, spec.std)
    if spec.slim is None:
        return create(spec.encoder, spec.in_channels, weights, *options)
    encoder = slimmed(create(spec.encoder, spec.in_channels, None, *options), spec.slim)
    if weights is not None:
        with torch.random.fork_rng(devices=[]):  # what is drawn after it is the same as without weights
            whole = create(spec.encoder, spec.in_channels, weights, *options)
        encoder.blocks[: spec.slim].load_state_dict(whole.blocks[: spec.slim].state_dict())
    return encoder


def _encoder_unet(encoder: Encoder, spec: ModelSpec) -> EncoderUNet:
    widths = {"widths": spec.widths} if spec.widths else {}
    return EncoderUNet(encoder, spec.classes, spec.bottleneck, **widths)
