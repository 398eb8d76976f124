"""Learning rates: over the steps of a training, and over the blocks of an encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medgraft.workshop.figures.picture import BLUE, ORANGE, SERIES, Picture, chart, legend, picture


def schedules(steps: int = 100, warmup: float = 0.1) -> Picture:
    """Four ways to change a rate over the steps of a training, as shares of the highest."""
    place = np.arange(steps) / (steps - 1)
    rising = np.minimum(place / warmup, 1)
    falling = np.clip((place - warmup) / (1 - warmup), 0, 1)
    curves = {
        "constant": np.ones(steps),
        "steps, by ten": 0.1 ** np.floor(place * 2.999),
        "cosine": (1 + np.cos(np.pi * place)) / 2,
        "warm-up, then cosine": rising * (1 + np.cos(np.pi * falling)) / 2,
    }
    alt = (
        "Four schedules of a learning rate over a training: constant; in two steps down by ten each; along half a "
        "cosine from the highest rate to 0; and a short rise from 0 followed by that cosine."
    )
    made = picture(6.4, 2.8, alt)
    axes = chart(made.add_subplot(), "", "step", "share of the highest rate")
    for (name, values), colour in zip(curves.items(), SERIES, strict=False):
        axes.plot(values, color=colour, lw=1.8, label=name)
    legend(axes, loc="upper right", bbox_to_anchor=(1.0, 0.92))
    return made


def block_rates(rates: Mapping[str, Sequence[float]]) -> Picture:
    """Rates of the blocks from input to output, and of the head last, one series a strategy."""
    alt = "Learning rates by block on a logarithmic scale, from the input on the left to the head on the right: " + (
        "; ".join(f"{name} from {min(r for r in values if r > 0):.1g} to {max(values):.1g}" for name, values in
                  rates.items()) + ". A block without a point is fixed."
    )  # fmt: skip
    made = picture(6.4, 2.8, alt)
    axes = chart(made.add_subplot(), "", "block, from the input; last the head", "learning rate")
    for (name, values), colour, mark in zip(rates.items(), SERIES, "osD^v", strict=False):
        shown = np.array([rate if rate > 0 else np.nan for rate in values])
        axes.plot(np.arange(1, len(values) + 1), shown, color=colour, marker=mark, lw=1.2, label=name)
    axes.set_yscale("log")
    legend(axes)
    return made


def flattened(peaks: Sequence[float], one_peak: Sequence[Sequence[float]], own: Sequence[Sequence[float]]) -> Picture:
    """The rates of groups over the steps, [steps][groups], under a schedule with one peak and with a peak a group."""
    alt = (
        f"Two charts of the rates of {len(peaks)} groups over the steps. With one peak for all, the curves run "
        "together to the same rate. With a peak for each group they keep their distance at every step."
    )
    made = picture(7.6, 2.7, alt)
    left, right = made.subplots(1, 2, sharey=True)
    for axes, found, title, colour in ((left, one_peak, "one max_lr", ORANGE), (right, own, "a list of max_lr", BLUE)):
        chart(axes, title, "step", "learning rate" if axes is left else "")
        axes.plot(np.asarray(found), color=colour, lw=1.4)
        axes.set_yscale("log")
    return made
