"""What may run a frozen prefix: PyTorch, onnxruntime, OpenVINO.

An engine takes float images [B, C, H, W] in [0, 1] and returns what :meth:`Encoder.forward_prefix` returns. The
weights are copied at construction (a prefix is fixed, so they stay right). Engines other than PyTorch run on the CPU
and take images of the height and width of the ``sample`` they were built with, in batches of any size.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medgraft.models import Encoder
from medgraft.threads import openvino_core
from medgraft.transfer.onnx_export import exported_prefix


class Engine(Protocol):
    """What runs a frozen prefix.

    Attributes
    ----------
    streams : how many threads may call it at once, each on a core of its own; 1 for an engine that spreads a call over
        all cores.
    """

    name: str
    stop: int
    streams: int

    def __call__(self, images: Tensor) -> list[Tensor]: ...


class TorchEngine:
    """The prefix in PyTorch, without gradients, in eval mode; autocast and layout are the caller's."""

    name = "torch"
    streams = 1

    def __init__(self, encoder: Encoder, stop: int) -> None:
        self.encoder, self.stop = encoder, stop

    def __call__(self, images: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return self.encoder.forward_prefix(images, self.stop)


class OnnxEngine:
    """The prefix under onnxruntime, in float32 whatever the precision of the rest."""

    name = "onnxruntime"

    def __init__(self, encoder: Encoder, stop: int, sample: Tensor, precision: str = "fp32", streams: int = 1) -> None:
        import onnxruntime

        self.stop, self.streams = stop, streams
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, torch.get_num_threads() // streams)
        options.log_severity_level = 3
        # Its threads would otherwise spin after each call and take the cores from the decoder's backward pass.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            exported_prefix(encoder, stop, sample), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, images: Tensor) -> list[Tensor]:
        return _maps(self.session.run(None, {"images": _array(images)}))


class OpenVinoEngine:
    """The prefix under OpenVINO (the extra ``cpu``): in bf16, maps too, where the precision is; else in float32."""

    name = "openvino"

    def __init__(self, encoder: Encoder, stop: int, sample: Tensor, precision: str = "fp32", streams: int = 1) -> None:
        self.stop, self.bf16, self.streams = stop, precision == "bf16", streams
        core = openvino_core()
        options = {
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            **({} if streams == 1 else {"NUM_STREAMS": str(streams)}),
            "INFERENCE_PRECISION_HINT": "bf16" if self.bf16 else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        self.compiled = core.compile_model(core.read_model(exported_prefix(encoder, stop, sample)), "CPU", options)
        self.requests = threading.local()

    def __call__(self, images: Tensor) -> list[Tensor]:
        # Its own buffers are read in place where they are converted anyway; the thread's next call writes over them.
        if not hasattr(self.requests, "own"):
            self.requests.own = self.compiled.create_infer_request()
        found = self.requests.own.infer(_array(images), share_inputs=True, share_outputs=self.bf16)
        maps = _maps([found[index] for index in range(len(self.compiled.outputs))])
        return [each.to(torch.bfloat16) for each in maps] if self.bf16 else maps


def _array(images: Tensor) -> npt.NDArray[np.float32]:
    """As [B, H, W, C]; no copy where the images have their channels last."""
    return np.ascontiguousarray(images.detach().cpu().float().permute(0, 2, 3, 1).numpy())


def _maps(arrays: Sequence[npt.NDArray[np.float32]]) -> list[Tensor]:
    tensors = [torch.from_numpy(array) for array in arrays]
    return [tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor for tensor in tensors]
