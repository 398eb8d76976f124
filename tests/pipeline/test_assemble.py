"""What a recipe is assembled into: the model's statistics, and how much of it learns."""

import numpy as np
import torch

from medgraft.data import ChannelStatistics
from medgraft.pipeline.assemble import assemble
from medgraft.recipe import Recipe


def test_a_channel_that_never_varies_is_normalised_to_0():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    pixels[..., 1] = 77
    statistics = ChannelStatistics()
    statistics.update(pixels)
    mean, std = tuple(map(float, statistics.mean)), tuple(map(float, statistics.std))
    recipe = Recipe.make(model="unet", strategy="scratch", widths=(4, 8), size=32)
    model = assemble(recipe, 1, mean, std).model
    images = torch.from_numpy(pixels).movedim(-1, 1) / 255
    normalised = model.normalise(images)
    assert normalised[:, 1].abs().max() < 1e-6
    assert model.normalise(images + 0.1)[:, 1].max() < 0.11, "as it is when augmentation moves the channel"
    assert torch.allclose(normalised[:, ::2].std((0, 2, 3), correction=0), torch.ones(2), atol=1e-4)
    assert model(images).isfinite().all()


def test_gradual_records_what_learns_by_the_last_epoch():
    """Epochs 1 to 3 of one block more each: the decoder alone, then 1, then 2 blocks."""
    recipe = Recipe.make(strategy="gradual", epochs=3, unfreeze_every=1, size=32, widths=(16, 16, 8, 8))
    assembled = assemble(recipe, 1, (0.5,) * 3, (0.25,) * 3)
    encoder = assembled.model.encoder
    inside = sum(parameter.numel() for parameter in encoder.parameters())
    decoder = sum(parameter.numel() for parameter in assembled.model.parameters()) - inside
    last_two = sum(parameter.numel() for block in encoder.blocks[-2:] for parameter in block.parameters())
    assert assembled.describe()["trainable"] == decoder + last_two
    assert assembled.trainable == decoder
    assert not any(parameter.requires_grad for parameter in encoder.parameters()), "left in the first stage"
