"""Models whose answers can be worked out in the head: the probability is the mean brightness."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from medgraft.data import LabelClasses, MaskClasses
from medgraft.serving.familiarity import Familiarity
from medgraft.serving.model_info import KEY, ModelInfo

SIZE = 32


def labels_file(path: Path, name: str = "brightness", channels: int = 3) -> Path:
    """A classifier: p(bright) is the mean of all values over 255; its distance is the same, among 0.1 ... 1.0."""
    nodes = [
        helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["distance"]),
        helper.make_node("Unsqueeze", ["distance", "last"], ["bright"]),
        helper.make_node("Sub", ["one", "bright"], ["dark"]),
        helper.make_node("Concat", ["dark", "bright"], ["probabilities"], axis=1),
    ]
    outputs = [_output("probabilities", ["B", 2]), _output("distance", ["B"])]
    constants = {"axes": np.array([1, 2, 3], np.int64), "last": np.array([1], np.int64)}
    familiarity = Familiarity(1, 100, tuple(np.arange(1, 11) / 10))
    info = ModelInfo(
        name, "classification", SIZE, channels, LabelClasses(("dark", "bright")), licence="CC0-1.0",
        familiarity=familiarity,
    )  # fmt: skip
    return _save(path, nodes, outputs, constants, info)


def masks_file(path: Path, name: str = "light") -> Path:
    """A segmentation model for grey images: p(foreground) of a pixel is its value over 255; it has no distance."""
    nodes = [
        helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["values"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["planes", "white"], ["probabilities"]),
    ]
    classes = MaskClasses(("background", "foreground"), ((0, 0, 0), (255, 255, 1)))
    info = ModelInfo(name, "segmentation", SIZE, 1, classes, threshold=0.25)
    return _save(path, nodes, [_output("probabilities", ["B", 1, SIZE, SIZE])], {}, info)


def colours_file(path: Path, name: str = "colours", classes: tuple[str, ...] = ("background", "green", "blue")) -> Path:
    """A segmentation model of three classes: the probabilities of a pixel are its red, green and blue over 255."""
    nodes = [
        helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["values"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["planes", "white"], ["probabilities"]),
    ]
    info = ModelInfo(name, "segmentation", SIZE, 3, MaskClasses(classes, ((0, 0, 0), (100, 100, 1), (200, 200, 2))))
    return _save(path, nodes, [_output("probabilities", ["B", 3, SIZE, SIZE])], {}, info)


def findings_file(path: Path, names: tuple[str, str, str], name: str = "findings") -> Path:
    """A classifier of images that may have several labels: their probabilities are the mean red, green and blue."""
    nodes = [
        helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["probabilities"]),
    ]
    info = ModelInfo(name, "classification", SIZE, 3, LabelClasses(names, multilabel=True), threshold=0.3)
    return _save(path, nodes, [_output("probabilities", ["B", 3])], {"axes": np.array([1, 2], np.int64)}, info)


def picture(value: int | tuple[int, int, int] = 255, height: int = 40, width: int = 60, kind: str = "PNG") -> bytes:
    """An image file of one colour."""
    mode = "L" if isinstance(value, int) else "RGB"
    return file_of(Image.new(mode, (width, height), value), kind)


def file_of(image: Image.Image, kind: str = "PNG") -> bytes:
    """A Pillow image as a file."""
    kept = io.BytesIO()
    image.save(kept, kind)
    return kept.getvalue()


def array_of(content: bytes) -> np.ndarray:
    """The pixels of an image file."""
    return np.asarray(Image.open(io.BytesIO(content)))


def _output(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(path, nodes, outputs, constants, info):
    constants = constants | {"white": np.array(255, np.float32), "one": np.array(1, np.float32)}
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", SIZE, SIZE, info.channels])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {KEY: info.to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
