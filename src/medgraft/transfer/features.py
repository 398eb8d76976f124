"""Features: what a frozen prefix returns for every image, computed once and kept beside the pixels.

A head that trains on them needs neither images nor encoder. They are computed in float32 on the fastest engine whose
output equals PyTorch's (:data:`~medgraft.transfer.prefix.PARITY`), so what learns on them is the model that it would
be without them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from medgraft.data import Augmenter, PixelStore, scale
from medgraft.data.batches import StoreDataset
from medgraft.data.staging import publish, reserve, staging
from medgraft.files import cache_root
from medgraft.models import Encoder
from medgraft.policy import Augment
from medgraft.transfer.engines import Engine
from medgraft.transfer.onnx_export import evaluating, prefix_digest

FORMAT = 1
SHARE_OF_DISK = 0.5
"""Features that would take more of the free disk than this are not stored."""
Progress = Callable[[int, int], None]
Rows = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Views:
    """Which forms of each training image are looked at: the first unchanged, the others augmented.

    Attributes
    ----------
    count : of views, 1 or more.
    augmenter : how the others are changed; the change of (seed, view, image) is always the same.
    """

    count: int
    augmenter: Augmenter
    seed: int

    def key(self, view: int) -> list[Any]:
        """All that decides what a view shows of an image."""
        return [0] if view == 0 else [view, self.seed, self.augmenter.policy.model_dump()]


@dataclass(frozen=True)
class Features:
    """Outputs of ``encoder.blocks[:stop]``, by view.

    Attributes
    ----------
    arrays : for each view ``[N or T, ...]`` float32, mapped: of all N images in the store's order for the first
        view, of the T training images for the others.
    place : [N], where a training image lies in the arrays of the other views; -1 for the rest.
    stop : how many blocks were run.
    engine : what ran them; ``seconds`` that took, 0 where all were found in the cache.
    """

    arrays: tuple[FloatArray, ...]
    place: Rows
    stop: int
    engine: str
    seconds: float = 0.0

    def view(self, view: int, rows: Rows) -> FloatArray:
        """Features [len(rows), ...] of one view of these images; of the first of any, of others of training images."""
        return self.arrays[view][rows if view == 0 else self.place[rows]]

    def take(self, rows: Rows, turn: int = 0) -> FloatArray:
        """Features [len(rows), ...] of images: in turn 0 of their first view, later of one view after the other."""
        if turn == 0 or len(self.arrays) == 1:
            return self.view(0, rows)
        views = (turn + rows) % len(self.arrays)
        taken = np.empty((len(rows), *self.arrays[0].shape[1:]), np.float32)
        for view in np.unique(views):
            taken[views == view] = self.view(int(view), rows[views == view])
        return taken

    @property
    def megabytes(self) -> float:
        """Size of all arrays."""
        return sum(array.nbytes for array in self.arrays) / 1e6

    def record(self) -> dict[str, Any]:
        """What a run writes down of them."""
        return {
            "images": len(self.arrays[0]),
            "views": len(self.arrays),
            "engine": self.engine,
            "seconds": round(self.seconds, 3),
            "megabytes": round(self.megabytes, 1),
            "stop": self.stop,
        }


def too_large(store: PixelStore, encoder: Encoder, stop: int, views: int) -> bool:
    """Whether features of that many views of every image would take more than a share of the free disk."""
    values = int(np.prod(_shape(store, encoder, stop)))
    root = cache_root()
    nearest = next(place for place in (root, *root.parents) if place.exists())
    return 4 * values * len(store) * views > SHARE_OF_DISK * shutil.disk_usage(nearest).free


def extract(
    store: PixelStore,
    encoder: Encoder,
    engine: Engine,
    train: Rows,
    views: Views,
    batch_size: int = 8,
    progress: Progress | None = None,
) -> Features:
    """Return the features of every image, from the cache where they were computed before.

    Parameters
    ----------
    encoder : the prefix's encoder, whose weights are part of the key.
    engine : runs ``encoder.blocks[:engine.stop]`` in float32, for images of the store's size.
    train : rows of which further views are wanted; of the others the first is.
    progress : called with ``(done, total)`` images.
    """
    start = time.perf_counter()
    prefix = prefix_digest(encoder, engine.stop, tuple(_first(store).shape[1:]))
    everything = np.arange(len(store))
    jobs = [(view, everything if view == 0 else train) for view in range(views.count)]
    paths = [_path(store, prefix, engine.name, rows, views.key(view)) for view, rows in jobs]
    total = sum(len(rows) for (_, rows), path in zip(jobs, paths, strict=True) if not path.exists())
    shape = _shape(store, encoder, engine.stop)
    counted = _Counted(progress, total)
    for (view, rows), path in zip(jobs, paths, strict=True):
        if not path.exists():
            device = next(encoder.parameters()).device
            _Extraction(store, engine, device, views, shape, batch_size).write(path, rows, view, counted)
    arrays = tuple(_load(path, (len(rows), *shape)) for (_, rows), path in zip(jobs, paths, strict=True))
    place = np.full(len(store), -1, np.int64)
    place[train] = np.arange(len(train))
    return Features(arrays, place, engine.stop, engine.name, time.perf_counter() - start if total else 0.0)


def extract_rows(
    store: PixelStore,
    encoder: Encoder,
    engine: Engine,
    rows: Rows,
    batch_size: int = 8,
    progress: Progress | None = None,
) -> FloatArray:
    """Return the features [len(rows), ...] of some images, unchanged, from the cache where they were computed before.

    Parameters
    ----------
    rows : positions of the images in the store.
    encoder : in whatever mode it is, its features are those of eval mode.
    engine, progress : as for :func:`extract`.
    """
    prefix = prefix_digest(encoder, engine.stop, tuple(_first(store).shape[1:]))
    path, shape = _path(store, prefix, engine.name, rows, ["rows"]), _shape(store, encoder, engine.stop)
    if not path.exists():
        device = next(encoder.parameters()).device
        extraction = _Extraction(store, engine, device, _UNCHANGED, shape, batch_size)
        with evaluating(encoder):
            extraction.write(path, rows, 0, _Counted(progress, len(rows)))
    return _load(path, (len(rows), *shape))


_UNCHANGED = Views(1, Augmenter(Augment()), 0)


class _Counted:
    """Tells the progress of several arrays as one."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def add(self, images: int) -> None:
        self.done += images
        if self.progress is not None:
            self.progress(self.done, self.total)


@dataclass(frozen=True)
class _Extraction:
    store: PixelStore
    engine: Engine
    device: torch.device
    views: Views
    shape: tuple[int, ...]
    batch_size: int

    def write(self, path: Path, rows: Rows, view: int, counted: _Counted) -> None:
        """Run the engine on one view of ``rows`` and publish the array, whole or not at all."""
        with staging(path.parent) as folder, ThreadPoolExecutor(self.engine.streams) as pool:
            file = folder / "features.bin"
            reserve(file, 4 * int(np.prod(self.shape)) * len(rows))
            array = np.memmap(file, np.float32, "r+", shape=(len(rows), *self.shape))
            starts = range(0, len(rows), self.batch_size)
            for count in pool.map(lambda start: self._part(array, rows, view, start), starts):
                counted.add(count)
            array.flush()
            publish(folder, path)

    def _part(self, array: FloatArray, rows: Rows, view: int, start: int) -> int:
        part = rows[start : start + self.batch_size]
        # One for each part: its random stream belongs to one thread.
        dataset = StoreDataset(self.store, self.views.augmenter if view else None, self.views.seed)
        batch = dataset.__getitems__([(view, int(row)) for row in part])
        (output,) = self.engine(scale(batch.images).to(self.device))
        array[start : start + len(part)] = output.float().cpu().numpy()
        return len(part)


def _load(path: Path, shape: tuple[int, ...]) -> FloatArray:
    # A plain view of the mapped file: indexing a np.memmap makes an object of that class each time.
    return np.asarray(np.memmap(path / "features.bin", np.float32, "r", shape=shape))


def _path(store: PixelStore, prefix: str, engine: str, rows: Rows, view: list[Any]) -> Path:
    parts = json.dumps([FORMAT, store.path.name, prefix, engine, view])
    digest = hashlib.sha256(parts.encode() + rows.astype(np.int64).tobytes())
    return cache_root() / "features" / digest.hexdigest()[:32]


def _first(store: PixelStore) -> torch.Tensor:
    return scale(StoreDataset(store).__getitems__([(0, 0)]).images)


def _shape(store: PixelStore, encoder: Encoder, stop: int) -> tuple[int, ...]:
    """Of one image's features."""
    with evaluating(encoder), torch.no_grad():
        device = next(encoder.parameters()).device
        (output,) = encoder.forward_prefix(_first(store).to(device), stop)
    return tuple(output.shape[1:])
