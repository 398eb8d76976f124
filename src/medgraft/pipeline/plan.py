"""What would be trained, without training: for ``--dry-run``, and to refuse a recipe before long work is done."""

from __future__ import annotations

import torch

from medgraft.data import Manifest
from medgraft.errors import RecipeError
from medgraft.pipeline.assemble import Assembled, assemble
from medgraft.pipeline.extraction import solves
from medgraft.pipeline.tasks import expected_task
from medgraft.recipe import Recipe
from medgraft.tracking import require_trackers
from medgraft.training import require_device
from medgraft.transfer import require_engine

_REHEARSAL_SIZE = 64


def rehearse(recipe: Recipe, manifest: Manifest) -> Assembled:
    """Assemble the model that ``recipe`` asks for, before an image is decoded.

    Raises
    ------
    MedgraftError
        For a loss, a device, an engine, a model, an encoder or weights that cannot be had or do not fit.
    """
    task = expected_task(manifest, recipe)
    _refuse_foreign(recipe)
    task.criterion(recipe)
    solves(recipe)
    require_device(recipe.device)
    require_engine(recipe.engine)
    neutral = ((0.5,) * recipe.channels, (0.25,) * recipe.channels)
    return assemble(recipe, task.outputs, *neutral)


def _refuse_foreign(recipe: Recipe) -> None:
    """Raise RecipeError for a model of the other task."""
    if (recipe.model == "classifier") != (recipe.task == "classification"):
        other = "labels and no masks" if recipe.task == "classification" else "masks"
        right = "classifier" if recipe.task == "classification" else "encoder_unet"
        raise RecipeError(f"model: {recipe.model} cannot be trained, as the data has {other}; choose {right}.")


def check_before_work(recipe: Recipe, manifest: Manifest) -> None:
    """Raise what :func:`rehearse` raises, before an image is decoded; on small images, as only errors matter.

    Raises RecipeError, too, where batches of one image would leave BatchNorm a single value to take statistics of, and
    for a tracker that is not installed.
    """
    require_trackers(recipe.track)
    # A classifier may take images of one size only, or none below some size.
    size = recipe.size if recipe.task == "classification" else min(recipe.size, _REHEARSAL_SIZE)
    assembled = rehearse(recipe.model_copy(update={"size": size}), manifest)
    if recipe.batch_size == 1:
        _refuse_lone_image(assembled, size, recipe.epochs - 1)


def _refuse_lone_image(assembled: Assembled, size: int, last_epoch: int) -> None:
    # What learns in the last epoch takes statistics of its batches; a fixed block does not.
    assembled.strategy.on_epoch(assembled.model, [], last_epoch)
    model = assembled.model.train()
    try:
        with torch.no_grad():
            model(torch.zeros(1, assembled.spec.in_channels, size, size))
    except ValueError as error:
        if "Expected more than 1 value per channel" not in str(error):
            raise
        raise RecipeError(
            "batch_size: batches of one image leave BatchNorm a single value a channel somewhere in this model; "
            "take batches of 2 or more."
        ) from None


def summary_table(assembled: Assembled) -> str:
    """The model as text, a row a part: output shape, parameters, which of them learn, learning rate."""
    head = ("part", "output", "parameters", "trainable", "rate")
    rows = [
        (
            row.part,
            " x ".join(map(str, row.shape)),
            f"{row.parameters:,}",
            "no" if not row.trainable else "yes" if row.trainable == row.parameters else f"{row.trainable:,}",
            f"{row.lr:.3g}" if row.lr else "0",
        )
        for row in assembled.summary
    ]
    total = ("total", "", f"{assembled.parameters:,}", f"{assembled.trainable:,}", "")
    lines = [head, *rows, total]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
