"""Every encoder of the list gives timm's own pyramid, whole or in two halves; what is held stays as it is."""

import copy

import pytest
import timm
import torch
from torch import nn

from medgraft.errors import RecipeError
from medgraft.models import create_encoder

ENCODERS = [
    "resnet18",
    "resnet50",
    "efficientnet_b0",
    "tf_efficientnet_lite0",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "densenet121",
    "convnext_tiny",
    "swin_tiny_patch4_window7_224",
]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.manual_seed(0)


@pytest.fixture(params=ENCODERS, scope="module")
def pair(request):
    """An encoder and timm's own pyramid network with the same weights."""
    torch.manual_seed(0)
    encoder = create_encoder(request.param).eval()
    options = {"strict_img_size": False} if "swin" in request.param else {}
    full = timm.create_model(request.param, pretrained=False, **options).eval()
    leaves = {
        f"{part}.{name}": tensor for part, block in _timm_parts(encoder) for name, tensor in block.state_dict().items()
    }
    full.load_state_dict(leaves, strict=False)
    oracle = timm.create_model(request.param, pretrained=False, features_only=True, **options).eval()
    oracle.load_state_dict(_like(oracle, full), strict=True)
    if "swin" in request.param:
        oracle.patch_embed.dynamic_img_pad = True
    return encoder, oracle


def _timm_parts(encoder):
    """Our parts by timm's names, found by walking a fresh full model in parallel."""
    options = {"strict_img_size": False} if "swin" in encoder.name else {}
    full = timm.create_model(encoder.name, pretrained=False, **options)
    names = {name.replace(".", "_"): name for name, _ in full.named_modules()}
    return [(names[key], part) for block in encoder.blocks for key, part in block.named_children()]


def _like(oracle, full):
    """The full model's tensors under the oracle's names (timm flattens ``layers.0`` to ``layers_0``)."""
    flat = {name.replace(".", "_"): tensor for name, tensor in full.state_dict().items()}
    return {name: flat[name.replace(".", "_")] for name in oracle.state_dict()}


@pytest.mark.parametrize("size", [(64, 64), (65, 50), (32, 47)])
@torch.no_grad()
def test_pyramid_is_that_of_timm(pair, size):
    encoder, oracle = pair
    images = torch.rand(2, 3, *size)
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (encoder.mean, encoder.std))
    expected = oracle((images - mean) / std)
    levels = encoder.forward_pyramid(images)
    if "swin" in encoder.name:
        expected = [level.permute(0, 3, 1, 2) for level in expected]
    assert len(levels) == len(expected)
    for level, truth in zip(levels, expected, strict=True):
        torch.testing.assert_close(level, truth, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_levels_have_the_channels_and_strides_that_are_told(pair):
    encoder, _ = pair
    levels = encoder(torch.rand(1, 3, 64, 96))
    assert [level.shape[1] for level in levels] == list(encoder.channels)
    assert [64 // level.shape[2] for level in levels] == list(encoder.strides)
    assert [96 // level.shape[3] for level in levels] == list(encoder.strides)
    assert len(encoder.block_names) == len(encoder.blocks) == len(set(encoder.block_names))
    assert encoder.block_names[0] == "stem" and encoder.taps[-1] == len(encoder.blocks) - 1


@torch.no_grad()
def test_prefix_and_suffix_make_the_whole_at_every_cut(pair):
    encoder, _ = pair
    images = torch.rand(2, 3, 65, 50)
    whole = encoder.forward_pyramid(images)
    for cut in range(1, len(encoder.blocks) + 1):
        outputs = encoder.forward_prefix(images, cut)
        reached = sum(tap < cut for tap in encoder.taps)
        assert len(outputs) == reached + (cut - 1 not in encoder.taps)
        assert all(torch.equal(a, b) for a, b in zip(outputs, whole[:reached], strict=False))
        resumed = encoder.forward_suffix(outputs, cut)
        assert len(resumed) == len(whole)
        assert all(torch.equal(a, b) for a, b in zip(resumed, whole, strict=True))


@torch.no_grad()
def test_pooled_is_the_average_of_the_coarsest_level(pair):
    encoder, _ = pair
    images = torch.rand(2, 3, 64, 64)
    expected = encoder(images)[-1].flatten(2).mean(-1)
    torch.testing.assert_close(encoder.forward_pooled(images), expected)


def test_blocks_of_the_default_encoder():
    encoder = create_encoder("tf_efficientnet_lite0")
    assert encoder.block_names == ("stem", *(f"blocks.{stage}" for stage in range(7)))
    assert encoder.channels == (16, 24, 40, 112, 320) and encoder.strides == (2, 4, 8, 16, 32)
    assert encoder.mean == encoder.std == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("position", [0, 6])
def test_a_cut_outside_the_blocks_is_refused(position):
    with pytest.raises(ValueError, match="5 blocks"):
        create_encoder("resnet18").forward_prefix(torch.rand(1, 3, 32, 32), position)


def _buffers(modules):
    return [buffer.clone() for module in modules for buffer in module.buffers()]


def _train(encoder, steps=3):
    optimiser = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(steps):
        encoder.train()
        encoder(torch.rand(2, 3, 32, 32))[-1].square().mean().backward()
        optimiser.step()
        encoder.eval()


def test_held_blocks_keep_their_buffers_through_training():
    encoder = create_encoder("resnet18")
    encoder.hold([0, 1, 2])
    held, free = _buffers(encoder.blocks[:3]), _buffers(encoder.blocks[3:])
    _train(encoder)
    assert all(torch.equal(a, b) for a, b in zip(held, _buffers(encoder.blocks[:3]), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(free, _buffers(encoder.blocks[3:]), strict=True))
    encoder.train()
    assert not any(module.training for block in encoder.blocks[:3] for module in block.modules())
    assert all(module.training for block in encoder.blocks[3:] for module in block.modules())


def test_norms_held_everywhere_keep_all_buffers_while_dropout_is_on():
    encoder = create_encoder("densenet121")
    encoder.hold([], norms=True)
    before = _buffers([encoder])
    _train(encoder, steps=1)
    assert all(torch.equal(a, b) for a, b in zip(before, _buffers([encoder]), strict=True))
    encoder.train()
    # timm keeps an activation inside its BatchNorm module, and that follows the norm.
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    inside = {id(part) for norm in norms for part in norm.modules()}
    assert not any(norm.training for norm in norms)
    assert all(m.training for m in encoder.modules() if id(m) not in inside)


def test_holding_acts_at_once_through_a_parent_and_a_copy_and_can_be_undone():
    encoder = create_encoder("resnet18").train()
    encoder.hold([4])
    assert not encoder.blocks[4].training and encoder.blocks[3].training
    parent = copy.deepcopy(nn.ModuleDict({"encoder": encoder}))
    parent.eval().train()
    assert not parent["encoder"].blocks[4].training
    encoder.hold([])
    assert encoder.blocks[4].training
    with pytest.raises(ValueError, match="0 to 4"):
        encoder.hold([5])


@pytest.mark.parametrize("in_channels", [1, 3])
def test_a_saved_state_opens_in_another_encoder(tmp_path, in_channels):
    torch.save(create_encoder("resnet18", in_channels).state_dict(), tmp_path / "encoder.pt")
    other = create_encoder("resnet18", in_channels)
    state = torch.load(tmp_path / "encoder.pt", weights_only=True)
    other.load_state_dict(state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in other.state_dict().items())


def test_an_unknown_encoder_suggests_near_names():
    with pytest.raises(RecipeError, match=r"Did you mean .*resnet50"):
        create_encoder("resnet5o")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gmlp_ti16_224", "one size only"),
        ("test_vit", "feature pyramid"),
        ("hrnet_w18_small", "feature pyramid"),
        ("cbr_small", "for classification alone"),
    ],
)
def test_a_model_that_is_no_chain_with_a_pyramid_is_refused(name, words):
    with pytest.raises(RecipeError, match=words):
        create_encoder(name)


def test_blocks_have_names_of_their_own_where_every_part_is_a_convolution():
    names = create_encoder("vgg11").block_names
    assert names[0] == "stem" and len(set(names)) == len(names)


def test_a_first_block_that_begins_with_no_bare_convolution_keeps_its_name():
    assert create_encoder("legacy_seresnet18").block_names == ("layer0", "layer1", "layer2", "layer3", "layer4")


def test_building_leaves_the_model_in_training_mode_with_fresh_statistics():
    encoder = create_encoder("resnet18")
    norm = encoder.blocks[0].bn1
    assert encoder.training and norm.num_batches_tracked == 0 and norm.running_mean.abs().max() == 0
