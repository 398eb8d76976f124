"""The exported ONNX file: the graph, what it says of itself, and how far an image is from the training images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from medgraft.export.graph import Graph
from medgraft.serving.model_info import KEY, ModelInfo
from medgraft.transfer.onnx_export import as_onnx

INPUTS = ("float32", "uint8")
"""What the graph may take images as; both have values from 0 to 255."""


def sample_images(size: int, channels: int, dtype: str = "float32") -> torch.Tensor:
    """Images [2, size, size, channels] to trace a graph with."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, size, size, channels), dtype=torch.uint8, generator=generator)
    return images if dtype == "uint8" else images.float()


def graph_as_onnx(graph: Graph, sample: torch.Tensor) -> bytes:
    """The graph as ONNX bytes; batches of any size, and images of any size where the graph resizes them."""
    free = ("batch",) if graph.size is None else ("batch", "height", "width")
    return as_onnx(graph, sample, graph.outputs, free)


def with_info(content: bytes, info: ModelInfo) -> bytes:
    """The same model with ``info`` in its metadata, checked by ONNX's own rules."""
    model = onnx.load_from_string(content)
    model.producer_name, model.producer_version = "medgraft", info.medgraft
    model.graph.name = info.name
    model.graph.input[
        0
    ].doc_string = f"RGB or grey images [B, H, W, {info.channels}], values from 0 to 255 (16-bit ones divided by 257)"
    del model.metadata_props[:]
    helper.set_model_props(model, {KEY: info.to_json()})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def with_distance(content: bytes, references: npt.NDArray[np.float16], k: int) -> bytes:
    """The same model with one more output: ``distance`` [B] of the features to the k-th nearest reference.

    Parameters
    ----------
    content : a model with an output ``features`` [B, D].
    references : [N, D] of length 1 each, in half precision to keep the file small.
    k : which neighbour, 1 to N.
    """
    model = onnx.load_from_string(content)
    constants: dict[str, npt.NDArray[Any]] = {
        "references": references.T,
        "least": np.array(1e-12, np.float32),
        "one": np.array(1, np.float32),
        "rows": np.array([1], np.int64),
        "neighbours": np.array([k], np.int64),
        "last": np.array(k - 1, np.int64),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, f"near/{key}") for key, value in constants.items())
    steps: tuple[tuple[str, tuple[str, ...], str, dict[str, Any]], ...] = (
        ("Mul", ("features", "features"), "squares", {}),
        ("ReduceSum", ("squares", "rows"), "sum", {"keepdims": 1}),
        ("Sqrt", ("sum",), "length", {}),
        ("Max", ("length", "least"), "safe", {}),
        ("Div", ("features", "safe"), "unit", {}),
        ("Cast", ("references",), "known", {"to": TensorProto.FLOAT}),
        ("MatMul", ("unit", "known"), "similarity", {}),
        ("TopK", ("similarity", "neighbours"), "nearest", {"axis": 1}),
        ("Gather", ("nearest", "last"), "kth", {"axis": 1}),
        ("Sub", ("one", "kth"), "distance", {}),
    )
    outside = {"features", "distance"}
    for kind, inputs, output, options in steps:
        names = [name if name in outside else f"near/{name}" for name in inputs]
        made = [output if output in outside else f"near/{output}"] + ([f"near/{output} at"] if kind == "TopK" else [])
        model.graph.node.append(helper.make_node(kind, names, made, name=f"near/{kind}", **options))
    model.graph.output.append(helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["batch"]))
    return bytes(model.SerializeToString())
