"""Slim encoders: widths and parameters worked out by hand, which blocks are kept, and that a description reopens."""

import math

import pytest
import timm
import torch
from safetensors.torch import save_file

from medgraft.errors import RecipeError
from medgraft.models import ModelSpec, build_model, create_encoder, create_feature_encoder, find_weights
from medgraft.models.slim import slimmed


def widths(encoder):
    return [part.out_channels for part in encoder.modules() if isinstance(part, torch.nn.Conv2d)]


def test_widths_behind_the_cut_are_halved_and_the_first_of_them_takes_the_full_width():
    """cbr_tiny_narrow has 32, 64, 128, 256 kernels of 5 x 5 without biases, and a scale and shift for each."""
    encoder = slimmed(create_feature_encoder("cbr_tiny_narrow"), 2)
    assert widths(encoder) == [32, 64, 64, 128]
    kernels = 25 * (3 * 32 + 32 * 64 + 64 * 64 + 64 * 128)
    assert sum(p.numel() for p in encoder.parameters()) == kernels + 2 * (32 + 64 + 64 + 128)
    assert encoder.num_features == 128
    assert encoder(torch.rand(2, 3, 64, 64)).shape == (2, 128)


def test_resnet50_behind_its_second_stage_as_in_the_paper():
    """Block3 and Block4 (our layer3, layer4) at half the width, on the 512 channels of layer2."""
    encoder = slimmed(create_encoder("resnet50"), 3)
    assert encoder.channels == (64, 256, 512, 512, 1024) and encoder.strides == (2, 4, 8, 16, 32)
    first = next(part for part in encoder.blocks[3].modules() if isinstance(part, torch.nn.Conv2d))
    assert (first.in_channels, first.out_channels) == (512, 128)
    assert [tuple(level.shape[1:]) for level in encoder(torch.rand(1, 3, 64, 64))][-1] == (1024, 2, 2)


@pytest.mark.parametrize(
    ("name", "keep", "features", "bridged"),
    [
        ("resnet18", 1, 256, True),  # layer1 adds its input to its output
        ("resnet18", 2, 256, False),
        ("densenet121", 3, 512, False),
        ("efficientnet_b0", 4, 640, False),
        ("mobilenetv3_large_100", 3, 640, False),
        ("test_vit", 3, 32, True),
        ("test_convnext", 2, 32, False),
        ("regnety_002", 3, 184, False),
    ],
)
def test_every_family_is_narrowed(name, keep, features, bridged):
    encoder = create_feature_encoder(name, in_channels=1)
    kept = {key: tensor.clone() for key, tensor in encoder.blocks[:keep].state_dict().items()}
    before = sum(p.numel() for block in encoder.blocks[keep:] for p in block.parameters())
    slimmed(encoder, keep)
    assert encoder.num_features == features
    assert all(torch.equal(tensor, encoder.blocks[:keep].state_dict()[key]) for key, tensor in kept.items())
    after = sum(p.numel() for block in encoder.blocks[keep:] for p in block.parameters())
    assert after < 0.45 * before
    assert any("bridge" in key for key in encoder.state_dict()) == bridged
    side = encoder.smallest
    found = encoder.train()(torch.rand(2, 1, side, side))
    assert found.shape == (2, features)
    found.sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())


def test_convolutions_keep_the_spread_that_he_asks_for():
    """DenseNet draws with a variance of 2 / fan-in; at other widths the fan-in is another, and so is the spread."""
    torch.manual_seed(0)
    encoder = slimmed(create_feature_encoder("densenet121"), 2)
    checked = 0
    for part in encoder.blocks[2:].modules():
        if isinstance(part, torch.nn.Conv2d) and part.weight.numel() > 5000:
            fan_in = part.weight[0].numel()
            spread = float(part.weight.detach().std()) / math.sqrt(2 / fan_in)
            assert abs(spread - 1) < 5 / math.sqrt(2 * part.weight.numel())
            checked += 1
    assert checked > 50


@pytest.mark.parametrize("keep", [0, 5])
def test_a_cut_that_leaves_nothing_is_refused(keep):
    with pytest.raises(RecipeError, match=rf"slim-{keep} wants a block to keep .*resnet18 has the blocks stem, layer1"):
        slimmed(create_feature_encoder("resnet18"), keep)


def test_a_description_builds_the_same_structure_and_the_kept_blocks_have_the_weights(tmp_path):
    torch.manual_seed(3)
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "w.safetensors")
    weights = find_weights("test_resnet", tmp_path / "w.safetensors")
    for kind in ("classifier", "encoder_unet"):
        spec = ModelSpec(kind, "test_resnet", slim=2).completed(weights)
        torch.manual_seed(1)
        model = build_model(spec, weights)
        whole = build_model(ModelSpec(kind, "test_resnet").completed(weights), weights).encoder
        for key, tensor in whole.blocks[:2].state_dict().items():
            assert torch.equal(tensor, model.encoder.blocks[:2].state_dict()[key])
        again = build_model(ModelSpec.from_dict(spec.to_dict()))
        again.load_state_dict(model.state_dict())
        images = torch.rand(2, 3, 64, 64)
        assert torch.equal(again.eval()(images), model.eval()(images))
        torch.manual_seed(1)
        twin = build_model(spec)  # without weights: what is random is the same
        for key, tensor in twin.encoder.blocks[3].state_dict().items():
            assert torch.equal(tensor, model.encoder.blocks[3].state_dict()[key])


def test_an_older_description_has_no_narrow_blocks():
    old = {key: value for key, value in ModelSpec().to_dict().items() if key != "slim"}
    assert ModelSpec.from_dict(old).slim is None
