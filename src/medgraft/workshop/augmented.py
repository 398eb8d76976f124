"""What is asked of any augmentation: its form, its range, its draws."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from medgraft.workshop.behaviour import Array, size
from medgraft.workshop.exercise import Fault

MISTAKES = {
    "in-place": "The image that was handed over has changed. It is used again in the next epoch, and would drift away "
    "from call to call. Work on a copy (image * factor rather than image *= factor).",
    "dtype": "float32 goes in, and float32 must come out. NumPy's random numbers make float64 of it: take float(...) "
    "of them first, or convert at the end.",
    "shape": "Height and width must stay as they are, or images do not fit into one batch.",
    "range": "Brightness and contrast push pixels out of 0 to 1. Clip them: clamp(0, 1).",
    "always-same": "Two generators with different seeds give the same, so every epoch would see the same images. Draw "
    "from the rng that is handed over, in every call anew.",
    "global-random": "Two generators with the same seed give different images. Draw from the rng that is handed over "
    "alone, not from random, np.random or torch: only then can a training be repeated.",
    "no-geometry": "Nothing ever moves. Turn, shift or zoom the image as well.",
    "no-intensity": "Brightness and contrast never change. Scale the pixels by a random factor near 1 as well.",
}
"""Hints of mistakes that both exercises know."""

_SAME = 1e-6
_BLACK = 0.12
"""Below it no level lies that was drawn here, however it was darkened."""


def ask_draws(learner: Any, inputs: Sequence[Array], seeds: Sequence[int], times: int) -> dict[str, Any]:
    """What comes out of ``times`` calls with each seed, and what became of the inputs.

    Other sources of random numbers are in another state before each seed.
    """
    import torch

    drawn, after = [], []
    for place, seed in enumerate(seeds):
        random.seed(place)
        np.random.seed(place)
        torch.manual_seed(place)
        rng = np.random.default_rng(seed)
        for _ in range(times):
            handed = [torch.tensor(array) for array in inputs]
            out = learner(*handed, rng)
            drawn.append([np.array(one) for one in (out if len(inputs) > 1 else [out])])
            after.append([np.array(one) for one in handed])
    return {"drawn": drawn, "after": after}


def form_fault(inputs: Sequence[Array], names: Sequence[str], answer: Any) -> Fault | None:
    """A wrong shape or type, values out of range, or an input that was written to."""
    for out, after in zip(answer["drawn"], answer["after"], strict=True):
        for name, given, got, left in zip(names, inputs, out, after, strict=True):
            what = f"{name} {size(given.shape)}, float32, values {given.min():.2f} to {given.max():.2f}"
            if not np.array_equal(given, left):
                changed = int((given != left).sum())
                return Fault(
                    what, f"{changed} pixels of the {name} itself changed", "an input left as it is", "in-place"
                )
            if got.shape != given.shape:
                return Fault(what, f"{name} {size(got.shape)}", f"{name} {size(given.shape)}", "shape")
            if got.dtype != np.float32:
                return Fault(what, f"{name} of {got.dtype}", "float32", "dtype")
            low, high = float(got.min()), float(got.max())
            if not (low >= -_SAME and high <= 1 + _SAME):
                return Fault(what, f"{name} with values {low:.3f} to {high:.3f}", "values in 0 to 1", "range")
    return None


def repeat_fault(answer: Any, times: int) -> Fault | None:
    """Draws of the seeds a, a, b: the first two are the same, the third is not, nor are all draws of one."""
    first, again, other = (answer["drawn"][k * times : (k + 1) * times] for k in range(3))
    if _apart(first, again) > _SAME:
        return Fault(
            f"{times} calls with default_rng(s), and {times} more with another default_rng(s)",
            f"images that differ by up to {_apart(first, again):.3f}",
            "the same images again",
            "global-random",
        )
    if _apart(first, other) <= _SAME:
        return Fault(
            f"{times} calls each with default_rng(s) and default_rng(t)", "the same images", "others", "always-same"
        )
    if all(_apart([one], [first[0]]) <= _SAME for one in first):
        return Fault(f"{times} calls with one rng", "the same image each time", "another each time", "always-same")
    return None


def _apart(some: Sequence[Sequence[Array]], others: Sequence[Sequence[Array]]) -> float:
    pairs = [pair for one, other in zip(some, others, strict=True) for pair in zip(one, other, strict=True)]
    return max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in pairs)


def two_levels(image: Array, inside: Array) -> tuple[float, float]:
    """What is usual inside a shape and outside it, but for black: that has come in at the border."""
    grey = image.mean(axis=0)
    high = float(np.median(grey[inside])) if inside.any() else float(grey.max())
    outside = grey[~inside & (grey > _BLACK)]
    return high, float(np.median(outside)) if outside.size else 0.0


def kinds_fault(what: str, inside: Array, drawn: Sequence[Array], shapes: Sequence[Array]) -> Fault | None:
    """Of an image with two levels, one ``inside`` a shape: whether it never moves, or its levels never change.

    ``shapes`` says, for each image drawn, where the shape is now.
    """
    levels = [two_levels(image, shape) for image, shape in zip(drawn, shapes, strict=True)]
    nearer = [
        np.abs(image.mean(axis=0) - high) < np.abs(image.mean(axis=0) - low)
        for image, (high, low) in zip(drawn, levels, strict=True)
    ]
    if all(np.array_equal(one, inside) for one in nearer):
        return Fault(what, f"{len(drawn)} images in which nothing moved", "turned, shifted or zoomed", "no-geometry")
    spread = float(np.ptp(np.array(levels), axis=0).max())
    if spread < 0.004:
        got = f"{len(drawn)} images in which the two levels stay within {spread:.4f}"
        return Fault(what, got, "other brightness or contrast", "no-intensity")
    return None
