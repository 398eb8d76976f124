"""What would be trained, without training: for ``--dry-run``."""

from __future__ import annotations

from medgraft.data import MaskClasses
from medgraft.pipeline.assemble import Assembled
from medgraft.recipe import Recipe


def output_channels(recipe: Recipe) -> int:
    """Logits a pixel as far as the recipe tells: binary, unless it maps mask values to more classes."""
    if recipe.mask_values is None:
        return 1
    count = MaskClasses.from_option(recipe.mask_values).count
    return 1 if count == 2 else count


def summary_table(assembled: Assembled) -> str:
    """The model as text, a row a part: output shape, parameters, whether they learn, learning rate."""
    head = ("part", "output", "parameters", "learns", "rate")
    rows = [
        (
            row.part,
            " x ".join(map(str, row.shape)),
            f"{row.parameters:,}",
            "yes" if row.trainable == row.parameters else f"{row.trainable:,}" if row.trainable else "no",
            f"{row.lr:.3g}" if row.lr else "0",
        )
        for row in assembled.summary
    ]
    total = ("total", "", f"{assembled.parameters:,}", f"{assembled.trainable:,}", "")
    lines = [head, *rows, total]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
