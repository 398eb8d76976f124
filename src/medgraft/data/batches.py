"""From a pixel store to batches of tensors, in an order and with changes that depend on the seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from medgraft.data.augment import Augmenter
from medgraft.data.store import PixelStore

Key = tuple[int, int]
Rows = Sequence[int] | npt.NDArray[np.integer[Any]]

# Keeps the stream that shuffles apart from the streams that augment, which are keyed by (seed, epoch, row).
_ORDER_STREAM = 0x6F72646572
# Bits that epochs leave free in the number of a stream.
_REPEATS = 32
_WHITE = {torch.uint8: 255.0, torch.uint16: 65535.0}


class Batch(NamedTuple):
    """Some rows of a store.

    ``images`` [B, C, H, W] uint8 or uint16, with channels-last strides; ``targets`` [B, H, W] uint8 class
    indices of masks, or of labels [B] int64, or [B, classes] uint8 where an image may have several; ``rows`` [B]
    int64 positions in the store (and in its manifest).
    """

    images: Tensor
    targets: Tensor
    rows: Tensor


def scale(images: Tensor) -> Tensor:
    """Turn stored values into float32 in [0, 1] by their type: uint8 by 255, uint16 by 65535.

    Parameters
    ----------
    images
        uint8 or uint16, any shape; the layout (strides) is kept.

    Raises
    ------
    TypeError
        For any other type, whose white is not known.
    """
    if images.dtype not in _WHITE:
        raise TypeError(f"images must be uint8 or uint16, not {images.dtype}")
    return images.to(torch.float32).mul_(1.0 / _WHITE[images.dtype])


class _Streams:
    """Random numbers of one (seed, epoch, row): a counter-based generator whose counter is put to that place.

    Seeding a generator for each sample would take as long as the warp of a small one.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.Philox(seed)
        self._generator = np.random.Generator(self._bits)
        self._fresh = self._bits.state

    def of(self, epoch: int, row: int) -> np.random.Generator:
        """The generator, at the beginning of this stream; the next call moves it."""
        # The lower two of four 64-bit words count the draws.
        self._fresh["state"]["counter"][2:] = epoch, row
        self._bits.state = self._fresh
        return self._generator


class StoreDataset(Dataset[Batch]):
    """Rows of a store by key ``(epoch, row)``; a list of keys gives a whole :class:`Batch` at once.

    What a key gives depends on ``seed``, the key and the augmenter, and on nothing else: not on the worker
    that reads it, nor on what was read before.
    """

    def __init__(self, store: PixelStore, augmenter: Augmenter | None = None, seed: int = 0) -> None:
        self.store = store
        self.augmenter = augmenter
        self._streams = _Streams(seed)

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, key: Key) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        rows = np.array([row for _, row in keys], dtype=np.int64)
        if self.augmenter is None:
            images, targets = self.store.images[rows], self.store.targets[rows]
        else:
            images, targets = self._augmented(keys, rows, self.augmenter)
        return Batch(
            torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2),
            torch.from_numpy(np.asarray(targets)),
            torch.from_numpy(rows),
        )

    def _augmented(
        self, keys: Sequence[Key], rows: npt.NDArray[np.int64], augmenter: Augmenter
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        # Plain views: indexing a np.memmap makes an object of that class each time.
        stored, masks = np.asarray(self.store.images), np.asarray(self.store.masks)
        images = np.empty((len(keys), *stored.shape[1:]), stored.dtype)
        moved = np.empty((len(keys), *masks.shape[1:]), masks.dtype)
        labels = self.store.labels
        for position, (epoch, row) in enumerate(keys):
            mask = masks[row] if labels is None else None
            images[position], changed = augmenter(stored[row], mask, self._streams.of(epoch, row))
            if changed is not None:
                moved[position] = changed
        return images, moved if labels is None else labels[rows]


class EpochSampler(Sampler[list[Key]]):
    """Batches of ``(epoch, row)`` keys, shuffled anew each epoch, shared out among processes.

    An epoch's order depends on ``(seed, epoch)`` alone. It is cut into global batches of ``batch_size *
    world`` rows, of which process ``rank`` takes every ``world``-th; so the processes together see, step by
    step, the very rows that one process with a batch of ``batch_size * world`` would see.

    The last global batch is left out when it is incomplete, unless it is the only one (then every process
    gets the same number of rows, at least one; rows are repeated when there are fewer rows than processes).

    Parameters
    ----------
    rows
        Positions in the store to draw from.
    batch_size
        Rows a batch and process.
    weights
        ``[len(rows)]``, at least 0: rows are then drawn with replacement, each as often as its weight says, as many
        as there are. None: every row once.
    """

    def __init__(
        self,
        rows: Rows,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        if len(rows) == 0 or batch_size < 1 or not 0 <= rank < world:
            raise ValueError("wanted: at least one row, a batch of at least 1, and 0 <= rank < world")
        self.rows = np.asarray(rows, dtype=np.int64)
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.weights = weights
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        return max(1, len(self.rows) // (self.batch_size * self.world))

    def __iter__(self) -> Iterator[list[Key]]:
        epoch = self.epoch
        order = self._order(np.random.default_rng([_ORDER_STREAM, self.seed, epoch]))
        step = self.batch_size * self.world
        if len(order) < step:
            order = np.resize(order, max(1, len(order) // self.world) * self.world)
        keys = np.stack([self._streams(order), order], axis=1)
        for start in range(0, len(self) * step, step):
            mine = keys[start : start + step][self.rank :: self.world]
            yield [(stream, row) for stream, row in mine.tolist()]

    def _streams(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The epoch, and for a row that is drawn again a number of its own, so that it is augmented in another way."""
        streams = np.full(len(order), self.epoch, np.int64)
        if self.weights is not None:
            streams += pd.Series(order).groupby(order).cumcount().to_numpy() << _REPEATS
        return streams

    def _order(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        if self.weights is None:
            return rng.permutation(self.rows)
        return rng.choice(self.rows, len(self.rows), p=self.weights / self.weights.sum())


class TrainingLoader:
    """Shuffled, augmented batches: call :meth:`set_epoch`, then iterate; ``len`` is the number of steps."""

    def __init__(self, dataset: StoreDataset, sampler: EpochSampler, workers: int) -> None:
        self.sampler = sampler
        self._loader = _loader(dataset, sampler, workers)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order and changes the next iteration gives."""
        self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._loader)


def training_loader(
    store: PixelStore,
    rows: Rows,
    augmenter: Augmenter | None,
    batch_size: int,
    seed: int,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    weights: npt.NDArray[np.float64] | None = None,
) -> TrainingLoader:
    """Return shuffled, augmented batches of the store's ``rows``.

    :class:`EpochSampler` says in what order (by ``weights``, where they are given), and what is left out. The batches
    are the same whatever ``workers`` is; 0 prepares them in the calling process.
    """
    sampler = EpochSampler(rows, batch_size, seed, rank, world, weights)
    return TrainingLoader(StoreDataset(store, augmenter, seed), sampler, workers)


def evaluation_loader(store: PixelStore, rows: Rows, batch_size: int) -> DataLoader[Batch]:
    """Return all ``rows``, unchanged and in the given order; the last batch may be smaller."""
    keys = [(0, int(row)) for row in rows]
    batches = [keys[start : start + batch_size] for start in range(0, len(keys), batch_size)]
    return _loader(StoreDataset(store), batches, workers=0)


def _loader(dataset: StoreDataset, batches: Sampler[list[Key]] | list[list[Key]], workers: int) -> DataLoader[Batch]:
    # DataLoader types keys as plain ints, which a map-style dataset with its own keys need not use.
    sampler: Any = batches
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_quiet_worker,
        persistent_workers=workers > 0,
        # Otherwise every pass draws from torch's global generator, and the training would depend on it.
        generator=torch.Generator(),
    )


def _as_it_is(batch: Any) -> Any:
    return batch


def _quiet_worker(worker: int) -> None:
    # A thread pool a process would fight over the cores, and a forked copy of OpenCV's pool can hang.
    cv2.setNumThreads(0)
