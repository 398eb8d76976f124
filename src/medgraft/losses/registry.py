"""Losses by name: a decorator fills the registry, a recipe reads it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

from torch import nn

from medgraft.errors import RecipeError, suggest
from medgraft.losses.base import Mode

LossClass = TypeVar("LossClass", bound=type[nn.Module])

_LOSSES: dict[str, type[nn.Module]] = {}


def register(name: str) -> Callable[[LossClass], LossClass]:
    """Make a loss known by ``name``; used as a decorator of its class.

    The constructor may take any of ``mode``, ``alpha`` and ``gamma``; :func:`create` passes those it takes.

    Parameters
    ----------
    name : what a recipe calls the loss.

    Raises
    ------
    RecipeError
        If another class has that name. The same class may be defined again, as a notebook's cell does.

    Examples
    --------
    >>> @register("brier")
    ... class Brier(nn.Module):
    ...     def forward(self, logits, target):
    ...         return (logits.float().sigmoid()[:, 0] - target.float()).square().mean()
    >>> "brier" in list_losses()
    True
    """

    def add(loss: LossClass) -> LossClass:
        known = _LOSSES.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (
            loss.__module__,
            loss.__qualname__,
        ):
            raise RecipeError(f"there is a loss {name!r} already ({known.__qualname__}); choose another name.")
        _LOSSES[name] = loss
        return loss

    return add


def list_losses() -> list[str]:
    """Names of all losses, sorted."""
    return sorted(_LOSSES)


def create(name: str, mode: Mode = "binary", alpha: float = 0.5, gamma: float = 2.0) -> nn.Module:
    """Build the loss called ``name``.

    Parameters
    ----------
    name : one of :func:`list_losses`.
    mode : ``"binary"`` (one logit a pixel) or ``"multiclass"`` (one logit a class and pixel).
    alpha, gamma : passed to the losses that have them.

    Raises
    ------
    RecipeError
        If there is no such loss, or a value is out of its range.
    """
    if name not in _LOSSES:
        known = list_losses()
        raise RecipeError(f"no loss {name!r}; there are {', '.join(known)}.{suggest(name, known)}")
    loss = _LOSSES[name]
    taken = inspect.signature(loss).parameters
    options = {"mode": mode, "alpha": alpha, "gamma": gamma}
    return loss(**{key: value for key, value in options.items() if key in taken})
