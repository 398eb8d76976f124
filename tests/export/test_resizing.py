"""The resize inside the graph against the one that the training uses."""

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from medgraft.data import LabelClasses, resize_image
from medgraft.export.graph import Graph
from medgraft.export.onnx_file import graph_as_onnx, sample_images
from medgraft.export.resizing import resized
from medgraft.models import ModelSpec, build_model

SIZE = 32


def picture(height, width, seed=0):
    ground = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(ground, (0, 0), 1.5)


def both(image):
    tensor = torch.from_numpy(image)[None].permute(0, 3, 1, 2).float()
    return resized(tensor, SIZE, whole=True)[0].permute(1, 2, 0).numpy(), resize_image(image, SIZE)


@pytest.mark.parametrize(
    ("height", "width"), [(32, 32), (64, 64), (96, 96), (128, 128), (128, 64), (100, 77), (33, 32)]
)
def test_what_shrinks_is_equal_to_the_last_grey_level(height, width):
    found, expected = both(picture(height, width))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("height", "width"), [(20, 20), (16, 100), (31, 33), (1, 1)])
def test_what_grows_differs_by_one_grey_level_at_most(height, width):
    found, expected = both(picture(height, width))
    assert np.abs(found - expected.astype(float)).max() <= 1


def test_areas_by_hand():
    """Three pixels to two: each takes one whole and half of the middle one, of 1.5 in all."""
    line = torch.tensor([[30.0, 60.0, 120.0]]).reshape(1, 1, 1, 3).expand(1, 1, 3, 3)
    found = resized(line, 2, whole=False)[0, 0, 0]
    assert found.tolist() == pytest.approx([(30 + 0.5 * 60) / 1.5, (0.5 * 60 + 120) / 1.5])


def test_a_file_takes_images_of_any_size_in_batches_of_any_size():
    torch.manual_seed(0)
    model = build_model(ModelSpec(model="classifier", encoder="cbr_small", classes=1, mean=(0.5,) * 3, std=(0.2,) * 3))
    classes = LabelClasses(("no", "yes"))
    plain = Graph(model.eval(), classes)
    content = graph_as_onnx(Graph(model, classes, size=SIZE), sample_images(SIZE, 3, "uint8"))
    session = onnxruntime.InferenceSession(content)
    for height, width, batch in ((32, 32, 1), (90, 70, 3), (64, 128, 2)):
        images = np.stack([picture(height, width, seed) for seed in range(batch)])
        (found,) = session.run(["probabilities"], {"images": images})
        with torch.no_grad():
            expected = plain(torch.from_numpy(np.stack([resize_image(image, SIZE) for image in images])))[0].numpy()
        assert np.abs(found - expected).max() < 1e-5
