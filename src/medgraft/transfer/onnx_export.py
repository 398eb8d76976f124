"""Modules as ONNX; and the frozen prefix, exported once, kept in the cache, for whichever runtime reads it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import timm
import torch
from torch import Tensor, nn

from medgraft.files import cache_root, replacing
from medgraft.models import Encoder
from medgraft.transfer.onnx_pads import with_constant_pads

FORMAT = 4


def exported_prefix(encoder: Encoder, stop: int, sample: Tensor) -> bytes:
    """Return ``encoder.blocks[:stop]`` as ONNX bytes, in eval mode and float32.

    Its input ``images`` and those outputs that are maps have channels last, [B, H, W, C]. Height and width are those
    of ``sample`` [B, C, H, W], the batch is free. The exporter takes seconds, so its result is kept in the cache
    under a digest of the weights, the size and the exporter.
    """
    path = cache_root() / "prefixes" / f"{prefix_digest(encoder, stop, tuple(sample.shape[1:]))}.onnx"
    with contextlib.suppress(OSError):
        return path.read_bytes()
    exported = _export(encoder, stop, sample)
    # A cache that cannot be written costs the next run a few seconds; it is no reason to stop this one.
    with contextlib.suppress(OSError), replacing(path) as temporary:
        temporary.write_bytes(exported)
    return exported


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode inside the block; each part has its own mode again after it."""
    modes = {part: part.training for part in module.modules()}
    try:
        for part in modes:
            part.training = False
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


class _PrefixModule(nn.Module):
    """Channels last at both ends, as the rest of a training wants its maps; runtimes fuse what is left of that."""

    def __init__(self, encoder: Encoder, stop: int) -> None:
        super().__init__()
        self.encoder, self.stop = encoder, stop

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = self.encoder.forward_prefix(images.permute(0, 3, 1, 2), self.stop)
        return tuple(each.permute(0, 2, 3, 1) if each.ndim == 4 else each for each in maps)


def prefix_digest(encoder: Encoder, stop: int, shape: tuple[int, ...]) -> str:
    """Digest of all that decides what ``encoder.blocks[:stop]`` returns for images of ``shape`` [C, H, W]."""
    parts = [FORMAT, torch.__version__, timm.__version__, type(encoder).__name__, encoder.name, stop, shape]
    digest = hashlib.sha256(repr(parts).encode())
    for module in (encoder.normalise, *encoder.blocks[:stop]):
        for name, tensor in module.state_dict().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def _export(encoder: Encoder, stop: int, sample: Tensor) -> bytes:
    # Another number of rows than the check will use: a batch size taken for a constant then shows there.
    images = sample[:1].detach().cpu().float().permute(0, 2, 3, 1).contiguous().repeat(len(sample) + 1, 1, 1, 1)
    with evaluating(encoder), torch.no_grad():
        count = len(encoder.forward_prefix(images[:1].permute(0, 3, 1, 2), stop))
    return as_onnx(_PrefixModule(encoder, stop), images, [f"map{i}" for i in range(count)])


def as_onnx(module: nn.Module, images: Tensor, outputs: Sequence[str], free: Sequence[str] = ("batch",)) -> bytes:
    """Return ``module`` as ONNX bytes, in eval mode.

    Parameters
    ----------
    module : from ``images`` to a tuple of tensors whose first axis is the batch.
    images : what it is traced with; more than one, so that a batch of 1 is not taken for a constant.
    outputs : a name for each output.
    free : names of the first axes of ``images`` whose length is left open; the rest have that of ``images``.
    """
    with evaluating(module), _quiet(), torch.no_grad():
        module.eval()
        try:
            with _silent():
                content = _traced(module, images, outputs, free)
            _refuse_unreadable(content)
            return with_constant_pads(content, images, free)
        except Exception:
            # Tracing is four times as fast; where it meets an operator that it lacks, the slower exporter may not.
            return _exported(module, images, outputs, free)


def _traced(module: nn.Module, images: Tensor, outputs: Sequence[str], free: Sequence[str]) -> bytes:
    # The exporter's annotation knows of paths only, and it writes to any file.
    written: Any = io.BytesIO()
    torch.onnx.export(
        module,
        (images,),
        written,
        input_names=["images"],
        output_names=list(outputs),
        dynamic_axes={"images": dict(enumerate(free)), **{name: {0: "batch"} for name in outputs}},
        opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE,
        dynamo=False,
    )
    content: bytes = written.getvalue()
    return content


def _exported(module: nn.Module, images: Tensor, outputs: Sequence[str], free: Sequence[str]) -> bytes:
    program = torch.onnx.export(
        module,
        (images,),
        input_names=["images"],
        output_names=list(outputs),
        dynamic_shapes=({axis: torch.export.Dim(name) for axis, name in enumerate(free)},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    exported: bytes = program.model_proto.SerializeToString()
    return exported


def _refuse_unreadable(content: bytes) -> None:
    """Raise where onnxruntime finds shapes in the graph that contradict each other, as a trace may have them."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Where a trace fails, PyTorch prints the whole graph from C++, past ``sys.stdout``; another exporter follows."""
    sys.stdout.flush()
    with contextlib.ExitStack() as stack:
        kept = os.dup(1)
        stack.callback(os.close, kept)
        stack.callback(os.dup2, kept, 1)
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter logs at length; a user who trains a decoder has no use for it."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
