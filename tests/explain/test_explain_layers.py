"""Which layer is read, in which layout, for small members of the families; all with random weights."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from medgraft.errors import RecipeError
from medgraft.explain.layers import _layers_with_maps, block_paths, find_layer, tapped
from medgraft.explain.methods import METHODS
from medgraft.explain.target import Target
from medgraft.models import ModelSpec, build_model

FAMILIES = {
    "resnet18": ("layer4", "channels first", 0),
    "densenet121": ("features.denseblock4", "channels first", 0),
    "tf_efficientnet_lite0": ("conv_head", "channels first", 0),
    "mobilenetv3_small_050": ("blocks.5", "channels first", 0),
    "convnext_atto": ("stages.3", "channels first", 0),
    "cbr_small": ("conv4", "channels first", 0),
    "mobilevit_xxs": ("final_conv", "channels first", 0),
    "swin_tiny_patch4_window7_224": ("norm", "channels last", 0),
    "vit_tiny_patch16_224": ("blocks.10", "tokens", 1),
    "deit_tiny_distilled_patch16_224": ("whole", "tokens", 2),
}
"""Where the last maps that take part are; what follows a transformer's last block reads the class token alone."""


@cache
def classifier(name):
    """A model with random weights; not to be changed."""
    torch.manual_seed(0)
    return build_model(ModelSpec(model="classifier", encoder=name, classes=3)).eval()


def images(side=64, seed=0):
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_maps_of_the_right_block_and_layout(name):
    model = classifier(name)
    layer = find_layer(model, images())
    assert (layer.block, layer.layout, layer.extra) == FAMILIES[name]
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for method in ("gradcam", "hirescam"):
        both = [METHODS[method].find(model, pixels, Target("b", 1, sign), layer).map for sign in (1.0, -1.0)]
        assert all(found.shape[0] == found.shape[1] > 1 and np.isfinite(found).all() for found in both)
        # What does not speak for a class speaks against it.
        assert any(found.max() > 0 for found in both)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_a_tap_changes_nothing_and_sees_maps_with_places_in_rows_and_columns(name):
    model = classifier(name)
    layer, seen = find_layer(model, images(), next(iter(block_paths(model)))), []
    with torch.no_grad():
        before = model(images())
        with tapped(model, layer) as tap:
            tap.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
            assert torch.equal(model(images()), before)
            changed = images()
            # One patch of 16 pixels in the second row and the fourth column, inside by a margin for convolutions.
            changed[..., 22:26, 54:58] = 1
            model(changed)
    differs = (seen[0] - seen[1]).abs().sum(dim=1)[0]
    side = differs.shape[0]
    rows, columns = differs.nonzero().T
    assert differs.any()
    assert (rows * 4 // side == 1).all() and (columns * 4 // side == 3).all()


class _Channels(torch.nn.Module):
    """Channels to others, of maps whose channels come last, as in Swin."""

    def __init__(self, given, returned):
        super().__init__()
        self.mix = torch.nn.Linear(given, returned)

    def forward(self, maps):
        return self.mix(maps if maps.shape[1] == maps.shape[2] else maps.permute(0, 2, 3, 1))


def test_maps_with_as_many_channels_as_rows_have_the_layout_of_the_other_blocks():
    """Swin's first stage has 96 channels, and 96 x 96 places of an image of 384 pixels."""
    last = torch.nn.Sequential(_Channels(3, 16), _Channels(16, 24), torch.nn.Flatten())
    first = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 1), torch.nn.Conv2d(16, 24, 1), torch.nn.Flatten())
    for model, layout in ((last, "channels last"), (first, "channels first")):
        found = _layers_with_maps(model, {"a": "0", "b": "1"}, images(16))
        assert [found[block][0][0].layout for block in ("a", "b")] == [layout, layout]


def test_a_named_block_is_read_and_an_unknown_one_refused_with_those_there_are():
    model = classifier("resnet18")
    assert find_layer(model, images(), "layer2").path == "encoder.blocks.2"
    with pytest.raises(RecipeError, match="no block 'layer9'; it has stem, layer1, layer2, layer3, layer4"):
        find_layer(model, images(), "layer9")


def test_a_block_whose_maps_have_one_place_is_refused_with_those_that_have_more():
    model = classifier("resnet18")
    with pytest.raises(RecipeError, match=r"layer4 has more than one place.*stem, layer1, layer2, layer3"):
        find_layer(model, images(32), "layer4")
    assert find_layer(model, images(32)).block == "layer3"


def test_the_last_block_of_a_vision_transformer_can_be_asked_for_and_is_flat():
    model = classifier("vit_tiny_patch16_224")
    layer = find_layer(model, images(), "blocks.11")
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert not METHODS["hirescam"].find(model, pixels, Target("b", 1), layer).map.any()


@pytest.mark.parametrize(
    ("spec", "block"),
    [
        (ModelSpec(model="unet", encoder=None, widths=(4, 8, 8)), "down2"),
        (ModelSpec(model="encoder_unet", encoder="resnet18"), "layer4"),
        (ModelSpec(model="encoder_unet", encoder="convnext_atto"), "stages.3"),
        (ModelSpec(model="smp:fpn", encoder="resnet18"), "layer4"),
    ],
    ids=["unet", "encoder_unet", "channels of convnext", "smp"],
)
def test_segmentation_models_are_read_at_their_deepest_level(spec, block):
    torch.manual_seed(0)
    model = build_model(spec).eval()
    layer = find_layer(model, images())
    assert layer.block == block
    region = np.zeros((64, 64), bool)
    region[10:30, 20:50] = True
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    both = [METHODS["gradcam"].find(model, pixels, Target("b", 0, sign, region), layer).map for sign in (1.0, -1.0)]
    assert any(found.max() > 0 for found in both)
