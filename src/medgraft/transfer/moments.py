"""What the BatchNorms of an encoder receive, summed up image by image: so that images can be drawn again afterwards.

A BatchNorm keeps the mean and variance of each channel over its pretraining images. The same two figures of any other
images follow from the means and mean squares of each image, and those of a bootstrap sample from the very same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from medgraft.data import scale
from medgraft.errors import DataError, RecipeError, WeightsError
from medgraft.models import Encoder
from medgraft.transfer.onnx_export import evaluating
from medgraft.transfer.parts import BatchNorm, batch_norms

AT_ONCE = {"cpu": 4}
"""Images in a pass, by device: on a CPU so few that the maps of a layer stay in its cache."""
AT_ONCE_ELSEWHERE = 64

Floats = npt.NDArray[np.float64]
Images = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]
Progress = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class LayerMoments:
    """What one BatchNorm received (before its own scale and shift), and what it received in pretraining.

    Attributes
    ----------
    name : its place in the encoder, as ``blocks.1.0.bn1``.
    block : index of the encoder block it is in.
    shift : [n, C] float32, of each image the mean over positions, less the pretraining mean.
    square : [n, C] float32, of each image the mean over positions of the squared difference from that mean.
    mean, variance : [C], of the pretraining images (``running_mean``, ``running_var``).
    """

    name: str
    block: int
    shift: npt.NDArray[np.float32]
    square: npt.NDArray[np.float32]
    mean: Floats
    variance: Floats


@dataclass(frozen=True, eq=False)
class Observed:
    """What an encoder made of some images.

    Attributes
    ----------
    layers : its BatchNorms in the order in which they are run; none for an encoder without.
    features : [n, D] float32, the pooled features.
    block_names : of the encoder.
    """

    layers: tuple[LayerMoments, ...]
    features: npt.NDArray[np.float32]
    block_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.features)


def carries_statistics(encoder: Encoder) -> bool:
    """Whether the encoder has BatchNorms that have seen images; those of random weights have mean 0 and variance 1."""
    norms = batch_norms(encoder)
    return any(bool(_mean(norm).any()) or bool((_variance(norm) != 1).any()) for norm in norms)


def observe(encoder: Encoder, images: Iterable[Images], progress: Progress | None = None) -> Observed:
    """Run the encoder on the images, as it runs when it is used, and keep the moments of every BatchNorm's input.

    The encoder is left as it was, bit by bit: weights, statistics, modes, what learns.

    Parameters
    ----------
    images : batches [B, H, W, C] uint8 or uint16, of the encoder's channels and of any B.
    progress : called with the number of images done so far.

    Raises
    ------
    DataError
        Where there is no image.
    RecipeError
        Where the images do not suit the encoder, or a BatchNorm takes several images together.
    WeightsError
        Where what comes out are no finite numbers.
    """
    device = next(encoder.parameters()).device
    step = AT_ONCE.get(device.type, AT_ONCE_ELSEWHERE)
    features: list[Tensor] = []
    recorder = _Recorder(encoder)
    done = 0
    with evaluating(encoder), recorder.attached(), torch.no_grad(), torch.autocast(device.type, enabled=False):
        for batch in _in_steps(images, step):
            with recorder.batch_of(len(batch)):
                features.append(encoder.forward_pooled(batch.to(device)).float().cpu())
            done += len(batch)
            if progress is not None:
                progress(done)
    if not done:
        raise DataError("there is no image to take statistics of.")
    pooled = torch.cat(features).numpy()
    if not np.isfinite(pooled).all():
        raise WeightsError(f"encoder {encoder.name!r} turns the images into no finite numbers; check its weights.")
    return Observed(recorder.layers(), pooled, encoder.block_names)


def batches(images: Images, rows: Rows, size: int = 16) -> Iterator[Images]:
    """The images of a store (or any array [N, H, W, C]) in these rows, ``size`` at a time."""
    for start in range(0, len(rows), size):
        yield np.asarray(images[rows[start : start + size]])


def sample_rows(count: int, limit: int, seed: int = 0) -> Rows:
    """``limit`` of ``count`` rows, drawn without replacement and in ascending order; all where there are fewer."""
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False)).astype(np.int64)


@dataclass
class _Layer:
    """One BatchNorm while images pass."""

    name: str
    block: int
    norm: BatchNorm
    shifts: list[Tensor] = field(default_factory=list)
    squares: list[Tensor] = field(default_factory=list)
    now: list[tuple[int, Tensor, Tensor]] = field(default_factory=list)


class _Recorder:
    """Hooks on every BatchNorm of an encoder."""

    def __init__(self, encoder: Encoder) -> None:
        known = {id(norm): norm for norm in batch_norms(encoder)}
        self.found: dict[int, _Layer] = {}
        for block, part in enumerate(encoder.blocks):
            for name, module in part.named_modules():
                if id(module) in known:
                    place = f"blocks.{block}.{name}" if name else f"blocks.{block}"
                    self.found.setdefault(id(module), _Layer(place, block, known[id(module)]))
        self.images = 0

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hooked inside, unhooked behind."""
        handles = [layer.norm.register_forward_pre_hook(self._record) for layer in self.found.values()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def batch_of(self, images: int) -> Iterator[None]:
        """Inside, one batch of so many images passes; behind, what was received is put together."""
        self.images = images
        yield
        for layer in self.found.values():
            if layer.now:
                positions, means, squares = zip(*layer.now, strict=True)
                layer.shifts.append(_weighted(means, positions).cpu())
                layer.squares.append(_weighted(squares, positions).cpu())
                layer.now.clear()

    def layers(self) -> tuple[LayerMoments, ...]:
        """What all batches together gave; a BatchNorm that no image has passed is left out."""
        return tuple(
            LayerMoments(
                layer.name, layer.block, torch.cat(layer.shifts).numpy(), torch.cat(layer.squares).numpy(),
                _mean(layer.norm).cpu().double().numpy(), _variance(layer.norm).cpu().double().numpy(),
            )
            for layer in self.found.values()
            if layer.shifts
        )  # fmt: skip

    def _record(self, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        layer, received = self.found[id(norm)], inputs[0]
        if len(received) % self.images:
            raise RecipeError(f"BatchNorm {layer.name} takes images together, so they cannot be looked at one by one.")
        layer.now.append(_moments(received.float(), self.images, _mean(layer.norm)))


def _moments(received: Tensor, images: int, centre: Tensor) -> tuple[int, Tensor, Tensor]:
    """Positions an image, and over them the mean and mean square [images, C] of the difference from ``centre``.

    Some models fold tokens or windows into the batch, those of an image one after the other.
    """
    difference = received - centre.view(1, -1, *(1,) * (received.ndim - 2))
    places = tuple(range(2, received.ndim))
    mean = difference.mean(places) if places else difference
    square = difference.square_().mean(places) if places else difference.square()
    positions = received[0, 0].numel() * (len(received) // images)
    if len(received) != images:
        mean, square = (each.unflatten(0, (images, -1)).mean(1) for each in (mean, square))
    return positions, mean, square


def _weighted(values: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
    """The mean of values, each counted as often as its number of positions; a BatchNorm may run more than once."""
    if len(values) == 1:
        return values[0]
    return torch.stack([count / sum(counts) * value for value, count in zip(values, counts, strict=True)]).sum(0)


def _in_steps(images: Iterable[Images], step: int) -> Iterator[Tensor]:
    """Float images [B, C, H, W] in [0, 1], channels last in memory, ``step`` at a time."""
    for batch in images:
        for start in range(0, len(batch), step):
            # A store is mapped read-only, which torch would warn of.
            part = torch.from_numpy(np.array(batch[start : start + step]))
            yield scale(part.permute(0, 3, 1, 2))


def _mean(norm: BatchNorm) -> Tensor:
    assert norm.running_mean is not None
    return norm.running_mean


def _variance(norm: BatchNorm) -> Tensor:
    assert norm.running_var is not None
    return norm.running_var
