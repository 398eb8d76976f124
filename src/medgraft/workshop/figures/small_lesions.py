"""Cross-entropy and Dice on lesions of any size: what saying nothing costs, and who is listened to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.workshop.figures.picture import BLUE, ORANGE, Picture, chart, legend, picture

Floats = npt.NDArray[np.float64]
_SURE = 0.01
"""The probability of lesion that a model gives everywhere which has learned to say nothing."""


def cost_of_nothing(share: Floats, probability: float = _SURE) -> tuple[Floats, Floats]:
    """Cross-entropy and Dice loss where every pixel has this probability, for lesions of these shares of an image."""
    entropy = -(share * np.log(probability) + (1 - share) * np.log(1 - probability))
    dice = 2 * probability * share / (probability + share)
    return np.asarray(entropy), np.asarray(1 - dice)


def say_of_the_lesion(share: Floats, probability: float = 0.5) -> tuple[Floats, Floats]:
    """The part of the loss's whole gradient that its pixels send, under cross-entropy and under Dice.

    Every logit has the same probability p, as at the start of a training; the gradients by logit are added up as
    absolute values. For cross-entropy a lesion's pixel has 1 - p and another one p. The Dice loss ``1 - 2I / (P + T)``
    has, by probability, ``-2 / (P + T) + 2I / (P + T)^2`` and ``2I / (P + T)^2``.
    """
    both = probability + share
    overlap = probability * share
    inside, outside = share * (2 / both - 2 * overlap / both**2), (1 - share) * 2 * overlap / both**2
    entropy = share * (1 - probability) / (share * (1 - probability) + (1 - share) * probability)
    return np.asarray(entropy), np.asarray(inside / (inside + outside))


def losses_on_small_lesions() -> Picture:
    """Both losses against the share of an image that is lesion."""
    share = np.geomspace(5e-4, 0.5, 200)
    cost, say = cost_of_nothing(share), say_of_the_lesion(share)
    at = [float(np.interp(0.01, share, one)) for one in (*cost, *say)]
    figure = picture(
        7.8,
        3.1,
        f"Two charts against the share of lesion pixels. A model that says 'nothing' everywhere costs {at[0]:.2f} in "
        f"cross-entropy and {at[1]:.2f} in Dice where the lesion is 1% of the image. At the start of a training the "
        f"pixels of such a lesion send {at[2]:.0%} of the gradient of cross-entropy and {at[3]:.0%} of that of Dice.",
    )
    left, right = figure.subplots(1, 2)
    _lines(left, share, cost, "what “nothing anywhere” costs")
    _lines(right, share, say, "the lesion's part of the gradient")
    right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    legend(left, loc="upper left")
    return figure


def _lines(axes: Any, share: Floats, values: tuple[Floats, Floats], title: str) -> None:
    for value, name, color in zip(values, ("cross-entropy", "Dice loss"), (ORANGE, BLUE), strict=True):
        axes.plot(share, value, color=color, lw=2, label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    chart(axes, title, "share of the image that is lesion")
