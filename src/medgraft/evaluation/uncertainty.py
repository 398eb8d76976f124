"""How unsure a model is of an image, as one number: higher is less sure.

==========  ========================================================================================================
confidence  1 - the probability of what is most probable. Of several labels, 1 - the product over labels of the larger
            of p and 1 - p: the probability that one of them at least is wrong, were they independent.
entropy     of the probabilities, in nats (Shannon 1948); of several labels their sum.
margin      1 at the threshold, falling evenly to 0 at the probabilities 0 and 1; of several labels the largest. With a
            threshold of 0.5 it puts two classes in the same order as confidence. Where the threshold is elsewhere this
            is the one to take: at 0.2, a probability of 0.21 is a close call, which confidence takes for a clear one.
==========  ========================================================================================================

Of a mask: 1 - the Dice to be expected, were the probabilities right (:func:`mask_uncertainty`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from medgraft.errors import DataError, RecipeError, listing, suggest
from medgraft.evaluation.outcomes import Outcomes

Floats = NDArray[np.float64]

UNCERTAINTIES = ("confidence", "entropy", "margin")


def label_uncertainty(outcomes: Outcomes, how: str = "confidence", threshold: float = 0.5) -> Floats:
    """Return the uncertainty of each image, [N].

    Parameters
    ----------
    outcomes : of which the probabilities are looked at alone.
    how : one of the module's table; ``margin`` is for two classes or several labels.
    threshold : of the decision, between 0 and 1; for ``margin``.

    Raises
    ------
    RecipeError
        If ``how`` is none of these, or has no meaning for these classes.
    """
    p = outcomes.probabilities
    if how not in UNCERTAINTIES:
        raise RecipeError(f"{how!r} is no uncertainty; give {listing(UNCERTAINTIES)}." + suggest(how, UNCERTAINTIES))
    if how == "margin":
        if not (outcomes.binary or outcomes.multilabel):
            raise RecipeError("margin is the distance to a threshold, which several classes do not have; give entropy.")
        shares = p[:, 1:] if outcomes.binary else p
        return np.asarray(np.where(shares < threshold, shares / threshold, (1 - shares) / (1 - threshold)).max(axis=1))
    if how == "confidence":
        if outcomes.multilabel:
            return np.asarray(1 - np.maximum(p, 1 - p).prod(axis=1))
        # What is left beside the largest, which keeps digits where that is nearly 1.
        return np.asarray(np.sort(p, axis=1)[:, :-1].sum(axis=1))
    entropy = -xlogy(p, p).sum(axis=1)
    return np.asarray(entropy - xlogy(1 - p, 1 - p).sum(axis=1) if outcomes.multilabel else entropy)


def mask_uncertainty(probability: ArrayLike, mask: ArrayLike) -> float:
    """Return 1 - the soft Dice between a probability map and the mask that was decided from it, from 0 to 1.

    That is about the Dice to be lost, were the probabilities right and pixels independent (Borges, Machado Pacheco &
    Silva 2024, arXiv 2402.10665: soft Dice confidence). Where the mask is empty, the probability that the image is not.
    Of several structures the mean.

    Parameters
    ----------
    probability : of the foreground [H, W] or [1, H, W], or of all classes [C, H, W], the background first.
    mask : [H, W], the class of each pixel, 0 the background.

    Raises
    ------
    DataError
        If sizes differ.
    """
    shares, classes = np.asarray(probability, dtype=np.float64), np.asarray(mask)
    shares = shares[None] if shares.ndim == 2 else shares
    if shares.ndim != 3 or shares.shape[1:] != classes.shape:
        raise DataError(
            f"a probability [C, H, W] and a mask [H, W] of one size are wanted (got {list(shares.shape)} and "
            f"{list(classes.shape)})."
        )
    structures = shares if len(shares) == 1 else shares[1:]
    return float(np.mean([_expected_loss(share, classes == index) for index, share in enumerate(structures, start=1)]))


def _expected_loss(share: Floats, inside: NDArray[np.bool_]) -> float:
    if not inside.any():
        # Dice is 1 where there is nothing, and else 0.
        return float(-np.expm1(np.log1p(-np.minimum(share, 1 - 1e-12)).sum()))
    return 1 - 2 * float(share[inside].sum()) / float(share.sum() + inside.sum())
