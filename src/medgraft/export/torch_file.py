"""The exported model for programs with PyTorch: what ``torch.export`` saves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from medgraft.errors import RunError
from medgraft.export.graph import Graph
from medgraft.files import replacing
from medgraft.prediction import Array
from medgraft.serving.model_info import KEY, ModelInfo


def write_torch(path: Path, graph: Graph, sample: torch.Tensor, info: ModelInfo) -> None:
    """Write what ``torch.export.load`` reads, with ``info`` as its extra file ``medgraft``.

    Batches may have any size, and so may images where the graph resizes them.
    """
    names = ("batch",) if graph.size is None else ("batch", "height", "width")
    axes = {axis: torch.export.Dim(name) for axis, name in enumerate(names)}
    with torch.no_grad():
        program = torch.export.export(graph.eval(), (sample,), dynamic_shapes=(axes,))
    with replacing(path) as temporary:
        torch.export.save(program, temporary, extra_files={KEY: info.to_json()})


class TorchFile:
    """Such a file, opened again.

    Attributes
    ----------
    info : what the file says of itself.
    dtype : of the images that it takes.

    Raises
    ------
    RunError
        Where the file cannot be read or is of something else.
    """

    def __init__(self, path: Path) -> None:
        extra: dict[str, Any] = {KEY: ""}
        try:
            program = torch.export.load(path, extra_files=extra)
        except Exception:
            raise RunError(f"{path} cannot be read by torch.export; export the run again.") from None
        self.info = ModelInfo.from_json(str(extra[KEY]), str(path))
        self._module: Any = program.module()
        (images,) = program.example_inputs[0]
        self.dtype = np.dtype(np.uint8 if images.dtype == torch.uint8 else np.float32)

    @torch.inference_mode()
    def run(self, images: Array) -> dict[str, Array]:
        """Probabilities, and features where there are any, for images [B, H, W, C]."""
        found = self._module(torch.from_numpy(images))
        return dict(zip(("probabilities", "features"), (each.numpy() for each in found), strict=False))
