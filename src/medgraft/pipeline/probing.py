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


def epoch_to_probe(assembled: Assembled, recipe: Recipe, stored: bool) -> int:
    """The epoch (from 0) whose stage is worth measuring: the first, but for a head that begins on stored features.

    Such a head takes no time; what comes after it does, and decides.
    """
    encoder = encoder_of(assembled.model)
    head_alone = encoder is not None and assembled.strategy.prefix(encoder, 0) == len(encoder.blocks)
    return recipe.epochs - 1 if stored and head_alone else 0


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
