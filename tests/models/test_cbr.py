"""The CBR family: its sizes by hand and as published, and weights that nobody has."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from medgraft.errors import RecipeError, WeightsError
from medgraft.models import CBR_ENCODERS, create_encoder, create_feature_encoder, find_weights
from medgraft.models.timm_models import pretrained_config

# Kernels, then the two rows of each BatchNorm, for three colours.
BY_HAND = {
    # 49 * (3*32 + 32*64 + 64*128 + 128*256 + 256*512) + 2 * (32 + 64 + 128 + 256 + 512)
    "cbr_larget": 8_534_624 + 1_984,
    # 49 * (3*64 + 64*128 + 128*256 + 256*512) + 2 * (64 + 128 + 256 + 512)
    "cbr_largew": 8_438_976 + 1_920,
    # 49 * (3*32 + 32*64 + 64*128 + 128*256) + 2 * (32 + 64 + 128 + 256)
    "cbr_small": 2_112_096 + 960,
    # 25 * (3*64 + 64*128 + 128*256 + 256*512) + 2 * (64 + 128 + 256 + 512)
    "cbr_tiny": 4_305_600 + 1_920,
    # 25 * (3*32 + 32*64 + 64*128 + 128*256) + 2 * (32 + 64 + 128 + 256)
    "cbr_tiny_narrow": 1_077_600 + 960,
}
# Table 2 of the paper; its tasks have 5 classes.
PUBLISHED = {"cbr_larget": 8_532_480, "cbr_largew": 8_432_128, "cbr_small": 2_108_672, "cbr_tiny_narrow": 1_076_480}


@pytest.mark.parametrize("name", CBR_ENCODERS)
def test_parameters_by_hand(name):
    encoder = create_feature_encoder(name)
    assert sum(p.numel() for p in encoder.parameters()) == BY_HAND[name]
    kernels = [(m.in_channels, m.out_channels) for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    assert all(before[1] == after[0] for before, after in pairwise(kernels))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_numbers_are_the_kernels_behind_the_first_and_five_classes(name):
    encoder = create_feature_encoder(name)
    behind = sum(p.numel() for block in encoder.blocks[1:] for p in block.parameters() if p.ndim == 4)
    assert behind + 5 * encoder.num_features == PUBLISHED[name]


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("cbr_larget", (32, 16, 8, 4, 4)),  # the last stage is not pooled before the average
        ("cbr_largew", (32, 16, 8, 4)),
        ("cbr_tiny", (32, 16, 8, 4)),
    ],
)
def test_stages_halve_the_maps(name, sides):
    encoder = create_feature_encoder(name).eval()
    maps, seen = encoder.normalise(torch.rand(1, 3, 64, 64)), []
    for block in encoder.blocks[:-1]:
        maps = block(maps)
        seen.append(maps.shape[-1])
    last = encoder.blocks[-1]
    assert (*seen, last[0](maps).shape[-1]) == sides
    assert last(maps).shape == (1, encoder.num_features)


def test_each_learns_from_grey_images_down_to_the_first_stage():
    encoder = create_feature_encoder("cbr_small", in_channels=1)
    encoder(torch.rand(2, 1, 32, 32)).sum().backward()
    assert encoder.blocks[0][0].conv.weight.shape == (32, 1, 7, 7)
    assert all(p.grad is not None for p in encoder.parameters())


def test_there_are_no_weights_and_the_message_names_the_ways_out(no_sockets):
    with pytest.raises(WeightsError) as error:
        find_weights("cbr_small")
    message = str(error.value)
    assert message.startswith("no pretrained weights for cbr_small at hand, and timm knows no place")
    assert "--weights cbr_small.safetensors" in message and "--strategy scratch" in message


def test_a_file_of_weights_is_taken(tmp_path):
    state = create_feature_encoder("cbr_small").blocks.state_dict()
    named = {key.partition(".")[2]: value for key, value in state.items()}
    torch.save(named, tmp_path / "cbr.pt")
    encoder = create_feature_encoder("cbr_small", weights=find_weights("cbr_small", tmp_path / "cbr.pt"))
    assert all(torch.equal(value, state[key]) for key, value in encoder.blocks.state_dict().items())


def test_statistics_are_a_half():
    config = pretrained_config("cbr_tiny")
    assert config.mean == config.std == (0.5, 0.5, 0.5)
    assert config.hf_hub_id is None and config.url is None and config.license is None and config.tag is None


def test_the_family_is_for_classification_alone():
    with pytest.raises(RecipeError, match="for classification alone"):
        create_encoder("cbr_small")
