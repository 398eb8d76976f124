"""Decoders of segmentation-models-pytorch: parity with that library, any size, the same interface."""

import sys

import pytest
import torch

from medgraft.errors import RecipeError
from medgraft.models import SMP_DECODERS, SmpSegmenter, create_encoder

smp = pytest.importorskip("segmentation_models_pytorch")


@pytest.fixture(scope="module", params=["resnet18", "convnext_tiny"])
def encoder(request):
    torch.manual_seed(0)
    return create_encoder(request.param)


@pytest.mark.parametrize("decoder", SMP_DECODERS)
@torch.no_grad()
def test_any_size_and_any_cut(encoder, decoder):
    model = SmpSegmenter(encoder, decoder, classes=2).eval()
    for size in ((32, 32), (65, 50)):
        images = torch.rand(2, 3, *size)
        logits = model(images)
        assert logits.shape == (2, 2, *size) and torch.isfinite(logits).all()
    outputs = encoder.forward_prefix(images, 3)
    assert torch.equal(model.forward_from(outputs, 3, size), logits)


@pytest.mark.parametrize(
    ("decoder", "theirs"), [("fpn", "FPN"), ("unetplusplus", "UnetPlusPlus"), ("segformer", "Segformer")]
)
@torch.no_grad()
def test_parity_with_the_library_on_the_same_features(decoder, theirs):
    torch.manual_seed(0)
    reference = getattr(smp, theirs)("resnet18", encoder_weights=None, classes=2).eval()
    ours = SmpSegmenter(create_encoder("resnet18"), decoder, classes=2).eval()
    ours.decoder.load_state_dict(reference.decoder.state_dict())
    ours.head.load_state_dict(reference.segmentation_head.state_dict())
    images = torch.rand(2, 3, 64, 96)
    features = reference.encoder(images)
    torch.testing.assert_close(ours.decode(features[1:], (64, 96)), reference(images))


@torch.no_grad()
def test_what_is_cut_off_lies_right_and_below():
    """Logits of an image are those of the image extended by its levels, not stretched."""
    torch.manual_seed(0)
    model = SmpSegmenter(create_encoder("resnet18"), "fpn").eval()
    levels = model.encoder(torch.rand(1, 3, 64, 64))
    torch.testing.assert_close(model.decode(levels, (50, 40)), model.decode(levels, (64, 64))[..., :50, :40])


def test_an_unknown_decoder_is_refused_with_a_suggestion():
    with pytest.raises(RecipeError, match="Did you mean deeplabv3plus"):
        SmpSegmenter(create_encoder("resnet18"), "deeplabv3")


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(RecipeError, match=r'pip install "medgraft\[smp\]"'):
        SmpSegmenter(create_encoder("resnet18"), "fpn")
