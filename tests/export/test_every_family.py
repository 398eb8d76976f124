"""A file of every family of encoders gives PyTorch's numbers, as a classifier or, where it has a pyramid, a U-Net."""

import numpy as np
import onnxruntime
import pytest
import torch
from small_members import MEMBERS, small

from medgraft.data import LabelClasses, MaskClasses
from medgraft.export.graph import Graph
from medgraft.export.onnx_file import graph_as_onnx, sample_images
from medgraft.models import SMP_DECODERS, ModelSpec, build_model
from medgraft.models.encoder_families import _FAMILIES, family_of

LABELS = LabelClasses(("mild", "moderate", "severe"))
MASKS = MaskClasses(("background", "lesion"), ((0, 0, 0), (255, 255, 1)))
PYRAMIDS = [
    *("ResNet", "ResNet v2", "ResNeXt", "Wide ResNet", "ResNeSt", "SE-ResNet", "Res2Net", "VGG", "InceptionNeXt"),
    *("DenseNet", "DPN", "RegNet", "MnasNet", "MobileNet v1", "MobileNet v2", "MobileNet v3", "MobileNet v4"),
    *("MobileOne", "MobileViT", "MobileViT v2", "GhostNet", "GhostNet v2", "RepVGG", "EfficientNet-Lite"),
    *("EfficientNet", "EfficientNet v2", "EdgeNeXt", "FastViT", "ConvNeXt", "ConvNeXt v2", "NFNet", "Swin", "Swin v2"),
    *("CTransPath", "PVT v2", "PoolFormer"),
]


def agrees(model, classes, side, channels=3):
    """The exported graph against the model with every step written out, on a batch that it was not traced with."""
    graph = Graph(model, classes, temperature=1.3)
    session = onnxruntime.InferenceSession(graph_as_onnx(graph, sample_images(side, channels)))
    images = np.random.default_rng(1).integers(0, 256, (3, side, side, channels)).astype(np.float32)
    found = dict(zip(graph.outputs, session.run(None, {"images": images}), strict=True))
    with torch.no_grad():
        scaled = torch.from_numpy(images / 255).permute(0, 3, 1, 2).contiguous()
        logits = model(scaled) / 1.3
        expected = logits.softmax(1) if isinstance(classes, LabelClasses) else logits.sigmoid()
        assert found["probabilities"].shape == tuple(expected.shape)
        assert np.abs(found["probabilities"] - expected.numpy()).max() < 1e-4
        if model.encoder is not None:
            features = model.encoder.forward_pooled(scaled).numpy()
            assert np.abs(found["features"] - features).max() < 1e-4 * np.abs(features).max()


def test_no_family_is_left_out():
    assert list(MEMBERS) and set(MEMBERS) == {family.title for _, family in _FAMILIES}
    for title, (name, _, _) in MEMBERS.items():
        assert family_of(name).title == title


@pytest.mark.parametrize("family", [name for name in MEMBERS if name not in PYRAMIDS])
def test_a_classifier_of_every_family_without_a_pyramid(family, monkeypatch):
    model, side = small(family, "classifier", monkeypatch)
    agrees(model, LABELS, side)


@pytest.mark.parametrize("family", PYRAMIDS)
def test_a_unet_of_every_family_with_a_pyramid(family, monkeypatch):
    model, side = small(family, "encoder_unet", monkeypatch)
    agrees(model, MASKS, side)


@pytest.mark.parametrize("family", ["ResNet", "EfficientNet-Lite", "MobileNet v3", "DenseNet", "ConvNeXt", "Swin"])
def test_a_classifier_of_families_with_a_pyramid(family, monkeypatch):
    model, side = small(family, "classifier", monkeypatch)
    agrees(model, LABELS, side)


@pytest.mark.parametrize("decoder", SMP_DECODERS)
def test_every_other_decoder(decoder):
    torch.manual_seed(0)
    model = build_model(ModelSpec(model=f"smp:{decoder}", encoder="resnet10t", classes=3)).eval()
    with torch.no_grad():
        graph = Graph(model, MaskClasses(("background", "a", "b"), ((0, 0, 0), (1, 1, 1), (2, 2, 2))))
        session = onnxruntime.InferenceSession(graph_as_onnx(graph, sample_images(64, 3)))
        images = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3)).astype(np.float32)
        expected = model(torch.from_numpy(images / 255).permute(0, 3, 1, 2)).softmax(1).numpy()
    assert np.abs(session.run(["probabilities"], {"images": images})[0] - expected).max() < 1e-4


@pytest.mark.parametrize("channels", [1, 3])
def test_the_plain_unet_at_a_size_that_is_no_power_of_two(channels):
    torch.manual_seed(0)
    spec = ModelSpec(
        model="unet", widths=(4, 8, 16), in_channels=channels, mean=(0.4,) * channels, std=(0.2,) * channels
    )
    agrees(build_model(spec).eval(), MASKS, 50, channels)


def test_grey_images_of_an_encoder():
    torch.manual_seed(0)
    spec = ModelSpec(
        model="classifier", encoder="resnet10t", in_channels=1, classes=3, mean=(0.4, 0.5, 0.6), std=(0.2,) * 3
    )
    agrees(build_model(spec).eval(), LABELS, 64, channels=1)
