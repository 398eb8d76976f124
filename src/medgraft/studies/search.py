"""Which learning rate a cell tries next: one of the grid, or what optuna makes of those that it has tried."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from medgraft.errors import RecipeError
from medgraft.studies.terms import Terms

_STARTUP = 3
"""Rates that are drawn at random before earlier ones count."""
_UNDEFINED = -1.0


def next_rate(terms: Terms, seed: int, tried: Sequence[Mapping[str, Any]]) -> float | None:
    """The rate to try after those in ``tried``; None when there have been enough.

    It depends on nothing else, so a cell that broke off goes on as it would have, and cells of one seed begin alike
    whatever their initialisation.

    Parameters
    ----------
    seed : the cell's.
    tried : of each earlier rate, ``lr``, the scores ``val`` and the name of the one that counts, ``monitor``.
    """
    if len(tried) >= terms.budget:
        return None
    return terms.rates[len(tried)] if terms.trials is None else _suggested(terms, seed, tried)


def require_optuna() -> None:
    """Raise RecipeError where optuna is not installed."""
    if find_spec("optuna") is None:
        raise RecipeError("lr_trials: optuna is not installed; add it by: pip install 'medgraft[study]'")


def _suggested(terms: Terms, seed: int, tried: Sequence[Mapping[str, Any]]) -> float:
    """By optuna's tree-structured Parzen estimator, between the least and the greatest rate, on a log scale."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rates = {"lr": optuna.distributions.FloatDistribution(min(terms.rates), max(terms.rates), log=True)}
    # A sampler begins its draws anew whenever it is made, so the seed has to tell one draw from the next.
    sampler = optuna.samplers.TPESampler(seed=1009 * seed + len(tried), n_startup_trials=_STARTUP)
    search = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in tried:
        value = float(trial["val"].get(trial["monitor"], math.nan))
        search.add_trial(
            optuna.trial.create_trial(
                params={"lr": trial["lr"]}, distributions=rates, value=_UNDEFINED if math.isnan(value) else value
            )
        )
    # Rounded to what a folder's name shows of it, and not past the ends.
    suggested = float(f"{search.ask(rates).params['lr']:.3g}")
    return min(max(suggested, min(terms.rates)), max(terms.rates))
