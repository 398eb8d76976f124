"""What of a model learns, when and at which rate: a strategy is a value, not a branch in the training loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from medgraft.errors import RecipeError
from medgraft.models import Encoder
from medgraft.recipe import Recipe, StrategyName

ENCODER_SHARE = 0.3
"""Rate of the deepest learning encoder block, as a share of the decoder's, where none is given."""


class ParamGroup(TypedDict):
    """A group for a torch optimiser. ``base_lr`` is the rate that a schedule scales; 0 while the part is fixed."""

    params: list[nn.Parameter]
    lr: float
    base_lr: float
    weight_decay: float
    part: str


class Strategy(BaseModel):
    """Which encoder blocks learn in which epoch, at which rate, and in which BatchNorm mode.

    The stage is a function of the epoch alone, so a resumed run is in the stage it was in. Blocks are those of
    :attr:`medgraft.models.Encoder.blocks`, counted from the input; everything else is the decoder (or head).

    Attributes
    ----------
    name : ``frozen``, ``partial`` (last ``blocks`` blocks), ``full``, ``gradual`` (decoder first, then one block
        more every ``every`` epochs, from the deepest; Howard and Ruder 2018) or ``scratch``.
    lr : rate of the decoder; under ``scratch`` of everything.
    encoder_lr : rate of the deepest learning block (default ``ENCODER_SHARE * lr``).
    decay : factor from one block's rate to that of the block before it (layer-wise rates).
    block_lrs : explicit rate of every block instead, input to output; 0 fixes a block.
    batch_norm : whether blocks that learn also move their BatchNorm statistics. Fixed blocks never do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: StrategyName
    lr: float = Field(2e-3, gt=0)
    encoder_lr: float | None = Field(None, gt=0)
    decay: float = Field(0.8, gt=0, le=1)
    block_lrs: tuple[float, ...] | None = None
    blocks: int = Field(2, ge=1)
    every: int = Field(3, ge=1)
    batch_norm: Literal["frozen", "train"] = "train"

    @classmethod
    def frozen(cls, lr: float = 2e-3) -> Strategy:
        """Feature extraction: the encoder is fixed, only the decoder learns."""
        return cls(name="frozen", lr=lr)

    @classmethod
    def partial(cls, blocks: int, lr: float = 2e-3, **options: Any) -> Strategy:
        """The last ``blocks`` encoder blocks and the decoder learn."""
        return cls(name="partial", blocks=blocks, lr=lr, **options)

    @classmethod
    def full(cls, lr: float = 2e-3, **options: Any) -> Strategy:
        """Everything learns, the encoder at layer-wise rates."""
        return cls(name="full", lr=lr, **options)

    @classmethod
    def gradual(cls, lr: float = 2e-3, every: int = 3, **options: Any) -> Strategy:
        """The decoder learns first, then one encoder block more every ``every`` epochs, from the deepest."""
        return cls(name="gradual", lr=lr, every=every, **options)

    @classmethod
    def scratch(cls, lr: float = 2e-3) -> Strategy:
        """Everything learns at one rate, from random weights."""
        return cls(name="scratch", lr=lr)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Strategy:
        """The strategy that a recipe asks for."""
        return cls(
            name=recipe.strategy,
            lr=recipe.lr,
            encoder_lr=recipe.encoder_lr,
            decay=recipe.decay,
            block_lrs=recipe.block_lrs,
            blocks=recipe.blocks,
            every=recipe.unfreeze_every,
            batch_norm=recipe.batch_norm,
        )

    def rates(self, count: int, epoch: int) -> tuple[float, ...]:
        """Rate of each of ``count`` encoder blocks, input to output, in ``epoch`` (from 0); 0 means fixed.

        Raises RecipeError where ``block_lrs`` or ``blocks`` does not fit an encoder of ``count`` blocks.
        """
        final = self._final_rates(count)
        if self.name != "gradual":
            return final
        learning = min(count, epoch // self.every)
        return tuple(rate if i >= count - learning else 0.0 for i, rate in enumerate(final))

    def _final_rates(self, count: int) -> tuple[float, ...]:
        if self.name == "frozen":
            return (0.0,) * count
        if self.name == "scratch":
            return (self.lr,) * count
        if self.block_lrs is not None:
            if len(self.block_lrs) != count:
                raise RecipeError(
                    f"block_lrs: the encoder has {count} blocks and {len(self.block_lrs)} rates are given; "
                    "give one for each block, input to output."
                )
            return self.block_lrs
        deepest = self.encoder_lr if self.encoder_lr is not None else ENCODER_SHARE * self.lr
        learning = count
        if self.name == "partial":
            if self.blocks > count:
                raise RecipeError(f"blocks: {self.blocks} are to learn and the encoder has only {count}.")
            learning = self.blocks
        depths = (count - 1 - i for i in range(count))
        return tuple(deepest * self.decay**depth if depth < learning else 0.0 for depth in depths)

    def prefix(self, count: int, epoch: int) -> int:
        """How many leading encoder blocks are fixed in ``epoch``: the frozen prefix."""
        rates = self.rates(count, epoch)
        return next((i for i, rate in enumerate(rates) if rate > 0), count)

    def stage(self, count: int, epoch: int) -> str:
        """A short name for what learns in ``epoch``; it changes exactly when the strategy moves on."""
        learning = sum(rate > 0 for rate in self.rates(count, epoch))
        if count == 0 or self.name == "scratch":
            return "all, from random weights"
        if learning == 0:
            return "decoder"
        return "decoder and encoder" if learning == count else f"decoder and {learning} of {count} blocks"

    def apply(self, model: nn.Module, epoch: int = 0, weight_decay: float = 0.01) -> list[ParamGroup]:
        """Fix and free the parts of ``model`` for ``epoch`` and return the groups for an optimiser.

        A part that never learns has no group; one that learns later has a group with rate 0. Norms and biases
        (parameters with fewer than two axes) are in groups without weight decay.
        """
        encoder = encoder_of(model)
        count = len(encoder.blocks) if encoder is not None else 0
        ever = self._final_rates(count)
        groups: list[ParamGroup] = []
        if encoder is not None:
            for name, block, rate in zip(encoder.block_names, encoder.blocks, ever, strict=True):
                if rate > 0:
                    groups += _groups(f"encoder {name}", block.parameters(), rate, weight_decay)
        groups += _groups(rest_name(model), rest_parameters(model), self.lr, weight_decay)
        self.on_epoch(model, groups, epoch)
        return groups

    def on_epoch(self, model: nn.Module, groups: Iterable[Any], epoch: int) -> None:
        """Move ``model`` and the optimiser's ``groups`` (by reference) to the stage of ``epoch``."""
        encoder = encoder_of(model)
        now: dict[str, float] = {rest_name(model): self.lr}
        if encoder is not None:
            rates = self.rates(len(encoder.blocks), epoch)
            for block, rate in zip(encoder.blocks, rates, strict=True):
                for parameter in block.parameters():
                    parameter.requires_grad_(rate > 0)
            fixed = [i for i, rate in enumerate(rates) if rate == 0]
            encoder.hold(fixed, norms=self.batch_norm == "frozen" and self.name != "scratch")
            now |= {f"encoder {name}": rate for name, rate in zip(encoder.block_names, rates, strict=True)}
        for group in groups:
            group["base_lr"] = group["lr"] = now[group["part"]]


def encoder_of(model: nn.Module) -> Encoder | None:
    """The encoder of ``model``, or None where it has none (the plain U-Net)."""
    encoder = getattr(model, "encoder", None)
    return encoder if isinstance(encoder, Encoder) else None


def rest_name(model: nn.Module) -> str:
    """What the parameters outside the encoder are called in groups and summaries."""
    return "decoder" if encoder_of(model) is not None else "model"


def rest_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The parameters outside the encoder."""
    encoder = encoder_of(model)
    inside = set(map(id, encoder.parameters())) if encoder is not None else set()
    return [p for p in model.parameters() if id(p) not in inside]


def _groups(part: str, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> list[ParamGroup]:
    listed = list(parameters)
    by_decay = ((weight_decay, [p for p in listed if p.ndim > 1]), (0.0, [p for p in listed if p.ndim <= 1]))
    return [
        ParamGroup(params=chosen, lr=lr, base_lr=lr, weight_decay=decay, part=part)
        for decay, chosen in by_decay
        if chosen
    ]
