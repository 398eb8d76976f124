"""Static quantisation: smaller, near float32, and any batch; the head and the pooling stay in float."""

import numpy as np
import onnx
import onnxruntime
import torch
from timm.layers import Conv2dSame
from torch import nn

from medgraft.data import LabelClasses, MaskClasses
from medgraft.export.graph import Graph
from medgraft.export.int8 import quantised
from medgraft.export.onnx_file import graph_as_onnx, sample_images
from medgraft.models import ModelSpec, build_model


def smooth(count, side):
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0, 255, (count, 3, 4, 4)).astype(np.float32))
    images = torch.nn.functional.interpolate(coarse, size=side, mode="bilinear")
    return images.permute(0, 2, 3, 1).contiguous().numpy()


def made(model, classes, side):
    content = graph_as_onnx(Graph(model.eval(), classes), sample_images(side, 3))
    images = smooth(16, side)
    return content, quantised(content, images), images


def compare(content, reduced, images):
    outputs = [
        onnxruntime.InferenceSession(c).run(["probabilities"], {"images": images})[0] for c in (content, reduced)
    ]
    return np.abs(outputs[0] - outputs[1]).max()


def test_a_classifier_in_int8(capfd):
    torch.manual_seed(0)
    model = build_model(ModelSpec(model="classifier", encoder="resnet10t", classes=1))
    content, reduced, images = made(model, LabelClasses(("no", "yes")), 64)
    assert len(reduced) < 0.3 * len(content)
    # 8 bits are steps of 1/256 of a range; ten layers of them move a probability by a few hundredths at most.
    assert 0 < compare(content, reduced, images[:5]) < 0.05
    graph = onnx.load_from_string(reduced).graph
    fed = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    first, *others = [node for node in graph.node if node.op_type == "Conv"]
    assert others and all(set(node.input[:2]) <= fed for node in others)
    assert not set(first.input) & fed
    assert not any(set(node.input) & fed for node in graph.node if node.op_type == "Gemm")
    assert capfd.readouterr() == ("", "")


def test_a_unet_in_int8():
    torch.manual_seed(0)
    model = build_model(ModelSpec(encoder="resnet10t", widths=(16, 8, 8, 8)))
    content, reduced, images = made(model, MaskClasses(("no", "yes"), ((0, 0, 0), (255, 255, 1))), 64)
    assert len(reduced) < 0.4 * len(content)
    assert 0 < compare(content, reduced, images[:3]) < 0.05


def test_paddings_that_follow_from_sizes_are_not_rounded():
    """timm computes them in floats; in 8 bits a runtime may pad by one pixel less, and all after it is shifted."""
    import openvino

    torch.manual_seed(0)
    layers = [Conv2dSame(3, 4, 3, stride=2), nn.ReLU6(), Conv2dSame(4, 4, 3, stride=2), Conv2dSame(4, 1, 5, stride=2)]
    _, reduced, images = made(nn.Sequential(*layers), MaskClasses(("no", "yes"), ((0, 0, 0), (255, 255, 1))), 96)
    expected = onnxruntime.InferenceSession(reduced).run(["probabilities"], {"images": images})[0]
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(reduced), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([images])[0]
    assert found.shape == expected.shape == (16, 1, 12, 12)
    assert np.abs(found - expected).max() < 1e-3


def test_the_first_layer_stays_in_float_where_the_graph_resizes():
    """The matrices that resize an image are no layer."""
    torch.manual_seed(0)
    model = build_model(ModelSpec(model="classifier", encoder="resnet10t", classes=1)).eval()
    content = graph_as_onnx(Graph(model, LabelClasses(("no", "yes")), size=64), sample_images(64, 3))
    reduced = onnx.load_from_string(quantised(content, smooth(16, 64)))
    kinds = [node.op_type for node in reduced.graph.node]
    assert kinds.index("Conv") < kinds.index("QuantizeLinear")
    assert "MatMul" in kinds[: kinds.index("Conv")]


def test_the_sigmoid_of_several_labels_stays_in_float():
    """1 + exp(-x) in 8 bits is 0 for many x, and a probability then infinite."""
    torch.manual_seed(0)
    model = build_model(ModelSpec(model="classifier", encoder="resnet10t", classes=3))
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter *= 60
    _, reduced, images = made(model, LabelClasses(("a", "b", "c"), multilabel=True), 64)
    found = onnxruntime.InferenceSession(reduced).run(["probabilities"], {"images": images})[0]
    assert found.min() >= 0 and found.max() <= 1
    graph = onnx.load_from_string(reduced).graph
    kinds = [node.op_type for node in graph.node]
    assert "QuantizeLinear" not in kinds[kinds.index("Gemm") :] and "Exp" in kinds[kinds.index("Gemm") :]
