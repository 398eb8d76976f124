"""Every tested encoder gives timm's own features, whole or in two halves, in colour and grey, saved and reopened."""

import json
from collections import OrderedDict

import pytest
import torch
from timm_oracles import stir, timm_features, weights_of
from torch import nn
from torch.nn import functional as F

from medgraft.models import (
    CBR_ENCODERS,
    TESTED_ENCODERS,
    ModelSpec,
    build_model,
    create_feature_encoder,
)

PYRAMID = ("stem", "layer1", "layer2", "layer3", "layer4")
MOBILE = ("stem", *(f"blocks.{i}" for i in range(7)), "conv_head")
TOKENS = ("stem", *(f"blocks.{i}" for i in range(12)), "norm")
DENSE = ("stem", *(f"features.denseblock{i}" for i in range(1, 5)))
BLOCKS = {
    "resnet18": (512, PYRAMID),
    "resnet50": (2048, PYRAMID),
    "vgg16": (4096, ("conv1", "conv2", "conv3", "conv4", "conv5", "pre_logits")),
    "inception_v3": (2048, ("stem", "Conv2d_4a_3x3", "Mixed_5d", "Mixed_6e", "Mixed_7c")),
    "densenet121": (1024, DENSE),
    "efficientnet_b0": (1280, MOBILE),
    "tf_efficientnet_lite0": (1280, MOBILE),
    "tf_efficientnet_lite1": (1280, MOBILE),
    "tf_efficientnet_lite2": (1280, MOBILE),
    "mobilenetv2_100": (1280, MOBILE),
    "mobilenetv3_large_100": (1280, MOBILE),
    "convnext_tiny": (768, ("stem", *(f"stages.{i}" for i in range(4)), "norm")),
    "deit_small_patch16_224": (384, TOKENS),
    "swin_tiny_patch4_window7_224": (768, ("stem", *(f"layers.{i}" for i in range(4)), "norm")),
    "vit_small_patch16_224": (384, TOKENS),
    "cbr_larget": (512, ("conv1", "conv2", "conv3", "conv4", "conv5")),
    "cbr_largew": (512, ("conv1", "conv2", "conv3", "conv4")),
    "cbr_small": (256, ("conv1", "conv2", "conv3", "conv4")),
    "cbr_tiny": (512, ("conv1", "conv2", "conv3", "conv4")),
    "cbr_tiny_narrow": (256, ("conv1", "conv2", "conv3", "conv4")),
}


class _Cbr(nn.Module):
    """The family once more, as a row of functions, under the names of ours."""

    def __init__(self, plan):
        super().__init__()
        self.last_pool = plan.last_pool
        widths = (3, *plan.widths)
        for i, width in enumerate(plan.widths):
            parts = {"conv": nn.Conv2d(widths[i], width, plan.kernel, bias=False), "bn": nn.BatchNorm2d(width)}
            self.add_module(f"conv{i + 1}", nn.Sequential(OrderedDict(parts)))

    def forward(self, x):
        stages = list(self.children())
        for i, stage in enumerate(stages):
            x = F.conv2d(x, stage.conv.weight, padding="same")
            x = stage.bn(x).clamp(min=0)
            if i + 1 < len(stages) or self.last_pool:
                x = F.max_pool2d(x, 3, 2, padding=1)
        return x.flatten(2).mean(-1)


def _oracle(name):
    if name not in CBR_ENCODERS:
        return timm_features(name)
    torch.manual_seed(0)
    return stir(_Cbr(CBR_ENCODERS[name]))


@pytest.fixture(params=TESTED_ENCODERS, scope="module")
def pair(request):
    """An encoder with given weights, and timm's model (ours of the CBR family, once more) with the same."""
    oracle = _oracle(request.param)
    return create_feature_encoder(request.param, weights=weights_of(oracle)).eval(), oracle


def _images(encoder, channels=3, height=0, width=0):
    side = max(encoder.smallest, 64)
    generator = torch.Generator().manual_seed(3)
    return torch.rand(2, channels, side + height, side + width, generator=generator)


def _normalised(encoder, images):
    mean, std = (torch.tensor(value).view(1, -1, 1, 1) for value in (encoder.mean, encoder.std))
    return (images - mean) / std


def _assert_same(found, truth, tolerance=1e-5):
    assert found.shape == truth.shape and torch.isfinite(truth).all() and truth.std() > 0
    assert (found - truth).abs().max() <= tolerance * max(1.0, truth.abs().max().item())


def test_the_table_of_blocks_is_complete():
    assert tuple(BLOCKS) == TESTED_ENCODERS


def test_blocks_are_those_of_the_table_and_each_can_learn(pair):
    encoder, _ = pair
    assert (encoder.num_features, encoder.block_names) == BLOCKS[encoder.name]
    assert len(encoder.blocks) == len(encoder.block_names) and encoder.is_chain
    assert all(any(p.requires_grad for p in block.parameters()) for block in encoder.blocks)


def test_nothing_of_the_model_is_left_out(pair):
    encoder, oracle = pair
    assert sum(p.numel() for p in encoder.parameters()) == sum(p.numel() for p in oracle.parameters())


@pytest.mark.parametrize("more", [(0, 0), (3, 14)])
@torch.no_grad()
def test_features_are_those_of_timm(pair, more):
    encoder, oracle = pair
    images = _images(encoder, 3, *more)
    truth = oracle(_normalised(encoder, images))
    _assert_same(encoder(images), truth)
    _assert_same(encoder.forward_pooled(images), truth)
    assert truth.shape == (2, encoder.num_features)


@torch.no_grad()
def test_prefix_and_suffix_make_the_whole_at_every_cut(pair):
    encoder, _ = pair
    images = _images(encoder, 3, 3, 14)
    whole = encoder(images)
    for cut in range(1, len(encoder.blocks) + 1):
        hidden = encoder.forward_prefix(images, cut)
        assert len(hidden) == 1
        (pooled,) = encoder.forward_suffix(hidden, cut)
        assert torch.equal(pooled, whole)


@torch.no_grad()
def test_training_mode_is_that_of_timm(pair):
    """Statistics of the batch, stochastic depth and dropout: drawn in the same order, from the same seed."""
    encoder, oracle = pair
    images = _images(encoder)
    before = [buffer.clone() for buffer in encoder.blocks.buffers()]
    torch.manual_seed(5)
    found = encoder.train()(images)
    torch.manual_seed(5)
    _assert_same(found, oracle.train()(_normalised(encoder, images)))
    for ours, theirs in zip(encoder.blocks.buffers(), oracle.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)
    for ours, theirs, value in zip(encoder.blocks.buffers(), oracle.buffers(), before, strict=True):
        ours.copy_(value)
        theirs.copy_(value)
    encoder.eval()
    oracle.eval()


@torch.no_grad()
def test_what_is_held_computes_as_in_eval_mode_and_keeps_its_buffers(pair):
    encoder, _ = pair
    images = _images(encoder)
    state = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    truth = encoder.eval()(images)
    encoder.hold(range(len(encoder.blocks)))
    assert torch.equal(encoder.train()(images), truth)
    assert all(torch.equal(buffer, state[name]) for name, buffer in encoder.named_buffers())
    encoder.hold([], norms=True)
    encoder.train()(images)
    assert all(torch.equal(buffer, state[name]) for name, buffer in encoder.named_buffers())
    encoder.hold([])
    encoder.eval()


def test_a_grey_classifier_is_the_colour_one_on_repeated_images_and_reopens_offline(pair, tmp_path, no_sockets):
    encoder, oracle = pair
    weights = weights_of(oracle)
    spec = ModelSpec(model="classifier", encoder=encoder.name, in_channels=1, classes=3).completed(weights)
    model = build_model(spec, weights).eval()
    grey = _images(encoder, 1)
    with torch.no_grad():
        _assert_same(model.encoder(grey), encoder(grey.expand(-1, 3, -1, -1)), 1e-4)
        logits = model(grey)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    del model
    again = build_model(ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict())))).eval()
    again.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True, mmap=True))
    (tmp_path / "model.pt").unlink()
    with torch.no_grad():
        assert torch.equal(again(grey), logits)
