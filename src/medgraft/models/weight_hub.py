"""Pretrained weights from timm's sources: caches on this machine first, then the network."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import constants, hf_hub_download, is_offline_mode, try_to_load_from_cache

from medgraft.errors import WeightsError

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names under which the hub's repositories usually keep their weights, the first choice first."""

_PATIENCE = 5.0  # seconds for the hub's first answer; its client would retry for minutes


class HubUnreachableError(Exception):
    """The hub is switched off or does not answer; the text is a clause that says which."""


def cached_file(repository: str, names: tuple[str, ...] = HUB_FILES) -> Path | None:
    """Return the repository's weights file from the hub's cache on this machine, or None."""
    for name in names:
        place = try_to_load_from_cache(repository, name)
        if isinstance(place, str):
            return Path(place)
    return None


def cached_url(url: str) -> Path | None:
    """Return the file that torch.hub kept of ``url`` on this machine, or None."""
    place = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    return place if url and place.is_file() else None


def config_files(config: Any) -> tuple[str, ...]:
    """Names of the weights file in the hub repository of a timm configuration."""
    return (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES


def cached_encoders() -> list[str]:
    """Return the timm names of weights in the caches of this machine, such as ``resnet50.a1_in1k``, sorted."""
    folders = {folder.name for folder in Path(constants.HF_HUB_CACHE).glob("models--*")}
    files = {file.name for file in (Path(torch.hub.get_dir()) / "checkpoints").glob("*")}
    names = []
    for name in timm.list_pretrained() if folders or files else ():
        config = timm.get_pretrained_cfg(name)
        repository, url = config.hf_hub_id or "", config.url or ""
        in_hub = f"models--{repository.replace('/', '--')}" in folders and cached_file(repository, config_files(config))
        if in_hub or (url.rpartition("/")[2] in files and cached_url(url)):
            names.append(name)
    return sorted(names)


def download(repository: str, names: tuple[str, ...] = HUB_FILES) -> Path:
    """Return the weights file of a hub repository, from the cache or the network.

    Parameters
    ----------
    repository
        ``OWNER/NAME``.
    names
        Names that the file may have, the first choice first.

    Raises
    ------
    HubUnreachableError
        When it is not cached and the hub cannot be reached.
    WeightsError
        When the hub has no weights under that name, or does not give them.
    """
    cached = cached_file(repository, names)
    if cached:
        return cached
    _require_hub()
    reason: Exception | None = None
    for name in names:
        try:
            return Path(hf_hub_download(repository, name))
        except OSError as error:
            reason = error
    first = str(reason).strip().split("\n")[0]
    raise WeightsError(f"hf-hub:{repository}: the hub gave no {' or '.join(names)} ({first}).")


def download_url(url: str) -> Path:
    """Return a weights file by its address, from torch.hub's cache or the network; see :func:`download`."""
    cached = cached_url(url)
    if cached:
        return cached
    if is_offline_mode() or os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        raise HubUnreachableError("downloads are switched off (HF_HUB_OFFLINE)")
    place = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(place), progress=False)
    except OSError:
        raise HubUnreachableError("the network cannot be reached") from None
    return place


def hub_config(repository: str) -> dict[str, Any]:
    """Return ``pretrained_cfg`` of a hub repository's config.json, or an empty mapping."""
    try:
        path = cached_file(repository, ("config.json",)) or Path(hf_hub_download(repository, "config.json"))
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    inner = config.get("pretrained_cfg", config)
    return inner if isinstance(inner, dict) else {}


def _require_hub() -> None:
    if is_offline_mode() or os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        raise HubUnreachableError("the hub is switched off (HF_HUB_OFFLINE)")
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=_PATIENCE).close()
    except urllib.error.HTTPError:
        return  # any answer at all means that the hub is there
    except OSError:
        raise HubUnreachableError("the network cannot be reached") from None
