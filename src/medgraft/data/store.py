"""The PixelStore: every image and mask decoded once, at working size, in memory-mapped arrays on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.data.formats import file_of, sources_of
from medgraft.data.manifest import Manifest
from medgraft.data.masks import MaskClasses
from medgraft.data.staging import publish, set_aside, staging
from medgraft.data.store_build import Layout, build, mapped_masks
from medgraft.errors import DataError
from medgraft.window import AUTO

_FORMAT = 1
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class PixelStore:
    """Images and masks of a manifest at working size, row for row in the manifest's order.

    Attributes
    ----------
    images : ``[N, S, S, C]``, uint8, or uint16 where any source has more than 8 bits (8-bit ones are then
        multiplied by 257); read-only and mapped, so only what is used takes memory.
    masks : ``[N, S, S]`` uint8 class indices, sampled by nearest neighbour; ``[N, 0, 0]`` where the images have
        labels and no masks.
    sizes : ``[N, 2]`` int32, height and width of the original image (and mask).
    foreground : ``[N]`` float64, share of the original mask's pixels that are not background.
    classes : what the masks' values mean; None without masks.
    path : the folder of the store.
    labels : of manifests with labels: ``[N]`` int64, or ``[N, C]`` uint8 where an image may have several; else None.
        They lie in memory, not in the folder.

    A store pickles as its path and labels, so worker processes map the same files.
    """

    images: npt.NDArray[Any]
    masks: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int32]
    foreground: npt.NDArray[np.float64]
    classes: MaskClasses | None
    path: Path
    labels: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __reduce__(self) -> tuple[Any, ...]:
        return PixelStore.load, (self.path, self.labels)

    @property
    def targets(self) -> npt.NDArray[Any]:
        """What is to be predicted: labels where there are any, else masks."""
        return self.masks if self.labels is None else self.labels

    @classmethod
    def open(
        cls,
        manifest: Manifest,
        size: int,
        channels: int = 3,
        mask_values: Mapping[str, str] | None = None,
        window: str = AUTO,
        cache: str | Path | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> PixelStore:
        """Open the store of ``manifest`` at ``size``, built first where there is none or a file changed.

        Parameters
        ----------
        manifest
            The images, with masks or labels; their order is the order of the rows. Labels are not stored.
        size
            Side in pixels; images are resized to ``size x size`` whatever their shape.
        channels
            1 (grey) or 3 (colour).
        mask_values
            What the masks' values mean (:meth:`MaskClasses.from_option`); None takes what the manifest says, or
            else recognises 0/1 and 0/255.
        window
            Which values become black and white in files of measured ones (the option ``window``).
        cache
            Folder for stores; default ``$MEDGRAFT_CACHE`` or ``~/.cache/medgraft``.
        workers
            Threads that decode; default one a core.
        progress
            Called with ``(done, total)`` images while the store is built.

        Raises
        ------
        DataError
            For files that cannot be read, masks of another size than their image, values nobody mapped,
            masks that are all empty, and a cache that cannot be written or has no space left.
        """
        mask_values = mask_values or manifest.mask_values
        root = cache_folder(cache)
        path = root / _key(manifest, size, channels, mask_values, window)
        if not _is_whole(path):
            layout = Layout(len(manifest), size, channels, masked=manifest.classes is None, window=window)
            _build(path, manifest, layout, mask_values, workers, progress)
        return cls.load(path, manifest.labels if manifest.classes is not None else None)

    @classmethod
    def load(cls, path: str | Path, labels: npt.NDArray[Any] | None = None) -> PixelStore:
        """Map the store in the folder ``path``, and give it its labels; DataError where there is no whole one."""
        path = Path(path)
        if not _is_whole(path):
            raise DataError(f"{path}: not a whole pixel store; open it again from the data.")
        about = json.loads((path / "store.json").read_text(encoding="utf-8"))
        layout = Layout(**about["layout"])
        return cls(
            images=np.memmap(path / "images.bin", layout.dtype, "r", shape=layout.images),
            masks=mapped_masks(path, layout, "r"),
            sizes=np.load(path / "sizes.npy"),
            foreground=np.load(path / "foreground.npy"),
            classes=MaskClasses.from_dict(about["classes"]) if layout.masked else None,
            path=path,
            labels=labels,
        )


def cache_folder(cache: str | Path | None = None) -> Path:
    """Return the folder for stores: ``cache``, or under ``$MEDGRAFT_CACHE``, or ``~/.cache/medgraft``."""
    if cache is not None:
        return Path(cache).expanduser().absolute()
    named = os.environ.get("MEDGRAFT_CACHE")
    return (Path(named) if named else Path("~/.cache/medgraft")).expanduser().absolute() / "stores"


def _key(manifest: Manifest, size: int, channels: int, mask_values: Mapping[str, str] | None, window: str) -> str:
    """Digest of everything that decides the store's contents, without reading a pixel."""
    mapping = list(mask_values.items()) if mask_values else None
    chosen = [] if window == AUTO else [window]
    digest = hashlib.sha256(json.dumps([_FORMAT, size, channels, mapping, *chosen]).encode())
    states: dict[Path, list[list[int]]] = {}
    for pair in _pictures(manifest):
        for address in filter(None, pair):
            file = file_of(address)
            if file not in states:
                states[file] = [_state(source) for source in sources_of(file)]
            digest.update(json.dumps([address, *(number for state in states[file] for number in state)]).encode())
    return digest.hexdigest()[:32]


def _state(file: Path) -> list[int]:
    """What changes with the file: its bytes and its date."""
    try:
        status = file.stat()
    except OSError as error:
        raise DataError(f"{file}: cannot be read any more ({error.strerror}).") from None
    return [status.st_size, status.st_mtime_ns]


def _pictures(manifest: Manifest) -> list[tuple[str, str | None]]:
    """The addresses of each row: image and mask, or image alone where targets are labels."""
    images = manifest.table["image"].tolist()
    if manifest.classes is not None:
        return [(image, None) for image in images]
    return list(zip(images, manifest.table["target"].tolist(), strict=True))


def _is_whole(path: Path) -> bool:
    try:
        about = json.loads((path / "store.json").read_text(encoding="utf-8"))
        layout = Layout(**about["layout"])
        images, masks = (path / "images.bin").stat().st_size, (path / "masks.bin").stat().st_size
        rows = len(np.load(path / "sizes.npy")), len(np.load(path / "foreground.npy"))
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return False
    return (images, masks) == (layout.image_bytes, layout.mask_bytes) and rows == (layout.count, layout.count)


def _build(
    path: Path,
    manifest: Manifest,
    layout: Layout,
    mask_values: Mapping[str, str] | None,
    workers: int | None,
    progress: Progress | None,
) -> None:
    classes = MaskClasses.from_option(mask_values) if mask_values else None
    try:
        with staging(path.parent) as folder:
            build(folder, _pictures(manifest), layout, classes, workers or os.cpu_count() or 1, progress)
            if _key(manifest, layout.size, layout.channels, mask_values, layout.window) != path.name:
                raise DataError(f"{manifest.root}: files changed while they were read; start again.")
            if path.exists() and not _is_whole(path):
                set_aside(path)
            publish(folder, path)
    except OSError as error:
        raise DataError(
            f"{path.parent}: the decoded images cannot be written there ({error.strerror or error}); they "
            f"take {layout.total_bytes / 1e6:.1f} MB. Make room, or name another folder in MEDGRAFT_CACHE."
        ) from error
