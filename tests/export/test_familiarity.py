"""How far an image is from the training images: by hand, and inside the exported graph."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from medgraft.export.familiarity import neighbour_distances, with_familiarity
from medgraft.export.onnx_file import with_distance
from medgraft.serving.familiarity import Familiarity


def passing_on(width):
    """A model whose features are its images."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], ["features"])],
        "features",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", width])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def test_the_kth_nearest_by_cosine_by_hand():
    known = np.array([[1, 0], [0, 1], [-1, 0]], np.float16)
    rows = np.array([[2, 0], [3, 3]], np.float32)
    half = 1 - np.sqrt(0.5)
    assert neighbour_distances(rows, known, 1) == pytest.approx([0, half], abs=1e-6)
    assert neighbour_distances(rows, known, 2) == pytest.approx([1, half], abs=1e-6)
    assert neighbour_distances(rows, known, 3) == pytest.approx([2, 1 + np.sqrt(0.5)], abs=1e-6)


def test_the_graph_gives_the_same_distances():
    rng = np.random.default_rng(0)
    known = rng.normal(size=(50, 8))
    known = (known / np.linalg.norm(known, axis=1, keepdims=True)).astype(np.float16)
    content = with_distance(passing_on(8), known, 5)
    onnx.checker.check_model(onnx.load_from_string(content))
    rows = rng.normal(size=(7, 8)).astype(np.float32)
    rows[3] = 0  # features of length 0 have no direction, and are as far as can be without pointing away
    found = onnxruntime.InferenceSession(content).run(["distance"], {"images": rows})[0]
    assert found.shape == (7,)
    assert found == pytest.approx(neighbour_distances(rows, known, 5), abs=1e-5)
    assert found[3] == 1


def test_a_quantile_is_the_share_of_held_out_images_that_are_as_near():
    known = Familiarity.of(1, 10, [0.4, 0.1, 0.2, 0.3])
    assert known.distances == (0.1, 0.2, 0.3, 0.4)
    assert [known.quantile(d) for d in (0.05, 0.1, 0.25, 0.4, 1.5)] == [0, 0.25, 0.5, 1, 1]
    assert Familiarity.from_dict(known.to_dict()) == known


def test_an_image_of_another_kind_is_further_than_all_held_out_ones():
    rng = np.random.default_rng(0)
    centre = rng.normal(size=16)
    training, held_out = (centre + 0.3 * rng.normal(size=(n, 16)) for n in (120, 30))
    content, known = with_familiarity(passing_on(16), training.astype(np.float32), held_out.astype(np.float32))
    assert known.k == 6 and known.images == 120 and len(known.distances) == 30
    session = onnxruntime.InferenceSession(content)
    rows = np.stack([centre, -centre]).astype(np.float32)
    alike, other = session.run(["distance"], {"images": rows})[0]
    assert known.quantile(float(alike)) < 0.1
    assert known.quantile(float(other)) == 1


def test_too_few_images_tell_nothing():
    rows = np.eye(7, dtype=np.float32)
    content, known = with_familiarity(passing_on(7), rows, rows)
    assert known is None and content == passing_on(7)
