"""A strategy's training, measured on one batch of the data that it is to be trained on."""

from __future__ import annotations

import torch

from medgraft.data import Augmenter, scale, training_loader
from medgraft.pipeline.assemble import Assembled
from medgraft.pipeline.prepare import Prepared
from medgraft.pipeline.tasks import Criterion
from medgraft.recipe import Recipe
from medgraft.training import Choices, choose
from medgraft.transfer import encoder_of


def probe(
    prepared: Prepared,
    assembled: Assembled,
    recipe: Recipe,
    criterion: Criterion,
    augmenter: Augmenter,
    device: torch.device,
    epoch: int,
) -> Choices:
    """Engine, precision and layout that the stage of ``epoch`` (from 0) runs fastest with; the first stage is left."""
    loader = training_loader(prepared.store, prepared.rows["train"], augmenter, recipe.batch_size, recipe.seed)
    batch = next(iter(loader))
    images, targets = scale(batch.images).to(device), batch.targets.to(device)
    model, strategy = assembled.model.to(device), assembled.strategy
    encoder = encoder_of(model)
    if encoder is None:
        return choose(model, 0, recipe, images, targets, criterion)
    strategy.on_epoch(model, [], epoch)
    choices = choose(model, strategy.prefix(encoder, epoch), recipe, images, targets, criterion)
    strategy.on_epoch(model, [], 0)
    return choices
