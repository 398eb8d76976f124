"""The frozen prefix under onnxruntime: exported once, kept in the cache, run in float32 on the CPU."""

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

FORMAT = 1


class OnnxEngine:
    """The prefix exported to ONNX and run by onnxruntime.

    The weights are copied at construction; a prefix is fixed, so they stay right. The height and width of the
    images are those of ``sample``, the batch is free. The exporter takes seconds, so its result is kept in the cache
    under a digest of the weights, the size and the exporter.
    """

    name = "onnxruntime"

    def __init__(self, encoder: Encoder, stop: int, sample: Tensor) -> None:
        import onnxruntime

        self.stop = stop
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        # Its threads would otherwise spin after each call and take the cores from the decoder's backward pass.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            _exported(encoder, stop, sample), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, images: Tensor) -> list[Tensor]:
        array = np.ascontiguousarray(images.detach().cpu().float().numpy())
        return [torch.from_numpy(output) for output in self.session.run(None, {"images": array})]


class _PrefixModule(nn.Module):
    def __init__(self, encoder: Encoder, stop: int) -> None:
        super().__init__()
        self.encoder, self.stop = encoder, stop

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.encoder.forward_prefix(images, self.stop))


def _exported(encoder: Encoder, stop: int, sample: Tensor) -> bytes:
    """The ONNX bytes of the prefix, from the cache where they are."""
    path = cache_root() / "prefixes" / f"{_digest(encoder, stop, sample)}.onnx"
    with contextlib.suppress(OSError):
        return path.read_bytes()
    exported = _export(encoder, stop, sample)
    # A cache that cannot be written costs the next run a few seconds; it is no reason to stop this one.
    with contextlib.suppress(OSError), replacing(path) as temporary:
        temporary.write_bytes(exported)
    return exported


def _digest(encoder: Encoder, stop: int, sample: Tensor) -> str:
    parts = [FORMAT, torch.__version__, timm.__version__, encoder.name, stop, tuple(sample.shape[1:])]
    digest = hashlib.sha256(repr(parts).encode())
    for module in (encoder.normalise, *encoder.blocks[:stop]):
        for name, tensor in module.state_dict().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def _export(encoder: Encoder, stop: int, sample: Tensor) -> bytes:
    """Export the prefix in eval mode; the encoder's own mode is put back after."""
    modes = {module: module.training for module in encoder.modules()}
    # Two rows, so that the exporter does not take a batch of one for a constant.
    images = sample[:1].detach().cpu().float().contiguous().repeat(2, 1, 1, 1)
    try:
        for module in modes:
            module.training = False
        with _quiet(), torch.no_grad():
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
    finally:
        for module, mode in modes.items():
            module.training = mode
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
