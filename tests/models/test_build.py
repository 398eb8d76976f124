"""A model's description is read as it was written, and builds the same structure each time."""

import json

import pytest
import torch

from medgraft.errors import RecipeError
from medgraft.models import (
    Classifier,
    EncoderUNet,
    ModelSpec,
    SmpSegmenter,
    UNet,
    build_model,
    find_weights,
    list_models,
)

LITE = "tf_efficientnet_lite0"


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (ModelSpec(), EncoderUNet),
        (ModelSpec(encoder="resnet18", in_channels=1, classes=3, widths=(16, 16, 8, 8)), EncoderUNet),
        (ModelSpec(model="unet", in_channels=1, widths=(4, 8), mean=(0.5,), std=(0.2,)), UNet),
        (ModelSpec(model="smp:fpn", encoder="resnet18"), SmpSegmenter),
        (ModelSpec(model="classifier", encoder="cbr_small", classes=4, head="mlp", dropout=0.2), Classifier),
        (ModelSpec(model="classifier", encoder="test_vit", in_channels=1, head="dropout"), Classifier),
    ],
)
def test_a_spec_survives_json_and_builds_what_takes_the_same_state(spec, kind):
    again = ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    model, other = build_model(spec), build_model(again)
    assert isinstance(model, kind) and model.classes == spec.classes and model.in_channels == spec.in_channels
    other.load_state_dict(model.state_dict())
    images = torch.rand(1, spec.in_channels, 32, 32)
    with torch.no_grad():
        assert torch.equal(other.eval()(images), model.eval()(images))


def test_a_completed_spec_builds_without_the_weights():
    weights = find_weights(LITE)
    spec = ModelSpec(in_channels=1).completed(weights)
    assert spec.mean == spec.std == (0.5, 0.5, 0.5)
    trained, opened = build_model(spec, weights), build_model(spec)
    opened.load_state_dict(trained.state_dict())
    summed = weights.state["conv_stem.weight"].sum(1, keepdim=True)
    torch.testing.assert_close(opened.encoder.blocks[0].conv_stem.weight.detach(), summed, atol=1e-6, rtol=1e-5)


def test_pretrained_weights_are_in_the_model():
    weights = find_weights(LITE)
    model = build_model(ModelSpec(), weights)
    assert torch.equal(model.encoder.blocks[3][0][0].conv_pw.weight, weights.state["blocks.2.0.conv_pw.weight"])


def test_statistics_of_timm_complete_a_spec_without_weights():
    assert ModelSpec(encoder="resnet18").completed().mean == (0.485, 0.456, 0.406)
    assert ModelSpec(model="unet").completed().mean is None


def test_an_unet_has_no_encoder():
    assert ModelSpec(model="unet").encoder is None


def test_a_description_from_before_there_were_classifiers_is_read():
    old = {
        "model": "encoder_unet", "encoder": "resnet18", "in_channels": 1, "classes": 2, "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5], "adapt": "sum", "widths": None, "bottleneck": 512,
    }  # fmt: skip
    spec = ModelSpec.from_dict(old)
    assert {key: value for key, value in spec.to_dict().items() if key in old} == old
    assert isinstance(build_model(spec), EncoderUNet)


def test_head_and_dropout_of_a_spec_reach_the_classifier():
    model = build_model(ModelSpec(model="classifier", encoder="cbr_small", head="mlp", dropout=0.3))
    assert [type(part).__name__ for part in model.head] == ["Linear", "ReLU", "Dropout", "Linear"]
    assert model.head[2].p == 0.3


def test_statistics_of_the_cbr_family_complete_a_spec():
    assert ModelSpec(model="classifier", encoder="cbr_tiny").completed().mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"model": "classifer"}, "Did you mean classifier"),
        ({"model": "classifier", "encoder": None}, "wants an encoder"),
        ({"model": "encoderunet"}, "Did you mean encoder_unet"),
        ({"model": "smp:deeplab"}, "smp:deeplabv3plus"),
        ({"modle": "unet"}, "Did you mean model"),
        ({"model": "encoder_unet", "encoder": None}, "wants an encoder"),
    ],
)
def test_a_bad_spec_is_refused(raw, words):
    with pytest.raises(RecipeError, match=words):
        ModelSpec.from_dict(raw)


def test_all_names_are_listed():
    assert list_models() == [
        "encoder_unet", "unet", "smp:deeplabv3plus", "smp:fpn", "smp:unetplusplus", "smp:segformer", "classifier",
    ]  # fmt: skip
