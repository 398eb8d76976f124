"""The frozen prefix as ONNX: exported once, kept in the cache, for whichever runtime reads it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import timm
import torch
from torch import Tensor, nn

from medgraft.files import cache_root, replacing
from medgraft.models import Encoder

FORMAT = 2


def exported_prefix(encoder: Encoder, stop: int, sample: Tensor) -> bytes:
    """Return ``encoder.blocks[:stop]`` as ONNX bytes, in eval mode and float32.

    Its input ``images`` and its outputs have channels last, [B, H, W, C]. Height and width are those of ``sample``
    [B, C, H, W], the batch is free. The exporter takes seconds, so its result is kept in the cache under a digest of
    the weights, the size and the exporter.
    """
    path = cache_root() / "prefixes" / f"{_digest(encoder, stop, sample)}.onnx"
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
        return tuple(each.permute(0, 2, 3, 1) for each in maps)


def _digest(encoder: Encoder, stop: int, sample: Tensor) -> str:
    parts = [FORMAT, torch.__version__, timm.__version__, encoder.name, stop, tuple(sample.shape[1:])]
    digest = hashlib.sha256(repr(parts).encode())
    for module in (encoder.normalise, *encoder.blocks[:stop]):
        for name, tensor in module.state_dict().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def _export(encoder: Encoder, stop: int, sample: Tensor) -> bytes:
    # Two rows, so that the exporter does not take a batch of one for a constant.
    images = sample[:1].detach().cpu().float().permute(0, 2, 3, 1).contiguous().repeat(2, 1, 1, 1)
    with evaluating(encoder), _quiet(), torch.no_grad():
        program = torch.onnx.export(
            _PrefixModule(encoder, stop).eval(),
            (images,),
            input_names=["images"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    exported: bytes = program.model_proto.SerializeToString()
    return exported


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
