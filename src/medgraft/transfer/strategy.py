"""What of a model learns, when and at which rate: a strategy is a value, not a branch in the training loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from medgraft.errors import RecipeError
from medgraft.models import Encoder
from medgraft.recipe import Recipe, StrategyName
from medgraft.transfer.parts import (
    ParamGroup,
    batch_norms,
    encoder_of,
    norm_parameters,
    param_groups,
    rest_name,
    rest_parameters,
)

ENCODER_SHARE = 0.3
"""Rate of the deepest learning encoder block, as a share of the decoder's, where none is given."""


class Strategy(BaseModel):
    """Which encoder blocks learn in which epoch, at which rate, and in which BatchNorm mode.

    The stage is a function of the epoch alone, so a resumed run is in the stage it was in. Blocks are those of
    :attr:`medgraft.models.Encoder.blocks`, counted from the input; everything else is the decoder (or head). A block
    that has nothing to learn (pooling; under ``bn_affine`` one without norms) is fixed and not counted.

    Where a method takes ``blocks``, that is an encoder, or the number of blocks of one that can all learn.

    Attributes
    ----------
    name : ``frozen``, ``partial`` (last ``blocks`` blocks), ``full``, ``gradual`` (decoder first, then one block
        more every ``every`` epochs, from the deepest; Howard and Ruder 2018), ``lp_ft`` (linear probe, then full:
        the head alone for ``probe`` epochs; Kumar et al. 2022, arXiv:2202.10054), ``bn_affine`` (of the encoder only
        scales and shifts of normalisations; Frankle et al. 2021, arXiv:2003.00152) or ``scratch``.
    lr : rate of the decoder; under ``scratch`` of everything.
    encoder_lr : rate of the deepest learning block (default ``ENCODER_SHARE * lr``).
    decay : factor from one block's rate to that of the block before it (layer-wise rates).
    block_lrs : explicit rate of every block instead, input to output; 0 fixes a block. Blocks that have nothing to
        learn may be left out.
    probe : epochs of the head alone under ``lp_ft``; 0 where it was solved beforehand.
    batch_norm : ``train``: blocks that learn move their BatchNorm statistics too; ``frozen``: no block does;
        ``adapt``: no block does, after :func:`medgraft.transfer.adapt_statistics` has estimated all of them on the
        training images, which is the caller's to do before the first epoch. Fixed blocks never move theirs, and
        random weights (``scratch``) always do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: StrategyName
    lr: float = Field(2e-3, gt=0)
    encoder_lr: float | None = Field(None, gt=0)
    decay: float = Field(0.8, gt=0, le=1)
    block_lrs: tuple[float, ...] | None = None
    blocks: int = Field(2, ge=1)
    every: int = Field(3, ge=1)
    probe: int = Field(5, ge=0)
    batch_norm: Literal["frozen", "train", "adapt"] = "train"

    @classmethod
    def frozen(cls, lr: float = 2e-3, **options: Any) -> Strategy:
        """Feature extraction: the encoder is fixed, only the decoder learns."""
        return cls(name="frozen", lr=lr, **options)

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
    def lp_ft(cls, lr: float = 2e-3, probe: int = 5, **options: Any) -> Strategy:
        """The head alone for ``probe`` epochs, then everything as under :meth:`full`."""
        return cls(name="lp_ft", lr=lr, probe=probe, **options)

    @classmethod
    def bn_affine(cls, lr: float = 2e-3, **options: Any) -> Strategy:
        """The decoder learns, and of the encoder the scales and shifts of its normalisations, at layer-wise rates."""
        return cls(name="bn_affine", lr=lr, **options)

    @classmethod
    def scratch(cls, lr: float = 2e-3) -> Strategy:
        """Everything learns at one rate, from random weights."""
        return cls(name="scratch", lr=lr)

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Strategy:
        """The strategy that a recipe asks for; raises RecipeError where its BatchNorm mode wants pretrained weights.

        RecipeError, too, for ``auto``, which stands for a strategy that is not chosen yet.
        """
        if recipe.strategy == "auto":
            raise RecipeError("strategy: auto has to be settled on the data first; fit and advise do that.")
        if recipe.strategy == "scratch" and recipe.batch_norm != "train":
            raise RecipeError(
                f"batch_norm: {recipe.batch_norm!r} keeps statistics that pretrained weights go with, and strategy "
                "scratch starts from random ones; leave it at train, or choose another strategy."
            )
        return cls(
            name=recipe.strategy,
            lr=recipe.lr,
            encoder_lr=recipe.encoder_lr,
            decay=recipe.decay,
            block_lrs=recipe.block_lrs,
            blocks=recipe.blocks,
            every=recipe.unfreeze_every,
            probe=recipe.probe_epochs,
            batch_norm=recipe.batch_norm,
        )

    # -- by epoch ------------------------------------------------------------------------------------------------

    def rates(self, blocks: Encoder | int, epoch: int) -> tuple[float, ...]:
        """Rate of each encoder block, input to output, in ``epoch`` (from 0); 0 means fixed.

        Raises RecipeError where ``block_lrs`` or :attr:`blocks` does not fit the encoder.
        """
        able = self._able(blocks)
        final = self._final_rates(able)
        learning = len(able)
        if self.name == "gradual":
            learning = epoch // self.every
        elif self.name == "lp_ft" and epoch < self.probe:
            learning = 0
        return tuple(rate if depth < learning else 0.0 for rate, depth in zip(final, _depths(able), strict=True))

    def prefix(self, blocks: Encoder | int, epoch: int) -> int:
        """How many leading encoder blocks are fixed in ``epoch``: the frozen prefix."""
        rates = self.rates(blocks, epoch)
        return next((i for i, rate in enumerate(rates) if rate > 0), len(rates))

    def stage(self, blocks: Encoder | int, epoch: int, rest: str = "decoder") -> str:
        """A short name for what learns in ``epoch``; it changes exactly when the strategy moves on.

        ``rest`` is what the part outside the encoder is called, see :func:`medgraft.transfer.rest_name`.
        """
        rates = self.rates(blocks, epoch)
        if not rates or self.name == "scratch":
            return "all, from random weights"
        learning, count = sum(rate > 0 for rate in rates), sum(self._able(blocks))
        if learning == 0:
            return rest
        what = "norms" if self.name == "bn_affine" else "encoder"
        if learning == count:
            return f"{rest} and {what}"
        return f"{rest} and {'norms of ' if what == 'norms' else ''}{learning} of {count} blocks"

    # -- on a model ----------------------------------------------------------------------------------------------

    def apply(self, model: nn.Module, epoch: int = 0, weight_decay: float = 0.01) -> list[ParamGroup]:
        """Fix and free the parts of ``model`` for ``epoch`` and return the groups for an optimiser.

        A part that never learns has no group; one that learns later has a group with rate 0. Norms and biases
        (parameters with fewer than two axes) are in groups without weight decay.
        """
        encoder = encoder_of(model)
        groups: list[ParamGroup] = []
        if encoder is not None:
            ever = self._final_rates(self._able(encoder))
            for name, block, rate in zip(encoder.block_names, encoder.blocks, ever, strict=True):
                if rate > 0:
                    groups += param_groups(f"encoder {name}", self._learners(block), rate, weight_decay)
        groups += param_groups(rest_name(model), rest_parameters(model), self.lr, weight_decay)
        self.on_epoch(model, groups, epoch)
        return groups

    def on_epoch(self, model: nn.Module, groups: Iterable[Any], epoch: int) -> None:
        """Move ``model`` and the optimiser's ``groups`` (by reference) to the stage of ``epoch``."""
        encoder = encoder_of(model)
        now: dict[str, float] = {rest_name(model): self.lr}
        if encoder is not None:
            rates = self.rates(encoder, epoch)
            encoder.requires_grad_(False)
            for block, rate in zip(encoder.blocks, rates, strict=True):
                for parameter in self._learners(block) if rate > 0 else ():
                    parameter.requires_grad_(True)
            fixed = [i for i, rate in enumerate(rates) if rate == 0]
            encoder.hold(fixed, norms=self.batch_norm != "train" and self.name != "scratch")
            now |= {f"encoder {name}": rate for name, rate in zip(encoder.block_names, rates, strict=True)}
        for group in groups:
            group["base_lr"] = group["lr"] = now[group["part"]]

    def remarks(self, model: nn.Module) -> list[str]:
        """What of this strategy comes to nothing because the encoder lacks it, a sentence each, for the user."""
        encoder = encoder_of(model)
        if encoder is None:
            return []
        said = []
        if self.name == "bn_affine" and not norm_parameters(encoder):
            said.append(
                f"bn_affine: {encoder.name} has no normalisation with scales and shifts, so its {rest_name(model)} "
                "learns alone, as under frozen"
            )
        if self.batch_norm == "adapt" and not batch_norms(encoder):
            said.append(f"batch_norm: {encoder.name} has no BatchNorm, so there are no statistics to adapt")
        return said

    # -- which blocks, finally -----------------------------------------------------------------------------------

    def _learners(self, block: nn.Module) -> list[nn.Parameter]:
        """The parameters of a block that learn where the block does."""
        return norm_parameters(block) if self.name == "bn_affine" else list(block.parameters())

    def _able(self, blocks: Encoder | int) -> list[bool]:
        """Whether each block has anything to learn."""
        if isinstance(blocks, int):
            return [True] * blocks
        return [bool(self._learners(block)) for block in blocks.blocks]

    def _final_rates(self, able: Sequence[bool]) -> tuple[float, ...]:
        """Rate of each block once all that ever learn do."""
        if self.name == "frozen":
            return (0.0,) * len(able)
        if self.block_lrs is not None and self.name != "scratch":
            return self._explicit_rates(able)
        deepest = self.encoder_lr if self.encoder_lr is not None else ENCODER_SHARE * self.lr
        decay, learning = self.decay, len(able)
        if self.name == "scratch":
            deepest, decay = self.lr, 1.0
        if self.name == "partial":
            learning = self.blocks
            if learning > sum(able):
                raise RecipeError(f"blocks: {learning} are to learn and the encoder has only {sum(able)}.")
        return tuple(
            deepest * decay**depth if can and depth < learning else 0.0
            for can, depth in zip(able, _depths(able), strict=True)
        )

    def _explicit_rates(self, able: Sequence[bool]) -> tuple[float, ...]:
        given = iter(self.block_lrs or ())
        count = len(self.block_lrs or ())
        if count == len(able):
            return tuple(rate if can else 0.0 for can, rate in zip(able, given, strict=True))
        if count == sum(able):
            return tuple(next(given) if can else 0.0 for can in able)
        raise RecipeError(
            f"block_lrs: the encoder has {sum(able)} blocks and {count} rates are given; "
            "give one for each block, input to output."
        )


def _depths(able: Sequence[bool]) -> list[int]:
    """For each block, how many of those behind it can learn: 0 for the deepest."""
    return [sum(able[i + 1 :]) for i in range(len(able))]
