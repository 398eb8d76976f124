"""The frozen prefix: encoder blocks before the first one that learns need no autograd, so any engine may run them.

An engine takes float images [B, C, H, W] in [0, 1] and returns what :meth:`Encoder.forward_prefix` returns.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor

from medgraft.models import Encoder
from medgraft.transfer.onnx_prefix import OnnxEngine

PARITY = 1e-4
"""Largest difference from eager float32 PyTorch, relative to the largest value of each map, that an engine may show."""


class Engine(Protocol):
    """What runs a frozen prefix."""

    name: str
    stop: int

    def __call__(self, images: Tensor) -> list[Tensor]: ...


class TorchEngine:
    """The prefix in PyTorch, without gradients, in eval mode; autocast and layout are the caller's."""

    name = "torch"

    def __init__(self, encoder: Encoder, stop: int) -> None:
        self.encoder, self.stop = encoder, stop

    def __call__(self, images: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return self.encoder.forward_prefix(images, self.stop)


@dataclass(frozen=True)
class Probe:
    """What the choice of an engine rests on.

    Attributes
    ----------
    milliseconds : least time of a batch on each engine tried.
    parity : largest relative difference of each from eager float32 PyTorch.
    refused : why an engine was not taken, where it failed or missed the parity.
    """

    milliseconds: dict[str, float] = field(default_factory=dict)
    parity: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def choose_engine(
    encoder: Encoder,
    stop: int,
    sample: Tensor,
    engine: Literal["auto", "torch", "onnxruntime"] = "auto",
) -> tuple[Engine, Probe]:
    """Return the fastest engine for ``encoder.blocks[:stop]`` on batches like ``sample``, and the figures behind it.

    Parameters
    ----------
    sample : float images [B, C, H, W] in [0, 1], on the device of the training.
    engine : ``auto`` measures; a name takes that engine, and raises what stops it.
    """
    torch_engine = TorchEngine(encoder, stop)
    if engine == "torch" or (engine == "auto" and sample.device.type != "cpu"):
        return torch_engine, Probe()
    if engine == "onnxruntime":
        return OnnxEngine(encoder, stop, sample), Probe()
    probe = Probe()
    candidates: dict[str, Engine] = {"torch": torch_engine}
    with _evaluating(encoder):
        expected = torch_engine(sample)
        try:
            onnx = OnnxEngine(encoder, stop, sample)
            probe.parity[onnx.name] = _difference(onnx(sample), expected)
            candidates[onnx.name] = onnx
        except Exception as error:
            # An operator that the exporter lacks must not stop a training that torch can do.
            probe.refused["onnxruntime"] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        for name, difference in probe.parity.items():
            if not difference <= PARITY:
                probe.refused[name] = f"differs from torch by {difference:.1e}, more than {PARITY:.0e}"
                del candidates[name]
        calls = {name: partial(candidate, sample) for name, candidate in candidates.items()}
        probe.milliseconds.update(least_milliseconds(calls))
    best = min(candidates, key=probe.milliseconds.__getitem__)
    return candidates[best], probe


def least_milliseconds(calls: Mapping[str, Callable[[], object]], rounds: int = 3) -> dict[str, float]:
    """Least wall time of each call over ``rounds``, after one round that is not counted.

    The calls take turns, and the least time counts: what else the machine does then can slow a call, but not
    favour one over another.
    """
    least = dict.fromkeys(calls, float("inf"))
    for counted in range(-1, rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if counted >= 0:
                least[name] = min(least[name], 1000 * (time.perf_counter() - start))
    return {name: round(milliseconds, 2) for name, milliseconds in least.items()}


@contextlib.contextmanager
def _evaluating(encoder: Encoder) -> Iterator[None]:
    training = encoder.training
    encoder.eval()
    try:
        yield
    finally:
        encoder.train(training)


def _difference(outputs: list[Tensor], expected: list[Tensor]) -> float:
    return max(
        float((o - e).abs().max() / e.abs().max().clamp_min(1e-12)) for o, e in zip(outputs, expected, strict=True)
    )
