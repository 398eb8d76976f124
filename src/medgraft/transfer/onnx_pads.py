"""Paddings that a graph computes from sizes, as constants: runtimes join these with the convolution that follows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

Pads = npt.NDArray[np.int64]


def with_constant_pads(content: bytes, images: Tensor, free: Sequence[str] = ("batch",)) -> bytes:
    """The same model with every padding a constant that does not depend on what is free.

    A trace keeps the arithmetic by which a layer finds out how far to pad (TensorFlow's "same"), although the size of
    a map is known. It is run here, for two batches of different lengths; a padding that is the same for both stays.

    Parameters
    ----------
    content : a model with an input ``images``.
    images : such as it takes.
    free : names of the first axes of ``images`` whose length is left open.
    """
    model = onnx.load_from_string(content)
    constants = {each.name for each in model.graph.initializer}
    constants |= {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
    computed = [node for node in model.graph.node if node.op_type == "Pad" and not set(node.input[1:2]) <= constants]
    if not computed:
        return content
    shape = np.array(images.shape)
    longer = shape + (np.arange(len(shape)) < len(free))
    names = [node.input[1] for node in computed]
    first, second = (_values(model, names, np.zeros(each, images.numpy().dtype)) for each in (shape, longer))
    changed = False
    for node in computed:
        value = first[node.input[1]]
        if np.array_equal(value, second[node.input[1]]):
            node.input[1] = f"{node.name}/pads"
            model.graph.initializer.append(numpy_helper.from_array(value, node.input[1]))
            changed = True
    return _without_idle(model).SerializeToString() if changed else content


def _values(model: onnx.ModelProto, names: Sequence[str], images: npt.NDArray[np.generic]) -> dict[str, Pads]:
    """What tensors of integers are for these images."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    unique = list(dict.fromkeys(names))
    probe.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.INT64, None) for name in unique)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(unique, session.run(unique, {"images": images}), strict=True))


def _without_idle(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without nodes and constants that nothing needs any more."""
    needed, kept = {output.name for output in model.graph.output}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= {*node.input, *_captured(node)}
    constants = [each for each in model.graph.initializer if each.name in needed]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(reversed(kept))
    model.graph.initializer.extend(constants)
    return model


def _captured(node: onnx.NodeProto) -> set[str]:
    """Names that the graphs inside a node (of a branch, a loop) may take from outside."""
    inner = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return {name for graph in inner for each in graph.node for name in (*each.input, *_captured(each))}
