"""Which engine runs a frozen prefix: encoder blocks before the first one that learns need no autograd."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from medgraft.errors import EngineError
from medgraft.models import Encoder
from medgraft.transfer.engines import Engine, OnnxEngine, OpenVinoEngine, TorchEngine
from medgraft.transfer.onnx_export import evaluating
from medgraft.transfer.timing import least_milliseconds

PARITY = 1e-4
"""Largest difference from eager float32 PyTorch, relative to the largest value of each map, that an engine may show."""
BF16_PARITY = 3.0
"""In bf16 an engine's root mean square difference from float32 may be this many times that of PyTorch's own bf16."""
WORTH_BUILDING = 4.0
"""Seconds of work from which on it pays to build and measure a further engine."""
EXPORTED: dict[str, type[OnnxEngine] | type[OpenVinoEngine]] = {
    "onnxruntime": OnnxEngine,
    "openvino": OpenVinoEngine,
}


@dataclass(frozen=True)
class Probe:
    """What the choice of an engine rests on, by engine; one that computes in bf16 is called ``NAME bf16``.

    Attributes
    ----------
    milliseconds : least time of a batch on each engine tried.
    parity : largest difference of each from eager float32 PyTorch, relative to the largest value of a map; in bf16
        the root mean square of both.
    refused : why an engine was not taken, where it failed or missed the parity.
    """

    milliseconds: dict[str, float] = field(default_factory=dict)
    parity: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def installed_engines() -> list[str]:
    """Names of the engines whose packages are here; ``torch`` always is."""
    return ["torch", *(name for name in EXPORTED if importlib.util.find_spec(name))]


def require_engine(name: str) -> None:
    """Raise EngineError, with what to install, where the package of engine ``name`` is not here."""
    if name in EXPORTED and name not in installed_engines():
        extra = ", or Medgraft with the extra cpu" if name == "openvino" else ""
        raise EngineError(f"engine: {name} is not installed here; install it (pip install {name}{extra}).")


def checked_engine(
    name: str, encoder: Encoder, stop: int, sample: Tensor, precision: str = "fp32", streams: int = 1
) -> tuple[Engine, dict[str, float]]:
    """Build the engine called ``name`` for ``encoder.blocks[:stop]`` and compare it with eager float32 PyTorch.

    Parameters
    ----------
    sample : float images [B, C, H, W] in [0, 1], on the encoder's device.
    precision : of the training. OpenVINO follows ``bf16``; its graph is checked in float32 first.
    streams : how many threads will call it at once (PyTorch's own engine takes one).

    Returns
    -------
    tuple
        The engine, and its difference from PyTorch as in :attr:`Probe.parity` (empty for ``torch`` itself).

    Raises
    ------
    EngineError
        Where it cannot be built or run, or differs by more than the parity allows; the message is the reason alone.
    """
    if name == "torch":
        return TorchEngine(encoder, stop), {}
    try:
        engine, parity = _built(name, encoder, stop, sample, precision, streams)
    except MemoryError:
        raise
    except Exception as error:
        # Exporters and runtimes raise whatever they like at an operator they lack.
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise EngineError(f"{name} cannot run this encoder ({reason})") from error
    for label, difference in parity.items():
        allowed = PARITY if label == name else BF16_PARITY * _torch_in_bf16(encoder, stop, sample)
        if not difference <= allowed:
            kind = "of a map's largest value" if label == name else "of a map, as root mean squares"
            raise EngineError(f"{label} differs from torch by {difference:.1e} {kind}, and {allowed:.1e} is allowed")
    return engine, parity


def named_engine(
    name: str, encoder: Encoder, stop: int, sample: Tensor, precision: str = "fp32", streams: int = 1
) -> tuple[Engine, dict[str, float]]:
    """As :func:`checked_engine`, for an engine that the user asked for: the error says what to choose instead."""
    try:
        return checked_engine(name, encoder, stop, sample, precision, streams)
    except EngineError as error:
        raise EngineError(f"engine: {error}; choose torch, or auto.") from error


def choose_engine(
    encoder: Encoder, stop: int, sample: Tensor, engine: str = "auto", precision: str = "fp32"
) -> tuple[Engine, Probe]:
    """Return the fastest engine for ``encoder.blocks[:stop]`` on batches like ``sample``, and the figures behind it.

    Parameters
    ----------
    sample : float images [B, C, H, W] in [0, 1], on the device of the training.
    engine : ``auto`` measures those installed; a name takes that engine, and raises EngineError for what stops it.
    precision : of the training; PyTorch and OpenVINO follow it.
    """
    if engine != "auto" or sample.device.type != "cpu":
        taken, parity = named_engine("torch" if engine == "auto" else engine, encoder, stop, sample, precision)
        return taken, Probe(parity=parity)
    probe = Probe()
    candidates: dict[str, Engine] = {}
    for name in installed_engines():
        try:
            candidate, parity = checked_engine(name, encoder, stop, sample, precision)
        except EngineError as error:
            # What one engine cannot do must not stop a training that torch can do.
            probe.refused[name] = str(error)
            continue
        probe.parity.update(parity)
        candidates[_label(name, precision)] = candidate
    with evaluating(encoder), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        calls = {label: partial(_maps, candidate, sample, precision) for label, candidate in candidates.items()}
        probe.milliseconds.update(least_milliseconds(calls))
    best = min(candidates, key=probe.milliseconds.__getitem__)
    return candidates[best], probe


def engine_for(encoder: Encoder, stop: int, sample: Tensor, images: int) -> tuple[Engine, Probe]:
    """Return an engine for ``images`` images in float32, and the figures behind it.

    Engines are tried one by one, PyTorch first, until the fastest so far needs less than :data:`WORTH_BUILDING`
    seconds for all images: the next one could not save the time that it takes to build. All but PyTorch run a batch
    on each core, which passes a fifth to a half more images than all cores on one batch.

    Parameters
    ----------
    sample : float images [B, C, H, W] in [0, 1], on the CPU.
    """
    probe = Probe()
    fastest: Engine = TorchEngine(encoder, stop)
    for name in installed_engines():
        try:
            candidate, parity = checked_engine(name, encoder, stop, sample, streams=torch.get_num_threads())
        except EngineError as error:
            probe.refused[name] = str(error)
            continue
        milliseconds = _of_a_batch(candidate, encoder, sample)
        if milliseconds <= min(probe.milliseconds.values(), default=milliseconds):
            fastest = candidate
        probe.parity.update(parity)
        probe.milliseconds[name] = milliseconds
        if min(probe.milliseconds.values()) / 1000 * images / len(sample) < WORTH_BUILDING:
            break
    return fastest, probe


def _of_a_batch(engine: Engine, encoder: Encoder, sample: Tensor) -> float:
    """Milliseconds of one batch where all the engine's streams are busy."""
    with evaluating(encoder), ThreadPoolExecutor(engine.streams) as pool:
        found = least_milliseconds({"all": lambda: list(pool.map(engine, [sample] * engine.streams))}, rounds=1)
    return round(found["all"] / engine.streams, 2)


def _maps(engine: Engine, images: Tensor, precision: str) -> list[Tensor]:
    """The maps in the type that the learner takes, so that every engine is charged for its conversion."""
    return [each.to(torch.bfloat16 if precision == "bf16" else torch.float32) for each in engine(images)]


def _label(name: str, precision: str) -> str:
    return f"{name} bf16" if precision == "bf16" and name != "onnxruntime" else name


def _built(
    name: str, encoder: Encoder, stop: int, sample: Tensor, precision: str, streams: int
) -> tuple[Engine, dict[str, float]]:
    kind = EXPORTED[name]
    with evaluating(encoder), torch.autocast(sample.device.type, enabled=False):
        expected = _float32(encoder, stop, sample)
        engine = kind(encoder, stop, sample, streams=streams)
        parity = {name: _difference(engine(sample), expected)}
        label = _label(name, precision)
        if label != name:
            engine = kind(encoder, stop, sample, precision, streams)
            parity[label] = _rms_difference(engine(sample), expected)
    return engine, parity


def _torch_in_bf16(encoder: Encoder, stop: int, sample: Tensor) -> float:
    """How far PyTorch's own bf16 is from its float32, measured as an engine's is."""
    with evaluating(encoder):
        expected = _float32(encoder, stop, sample)
        with torch.autocast(sample.device.type, torch.bfloat16):
            return _rms_difference([output.cpu() for output in TorchEngine(encoder, stop)(sample)], expected)


def _float32(encoder: Encoder, stop: int, sample: Tensor) -> list[Tensor]:
    """PyTorch's maps on the CPU; convolutions on a GPU would otherwise round to TF32, which misses the parity."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return [output.cpu() for output in TorchEngine(encoder, stop)(sample)]


def _difference(outputs: list[Tensor], expected: list[Tensor]) -> float:
    """The largest over the maps; not a number where any value is none."""
    shares = [
        (o.float() - e).abs().max() / e.abs().max().clamp_min(1e-12) for o, e in zip(outputs, expected, strict=True)
    ]
    return float(torch.stack(shares).max())


def _rms_difference(outputs: list[Tensor], expected: list[Tensor]) -> float:
    """Of bf16, whose largest difference is that of a few outliers and changes with the images."""
    shares = [
        (o.float() - e).square().mean().sqrt() / e.square().mean().sqrt().clamp_min(1e-12)
        for o, e in zip(outputs, expected, strict=True)
    ]
    return float(torch.stack(shares).max())
