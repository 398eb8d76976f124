"""Paddings that a trace computes from sizes become constants, which runtimes join with the convolution after them."""

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from timm.layers import Conv2dSame
from torch import nn

from medgraft.transfer.onnx_export import as_onnx
from medgraft.transfer.onnx_pads import with_constant_pads


class Same(nn.Module):
    """Two convolutions that pad by what the size asks for, one row or column more below and on the right."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Conv2dSame(3, 4, 3, stride=2), Conv2dSame(4, 2, 5, stride=2))

    def forward(self, images):
        return (self.layers(images.permute(0, 3, 1, 2)),)


def test_a_traced_graph_pads_by_constants_and_gives_the_same_numbers():
    torch.manual_seed(0)
    module = Same().eval()
    content = as_onnx(module, torch.zeros(2, 34, 30, 3), ["maps"])
    graph = onnx.load_from_string(content).graph
    constants = {each.name: onnx.numpy_helper.to_array(each).tolist() for each in graph.initializer}
    pads = [constants[node.input[1]] for node in graph.node if node.op_type == "Pad"]
    # By hand: 34 -> 17 -> 9 by kernels of 3 and 5, so 1 and 4 in all; 30 -> 15 -> 8, so 1 and 4.
    assert pads == [[0, 0, 0, 0, 0, 0, 1, 1], [0, 0, 2, 2, 0, 0, 2, 2]]
    assert {node.op_type for node in graph.node} - {"Constant"} == {"Transpose", "Pad", "Conv"}
    images = torch.randn(3, 34, 30, 3)
    found = onnxruntime.InferenceSession(content).run(None, {"images": images.numpy()})[0]
    with torch.no_grad():
        assert np.abs(found - module(images)[0].numpy()).max() < 1e-5


def test_a_padding_that_differs_between_batches_is_left_alone():
    """Of a graph that pads the batch by as many images as it has."""
    zeros = helper.make_tensor("zeros", TensorProto.INT64, [5], [0, 0, 0, 0, 0])
    nodes = [
        helper.make_node("Shape", ["images"], ["count"], start=0, end=1),
        helper.make_node("Concat", ["zeros", "count", "zeros"], ["long"], axis=0),
        helper.make_node("Slice", ["long", "from", "to"], ["pads"]),
        helper.make_node("Pad", ["images", "pads"], ["padded"], name="pad"),
    ]
    bounds = [helper.make_tensor(name, TensorProto.INT64, [1], [at]) for name, at in (("from", 1), ("to", 9))]
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 4, 4, 3])
    made = helper.make_tensor_value_info("padded", TensorProto.FLOAT, [None, 4, 4, 3])
    graph = helper.make_graph(nodes, "pads", [given], [made], [zeros, *bounds])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    assert with_constant_pads(content, torch.zeros(2, 4, 4, 3)) == content
