"""A step down a U-Net: max pooling, then two convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.workshop.behaviour import Array, apply, extent, network, reach, size
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe


def _draw(rng: np.random.Generator) -> Given:
    """``out`` is neither twice ``in`` nor near it, whatever a learner may take it for."""
    into = int(rng.integers(3, 6))
    out = 2 * into + int(rng.integers(3, 6))
    return {
        "in": into,
        "out": out,
        "even": _image(rng, into, (20, 24)),
        "odd": _image(rng, into, (int(rng.choice([13, 15])), int(rng.choice([17, 19])))),
        "seed": int(rng.integers(2**31)),
    }


def _image(rng: np.random.Generator, channels: int, side: tuple[int, int]) -> Array:
    return rng.normal(0, 1, (2, channels, *side))


def _draw_windows(rng: np.random.Generator) -> Given:
    """Images that are the same to one kind of pooling, and others to all else."""
    given = dict(_draw(rng))
    windows = _windows(given["even"])
    top = windows == windows.max(axis=(3, 5), keepdims=True)
    lowered = np.where(top, windows, windows - rng.uniform(0.5, 2, windows.shape))
    noise = rng.normal(0, 1, windows.shape)
    balanced = windows + noise - noise.mean(axis=(3, 5), keepdims=True)
    shape = given["even"].shape
    return given | {"lowered": lowered.reshape(shape), "balanced": balanced.reshape(shape)}


def _windows(image: Array) -> Array:
    batch, channels, rows, columns = image.shape
    return image.reshape(batch, channels, rows // 2, 2, columns // 2, 2)


def _ask(learner: Any, given: Given) -> Any:
    model = network(learner, given["in"], given["out"], seed=given["seed"])
    return {kind: apply(model, given[kind]).shape for kind in ("even", "odd")}


def _ask_windows(learner: Any, given: Given) -> Any:
    model = network(learner, given["in"], given["out"], seed=given["seed"]).eval()
    answer = {kind: apply(model, given[kind]) for kind in ("even", "lowered", "balanced")}
    return answer | {"reach": reach(model, (given["even"],), 0, 5, 6)}


def _judge(given: Given, answer: Any) -> Fault | None:
    for kind in ("even", "odd"):
        shape, found = given[kind].shape, tuple(answer[kind])
        right = (shape[0], given["out"], shape[2] // 2, shape[3] // 2)
        if found == right:
            continue
        mistake = None
        if found[2:] == shape[2:]:
            mistake = "not-halved"
        elif found[1] != right[1]:
            mistake = "channels"
        elif found[2:] == tuple(-(-side // 2) for side in shape[2:]):
            mistake = "rounded-up"
        what = f"Down({given['in']}, {given['out']}) and images {size(shape)}"
        return Fault(what, size(found), size(right), mistake)
    return None


def _judge_windows(given: Given, answer: Any) -> Fault | None:
    seen = max(extent(answer["reach"]))
    if _same(answer["even"], answer["lowered"]):
        if seen > 6:
            return None
        what = "how far the input reaches into a pixel of the output"
        return Fault(what, f"{seen} pixels", "10: two convolutions of 3 x 3 over windows of 2 x 2", "one-conv")
    what = "two images with the same maximum in each window of 2 x 2, which differ elsewhere"
    expected = "the same output for both, since max pooling comes first"
    if _same(answer["even"], answer["balanced"]):
        return Fault(what, "other outputs; windows of the same mean give the same", expected, "average")
    return Fault(what, "other outputs", expected, "pool-last" if seen in (6, 8) else "no-pooling")


def _same(some: Array, others: Array) -> bool:
    return bool(np.allclose(some, others, rtol=1e-9, atol=1e-9))


EXERCISE = Exercise(
    id="down",
    title="Down",
    notebook=3,
    defines="Down",
    takes="a class Down(in_channels, out_channels), an nn.Module that maps [B, in, H, W] to [B, out, H // 2, W // 2] "
    "by max pooling 2 x 2 and then the two convolutions of DoubleConv",
    probes=(
        Probe("half the height and width, odd ones rounded down", _draw, _ask, _judge),
        Probe("max pooling first, then two convolutions", _draw_windows, _ask_windows, _judge_windows),
    ),
    hints=(
        "Two modules that you have: one that halves, and your DoubleConv.",
        "Pool first: the convolutions are then four times as cheap, and see twice as far. It is the convolutions that "
        "change the number of channels.",
        "nn.Sequential(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels)).",
    ),
    mistakes={
        "not-halved": "Height and width are as they were. nn.MaxPool2d(2) halves them.",
        "channels": "The output has another number of channels than out_channels.",
        "rounded-up": "Odd sizes are rounded down here: leave ceil_mode and paddings of the pooling as they are.",
        "average": "This takes the mean of each window. Max pooling keeps the strongest answer: nn.MaxPool2d(2).",
        "pool-last": "A convolution comes before the pooling, at four times the cost and with half the view. Pool "
        "first, then both convolutions.",
        "no-pooling": "It halves without max pooling, by a stride perhaps. That can work, too; the U-Net of this "
        "notebook pools: nn.MaxPool2d(2).",
        "one-conv": "There is one convolution after the pooling; DoubleConv has two.",
    },
)
