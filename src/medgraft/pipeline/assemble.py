"""From a recipe to a model with its weights, its strategy applied, and its summary."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from medgraft.initialisation import Initialisation
from medgraft.models import ModelSpec, Weights, find_weights
from medgraft.recipe import Recipe
from medgraft.transfer import PartSummary, Strategy, summarise
from medgraft.transfer.initialise import starting_model
from medgraft.transfer.parts import batch_norms


@dataclass(frozen=True)
class Assembled:
    """A model that is ready to train.

    Attributes
    ----------
    weights : where the encoder's weights, or their statistics, came from; None where they are random, by strategy
        ``scratch`` or ``init: RI`` alone.
    initialisation : what was made of them.
    summary : a row an encoder block and one for the rest, as the first epoch finds them.
    learned : how many numbers learn by the last epoch.
    """

    model: nn.Module
    spec: ModelSpec
    weights: Weights | None
    initialisation: Initialisation
    strategy: Strategy
    summary: list[PartSummary]
    learned: int

    @property
    def parameters(self) -> int:
        """Numbers in the model."""
        return sum(row.parameters for row in self.summary)

    @property
    def trainable(self) -> int:
        """How many of them learn in the first stage."""
        return sum(row.trainable for row in self.summary)

    def with_strategy(self, strategy: Strategy, recipe: Recipe) -> Assembled:
        """The same model, whatever it has learnt, under another strategy."""
        return _under(strategy, self.model, self.spec, self.weights, recipe)

    def with_solved_head(self) -> Assembled:
        """The same, where the head is solved at once and so has no rate."""
        return replace(self, summary=[*self.summary[:-1], replace(self.summary[-1], lr=0.0)])

    def describe(self) -> dict[str, Any]:
        """What the run records of its model."""
        return {
            "spec": self.spec.to_dict(),
            "weights": self.weights.record() if self.weights else None,
            "initialisation": {"name": str(self.initialisation), "words": self.initialisation.sentence},
            "summary": [asdict(row) for row in self.summary],
            "parameters": self.parameters,
            "trainable": self.learned,
        }

    def sentences(self) -> list[str]:
        """What was built, for the user."""
        origin = "random weights"
        if self.weights is not None:
            origin = f"{self.weights.source} ({self.weights.licence})"
        if str(self.initialisation) not in ("WT", "RI"):
            origin = f"{origin} · init {self.initialisation}: {self.initialisation.sentence}"
        what = f"encoder {self.spec.encoder}" if self.spec.encoder else f"model {self.spec.model}, no encoder"
        encoder = [row for row in self.summary if row.part.startswith("encoder ")]
        rest = self.summary[-1]
        how = f"learn at {rest.lr:g}" if rest.lr else "are solved for"
        learning = f"{millions(rest.trainable)} {rest.part} parameters {how}"
        if encoder:
            inside, free = sum(r.parameters for r in encoder), sum(r.trainable for r in encoder)
            rates = [row.lr for row in encoder if row.lr > 0]
            at = f" at {min(rates):.2g} to {max(rates):.2g}" if rates else ""
            learning = f"{millions(free)} of {millions(inside)} encoder parameters learn{at}, {learning}"
        return [f"{what} · {origin}", f"{self.strategy.name}: {learning}", *self._unsettled()]

    def _unsettled(self) -> list[str]:
        """A warning where the encoder is fixed as soon as its norms were reset."""
        fixed = self.strategy.name == "frozen" and self.strategy.batch_norm != "adapt"
        if not fixed or self.initialisation.kind == "WT" or not batch_norms(self.model):
            return []
        return [f"init {self.initialisation}: norms that were reset have no statistics yet, and the encoder is fixed; "
                "batch_norm adapt estimates them first"]  # fmt: skip


def assemble(recipe: Recipe, output_channels: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Assembled:
    """Build the model of a recipe, load its weights, apply its strategy.

    Parameters
    ----------
    output_channels : logits a pixel, or an image.
    mean, std : of the training images, by which a model without an encoder normalises.

    Raises
    ------
    WeightsError
        Where pretrained weights are wanted and cannot be had, or do not fit. Never random weights instead.
    """
    initialisation = recipe.initialisation
    # Random weights need none, unless a source was named, whose images have statistics of their own.
    wanted = initialisation.pretrained or recipe.weights is not None
    weights = find_weights(recipe.encoder, recipe.weights) if wanted else None
    spec = ModelSpec(
        model=recipe.model,
        encoder=recipe.encoder,
        in_channels=recipe.channels,
        classes=output_channels,
        mean=mean if recipe.model == "unet" else None,
        # A channel that never varies has nothing to be scaled by.
        std=tuple(s if s > 1e-6 else 1.0 for s in std) if recipe.model == "unet" else None,
        adapt=recipe.adapt,
        widths=recipe.widths,
        head=recipe.head,
        dropout=recipe.dropout,
        slim=initialisation.blocks if initialisation.kind == "slim" else None,
    ).completed(weights)
    model = starting_model(spec, weights, initialisation, recipe.seed)
    return _under(Strategy.from_recipe(recipe), model, spec, weights if initialisation.pretrained else None, recipe)


def _under(strategy: Strategy, model: nn.Module, spec: ModelSpec, weights: Weights | None, recipe: Recipe) -> Assembled:
    """Apply the strategy, and look at what learns by its last epoch and in its first."""
    groups = strategy.apply(model, weight_decay=recipe.weight_decay)
    strategy.on_epoch(model, groups, recipe.epochs - 1)
    learned = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    strategy.on_epoch(model, groups, 0)
    summary = summarise(model, strategy, recipe.size, recipe.channels)
    return Assembled(model, spec, weights, recipe.initialisation, strategy, summary, learned)


def millions(count: int) -> str:
    """A count as ``31.0 M``, or as it is below 100,000."""
    return f"{count / 1e6:.1f} M" if count >= 100_000 else f"{count:,}"
