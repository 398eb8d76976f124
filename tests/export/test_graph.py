"""What the graph does with logits: temperature, both classes of two, and ranks of probabilities next to nothing."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from medgraft.data import LabelClasses, MaskClasses
from medgraft.export.graph import Graph
from medgraft.export.onnx_file import graph_as_onnx
from medgraft.label_predictor import LabelPredictor
from medgraft.predictor import Predictor


class Brightness(nn.Module):
    """Logits [B, outputs] (or a map of them) that are the channels' means, times 100."""

    encoder = None

    def __init__(self, outputs, maps):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(100.0))
        self.outputs, self.maps = outputs, maps

    def forward(self, images):
        chosen = images[:, : self.outputs] * self.scale - 50
        return chosen if self.maps else chosen.mean((2, 3))


LABELS = [LabelClasses(("a", "b")), LabelClasses(("a", "b", "c")), LabelClasses(("a", "b", "c"), multilabel=True)]
MASKS = [
    MaskClasses(("none", "a"), ((0, 0, 0), (255, 255, 1))),
    MaskClasses(("none", "a", "b"), ((0, 0, 0), (1, 1, 1), (2, 2, 2))),
]


@pytest.mark.parametrize("classes", [*LABELS, *MASKS], ids=lambda c: f"{type(c).__name__}{len(c.names)}")
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_graph_says_what_the_predictor_says(classes, temperature):
    masks = isinstance(classes, MaskClasses)
    outputs = (1 if classes.count == 2 else classes.count) if masks else classes.outputs
    model = Brightness(outputs, masks)
    images = torch.randint(0, 256, (5, 6, 6, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    predictor = (Predictor if masks else LabelPredictor)(model, 6, 3, classes, temperature=temperature)
    expected = predictor.probabilities(images.permute(0, 3, 1, 2))
    content = graph_as_onnx(Graph(model, classes, temperature), images[:2])
    found = onnxruntime.InferenceSession(content).run(["probabilities"], {"images": images.numpy()})[0]
    assert found.shape == expected.shape and np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("classes", [LABELS[0], LABELS[2]], ids=["binary", "multilabel"])
def test_images_keep_their_order_where_probabilities_are_next_to_nothing(classes):
    """An AUC does not care how small probabilities are, so they must not become equal."""
    images = np.stack([np.full((4, 4, 3), value, np.float32) for value in (0, 10, 20, 30, 40)])
    content = graph_as_onnx(Graph(Brightness(classes.outputs, False), classes), torch.from_numpy(images[:2]))
    found = onnxruntime.InferenceSession(content).run(["probabilities"], {"images": images})[0][:, -1]
    logits = np.array([0, 10, 20, 30, 40], np.float64) / 255 * 100 - 50
    assert np.log(found) == pytest.approx(logits, rel=1e-5)
