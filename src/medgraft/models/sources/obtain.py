"""From a source's name to its tensors: the file on this machine, or its download, or what the user can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from medgraft.errors import WeightsError
from medgraft.files import cache_root
from medgraft.models.sources.source import PREFIX, MedicalSource
from medgraft.models.sources.translate import translate
from medgraft.models.weight_files import read_state, sha256
from medgraft.models.weight_hub import HUB_FILES, HubUnreachableError, cached_file, cached_url, download, download_url

_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")


@dataclass(frozen=True)
class Obtained:
    """The tensors of a source under timm's names, with the file's name and its SHA-256 digest."""

    state: dict[str, Tensor]
    file: str
    digest: str


def kept_file(source: MedicalSource) -> Path | None:
    """Return the source's file on this machine, or None.

    Looked for in Medgraft's cache (``weights/NAME.safetensors``, or .pt, .pth, .bin), the hub's cache, and
    torch.hub's.
    """
    for suffix in _SUFFIXES:
        path = _folder() / f"{source.name}{suffix}"
        if path.is_file():
            return path
    if source.status != "loads":
        return None
    return (cached_file(source.hub, source.files or HUB_FILES) if source.hub else None) or cached_url(source.url)


def obtain(source: MedicalSource, encoder: str, file: Path | None = None) -> Obtained:
    """Return the tensors of a source.

    Parameters
    ----------
    source
        The source.
    encoder
        The encoder that asks, with or without the tag of its weights.
    file
        The published file on this machine; by default it is looked for, then downloaded.

    Raises
    ------
    WeightsError
        When the encoder is another than the source's, the file cannot be had, or it is not what it should be. The
        message says what can be done.
    """
    asked = encoder.partition(".")[0]
    if source.status == "listed only":
        raise WeightsError(f"{PREFIX}{source.name} is listed only, and cannot be loaded: {source.note}.")
    if asked != source.encoder:
        raise WeightsError(
            f"{PREFIX}{source.name} holds weights of {source.encoder}, not of {asked}; "
            f"choose it:   --encoder {source.encoder}"
        )
    path = file.expanduser() if file else kept_file(source) or _downloaded(source)
    try:
        state = read_state(path)
    except WeightsError as error:
        raise WeightsError(f"{error}{_conversion(source)}") from None
    return Obtained(translate(source.form, state, str(path)), path.name, sha256(path))


def _downloaded(source: MedicalSource) -> Path:
    """The downloaded file of a source that publishes one that can be read; else WeightsError with the ways out."""
    try:
        if source.status == "loads" and source.hub:
            return download(source.hub, source.files or HUB_FILES)
        if source.status == "loads" and source.url:
            return download_url(source.url)
        reason = "no file that can be read here is published under an address"
    except HubUnreachableError as error:
        reason = str(error)
    except WeightsError as error:
        reason = str(error).rstrip(".")
    lines = [f"the weights {PREFIX}{source.name} are not at hand, and {reason}.", f"  To get them:   {source.get}"]
    lines.append(f"  Then give the file:   --weights {PREFIX}{source.name}@FILE")
    lines.append(f"  Or put it there once:   {_folder() / source.name}.safetensors (or .pt, .pth, .bin)")
    raise WeightsError("\n".join(lines) + _conversion(source))


def _conversion(source: MedicalSource) -> str:
    if not source.convert:
        return ""
    steps = "\n".join(f"    {line}" for line in source.convert.splitlines())
    return f"\n  What they publish is a pickled model. Where you trust it, write its tensors to a file:\n{steps}"


def _folder() -> Path:
    return cache_root() / "weights"
