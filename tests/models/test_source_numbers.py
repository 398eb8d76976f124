"""The numbers: an encoder with a published file computes what the publishers' model computes.

The publishers' models are torchvision's, or are written out here by hand; all numbers in the files are random.
"""

from __future__ import annotations

import math

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from published_forms import PUBLISHED, as_transformers_vit
from torch import nn
from torchvision.models.swin_transformer import SwinTransformer as TorchvisionSwin

from medgraft.models import find_weights
from medgraft.models.features import create_feature_encoder
from medgraft.models.sources import find_source
from medgraft.models.sources.translate import translate


def _lively(model, seed=0):
    """Random numbers everywhere, in the statistics of batch normalisation too."""
    torch.manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if tensor.dtype == torch.float32:
            spread = 0.1 if name.endswith(("bias", "mean")) else None
            if name.endswith(("running_var", "bn.weight", "norm1.weight")) or (tensor.ndim == 1 and spread is None):
                tensor.uniform_(0.5, 1.5)
            elif spread:
                tensor.normal_(0, spread)
    return model.eval()


def _images(channels, size=96):
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(1))


def _close(ours, theirs):
    assert ours.shape == theirs.shape
    assert theirs.std() > 1e-3 * theirs.abs().mean()  # features that are all alike would prove nothing
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


@torch.no_grad()
def test_torchxrayvision_densenet_is_torchvisions_with_one_plane(tmp_path):
    theirs = torchvision.models.densenet121(num_classes=18)
    theirs.features.conv0 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    theirs = _lively(theirs)
    torch.save(theirs.state_dict() | {"op_threshs": torch.full((18,), math.nan)}, tmp_path / "chex.pt")
    weights = find_weights("densenet121", f"medical:torchxrayvision-chex@{tmp_path / 'chex.pt'}")
    assert weights.mean == (0.5,) and weights.licence == "Apache-2.0 (not verified)"
    assert weights.source == "medical:torchxrayvision-chex (CheXpert), file chex.pt"
    encoder = create_feature_encoder("densenet121", in_channels=1, weights=weights).eval()
    images = _images(1)
    scaled = (2 * images - 1) * 1024  # torchxrayvision.utils.normalize, with images of 0 to 1
    _close(encoder(images), F.relu(theirs.features(scaled)).mean((2, 3)))


@torch.no_grad()
def test_torchxrayvision_resnet_is_torchvisions_with_one_plane(tmp_path):
    theirs = torchvision.models.resnet50(num_classes=18)
    theirs.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    theirs = _lively(theirs)
    torch.save(theirs.state_dict(), tmp_path / "state.pt")
    weights = find_weights("resnet50", f"medical:torchxrayvision-resnet50@{tmp_path / 'state.pt'}")
    encoder = create_feature_encoder("resnet50", in_channels=1, weights=weights).eval()
    theirs.fc = nn.Identity()
    images = _images(1)
    _close(encoder(images), theirs((2 * images - 1) * 1024))


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet50", "densenet121", "inception_v3"])
def test_radimagenet_is_torchvisions_model_as_a_sequence(tmp_path, name):
    options = {"aux_logits": False, "init_weights": False} if name == "inception_v3" else {}
    whole = _lively(getattr(torchvision.models, name)(weights=None, **options))
    theirs = nn.Sequential(*list(whole.children())[:-1])
    torch.save({f"backbone.{key}": value for key, value in theirs.state_dict().items()}, tmp_path / "rin.pt")
    weights = find_weights(name, f"medical:radimagenet-{name}@{tmp_path / 'rin.pt'}")
    encoder = create_feature_encoder(name, weights=weights).eval()
    images = _images(3)
    outputs = theirs((images * 255 - 127.5) * 2 / 255)  # as in the publishers' notebook
    outputs = F.relu(outputs) if name == "densenet121" else outputs
    _close(encoder(images), outputs.mean((2, 3)) if outputs.ndim == 4 else outputs)


@torch.no_grad()
@pytest.mark.parametrize("source", ["biovil", "medclip-resnet50"])
def test_image_towers_of_resnet50_lie_in_a_larger_model(tmp_path, source):
    theirs = _lively(torchvision.models.resnet50())
    form = PUBLISHED[find_source(source).form]
    torch.save(form(theirs.state_dict()), tmp_path / "tower.pt")
    weights = find_weights("resnet50", f"medical:{source}@{tmp_path / 'tower.pt'}")
    assert {key: tensor.shape for key, tensor in weights.state.items()} == {
        key: tensor.shape for key, tensor in theirs.state_dict().items()
    }
    encoder = create_feature_encoder("resnet50", weights=weights).eval()
    theirs.fc = nn.Identity()
    images = _images(3)
    mean, spread = (0.5862785803043838, 0.27950088968644304) if source == "medclip-resnet50" else (0, 1)
    _close(encoder(images), theirs((images - mean) / spread))


def _transformers_vit(state, images, heads, patch):
    """The forward pass of transformers' ViTModel and Dinov2Model, on their names, by hand; the class token."""
    layer_norm = "encoder.layer.0.norm1.weight" in state
    one, two = ("norm1", "norm2") if layer_norm else ("layernorm_before", "layernorm_after")
    up, down = ("mlp.fc1", "mlp.fc2") if layer_norm else ("intermediate.dense", "output.dense")

    def linear(x, name):
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-6)

    def scaled(x, name):
        return x * state[name] if name in state else x

    projection = "embeddings.patch_embeddings.projection"
    x = F.conv2d(images, state[f"{projection}.weight"], state[f"{projection}.bias"], stride=patch)
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([state["embeddings.cls_token"].expand(len(x), -1, -1), x], 1)
    x = x + state["embeddings.position_embeddings"]
    layers = sorted({int(key.split(".")[2]) for key in state if key.startswith("encoder.layer.")})
    for number in layers:
        layer = f"encoder.layer.{number}"
        inside = norm(x, f"{layer}.{one}")
        q, k, v = (
            linear(inside, f"{layer}.attention.attention.{part}").unflatten(-1, (heads, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1) @ v
        mixed = linear(mixed.transpose(1, 2).flatten(2), f"{layer}.attention.output.dense")
        x = x + scaled(mixed, f"{layer}.layer_scale1.lambda1")
        inside = norm(x, f"{layer}.{two}")
        if f"{layer}.mlp.weights_in.weight" in state:
            gate, value = linear(inside, f"{layer}.mlp.weights_in").chunk(2, -1)
            inside = linear(F.silu(gate) * value, f"{layer}.mlp.weights_out")
        else:
            inside = linear(F.gelu(linear(inside, f"{layer}.{up}")), f"{layer}.{down}")
        x = x + scaled(inside, f"{layer}.layer_scale2.lambda1")
    return norm(x, "layernorm")[:, 0]


@torch.no_grad()
@pytest.mark.parametrize(
    "options",
    [{}, {"init_values": 0.5}, {"init_values": 0.5, "mlp_layer": timm.layers.SwiGLUPacked, "act_layer": nn.SiLU}],
    ids=["ViTModel", "Dinov2Model", "Dinov2Model with SwiGLU"],
)
def test_a_vision_transformer_under_transformers_names_computes_the_same(options):
    """Query, key and value are told apart, as are both norms and both layers of the perceptron."""
    tiny = {"img_size": 32, "patch_size": 8, "embed_dim": 12, "depth": 3, "num_heads": 3, "num_classes": 0}
    model = timm.models.VisionTransformer(**tiny, **options)
    torch.manual_seed(2)
    for parameter in model.parameters():
        parameter.normal_(0, 0.5)
    published = as_transformers_vit(model.state_dict())
    if "mlp_layer" in options:
        published = {key.replace("fc1", "weights_in").replace("fc2", "weights_out"): t for key, t in published.items()}
    expected = _transformers_vit(published, _images(3, 32), heads=3, patch=8)
    again = timm.models.VisionTransformer(**tiny, **options).eval()
    again.load_state_dict(translate("transformers vit", published, "file"))
    _close(again(_images(3, 32)), expected)


def _tiny_torchvision_swin():
    model = TorchvisionSwin(
        patch_size=[4, 4], embed_dim=16, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8], window_size=[7, 7],
        num_classes=5,
    )  # fmt: skip
    torch.manual_seed(3)
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.2)
    return model.eval()


_TINY = {"img_size": 224, "embed_dim": 16, "depths": (2, 2, 2, 2), "num_heads": (1, 2, 4, 8), "num_classes": 0}


def _transformers_names_of_torchvision_swin(state):
    """From torchvision's names to those of transformers' SwinModel, one by one."""
    named = {}
    for key, tensor in state.items():
        part = key.split(".")
        if part[0] == "features" and part[1] == "0":
            named[("embeddings.patch_embeddings.projection." if part[2] == "0" else "embeddings.norm.") + part[3]] = (
                tensor
            )
        elif part[0] == "features" and int(part[1]) % 2 == 0:
            named[f"encoder.layers.{int(part[1]) // 2 - 1}.downsample.{part[2]}.{part[3]}"] = tensor
        elif part[0] == "features":
            block = f"encoder.layers.{int(part[1]) // 2}.blocks.{part[2]}"
            rest = ".".join(part[3:])
            if rest.startswith("attn.qkv"):
                for name, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                    named[f"{block}.attention.self.{name}.{part[-1]}"] = third
                continue
            for theirs, ours in (
                ("attn.proj", "attention.output.dense"), ("norm1", "layernorm_before"), ("norm2", "layernorm_after"),
                ("mlp.0", "intermediate.dense"), ("mlp.3", "output.dense"),
                ("attn.relative", "attention.self.relative"),
            ):  # fmt: skip
                rest = rest.replace(theirs, ours)
            named[f"{block}.{rest}"] = tensor
        elif part[0] == "norm":
            named[f"layernorm.{part[1]}"] = tensor
    return {f"vision_model.model.{key}": tensor for key, tensor in named.items()}


@torch.no_grad()
def test_a_swin_under_transformers_names_computes_the_same():
    theirs = _tiny_torchvision_swin()
    published = _transformers_names_of_torchvision_swin(theirs.state_dict())
    model = timm.create_model("swin_tiny_patch4_window7_224", pretrained=False, **_TINY).eval()
    model.load_state_dict(translate("medclip swin", published, "file"))
    theirs.head = nn.Identity()
    _close(model(_images(3, 224)), theirs(_images(3, 224)))


@torch.no_grad()
def test_ctranspath_is_a_swin_behind_convolutions():
    """Against torchvision's Swin with the published stem in front, under the names of timm 0.5."""
    theirs = _tiny_torchvision_swin()
    torch.manual_seed(4)
    stem = nn.Sequential(
        nn.Conv2d(3, 2, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(2), nn.ReLU(),
        nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 16, 1),
    )  # fmt: skip
    norm = theirs.features[0][2]
    theirs.features[0] = nn.Sequential(_lively(stem), theirs.features[0][1], norm)
    published = {"patch_embed.norm.weight": norm.weight, "patch_embed.norm.bias": norm.bias}
    published |= {f"patch_embed.proj.{key}": tensor for key, tensor in stem.state_dict().items()}
    for key, tensor in theirs.state_dict().items():
        part = key.split(".")
        if part[0] == "features" and part[1] != "0":
            stage = int(part[1]) // 2
            rest = ".".join(part[2:]).replace("mlp.0", "mlp.fc1").replace("mlp.3", "mlp.fc2")
            if "relative_position_index" not in key:
                downsampling = int(part[1]) % 2 == 0
                published[
                    f"layers.{stage - 1}.downsample.{rest}" if downsampling else f"layers.{stage}.blocks.{rest}"
                ] = tensor
        elif part[0] == "norm":
            published[key] = tensor
    model = timm.create_model("swin_tiny_ctranspath", pretrained=False, **_TINY).eval()
    model.load_state_dict(translate("old swin", published, "file"))
    theirs.head = nn.Identity()
    _close(model(_images(3, 224)), theirs(_images(3, 224)))


@torch.no_grad()
def test_the_stem_of_ctranspath_pads_odd_sides_and_takes_grey():
    encoder = create_feature_encoder("swin_tiny_ctranspath", in_channels=1).eval()
    assert encoder(_images(1, 70)).shape == (2, 768)
    assert encoder.blocks[0](encoder.normalise(_images(1, 70))).shape == (2, 18, 18, 96)
