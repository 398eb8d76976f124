"""Two convolutions of 3 x 3 with BatchNorm and ReLU, told by what they do."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.workshop.behaviour import Array, apply, extent, network, reach, size
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

_LOUDER = 7.0
_ROUNDING = 1e-9
"""Of float64 in a network of two layers, relative to the values."""


def _draw(rng: np.random.Generator) -> Given:
    """``out`` is neither twice ``in`` nor near it, whatever a learner may take it for."""
    into = int(rng.integers(2, 5))
    out = 2 * into + int(rng.integers(3, 6))
    side = rng.permutation([11, 14])
    return {"in": into, "out": out, "images": rng.normal(0, 1, (3, into, *side)), "seed": int(rng.integers(2**31))}


def _network(learner: Any, given: Given) -> Any:
    return network(learner, given["in"], given["out"], seed=given["seed"])


def _ask(learner: Any, given: Given) -> Any:
    return {"out": apply(_network(learner, given), given["images"])}


def _ask_reach(learner: Any, given: Given) -> Any:
    row, column = (side // 2 for side in given["images"].shape[2:])
    return {"reach": reach(_network(learner, given).eval(), (given["images"],), 0, row, column)}


def _ask_steps(learner: Any, given: Given) -> Any:
    """Outputs along a straight line of inputs: at its middle, and as far before it as after."""
    model = _network(learner, given).eval()
    images = given["images"]
    return {"line": [apply(model, step * images[1:2] + images[:1]) for step in (-1.0, 0.0, 1.0)]}


def _ask_norm(learner: Any, given: Given) -> Any:
    """The first image's output in training: as it is, with another image louder, and with all filters louder."""
    import torch

    model, images = _network(learner, given).train(), given["images"]
    louder = np.array(images)
    louder[1] *= _LOUDER
    answer = {"plain": apply(model, images)[0], "louder": apply(model, louder)[0], "own": _own(model, images)}
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter *= _LOUDER
    return answer | {"filters": apply(model.train(), images)[0]}


def _own(model: Any, images: Array) -> Array:
    """Where each BatchNorm keeps the statistics of the last batch alone, the same images in eval mode."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    apply(model, images)
    return np.asarray(apply(model.eval(), images)[0])


def _judge(given: Given, answer: Any) -> Fault | None:
    shape, out = given["images"].shape, answer["out"]
    right = (shape[0], given["out"], *shape[2:])
    what = f"DoubleConv({given['in']}, {given['out']}) and images {size(shape)}"
    if out.shape != right:
        smaller = out.shape[:2] == right[:2] and out.shape[2] < shape[2]
        mistake = "no-padding" if smaller else ("channels" if out.shape[1] != right[1] else None)
        return Fault(what, size(out.shape), size(right), mistake)
    if out.min() < 0:
        return Fault(what, f"values down to {out.min():.2f}", "0 and above", "no-last-relu")
    if not np.any(out == 0):
        return Fault(what, f"values of {out.min():.3f} and above, none of them 0", "many zeros: ReLU", "no-last-relu")
    return None


def _judge_reach(given: Given, answer: Any) -> Fault | None:
    found = extent(answer["reach"])
    if found == (5, 5):
        return None
    what = "which pixels of the input the pixel in the middle of the output depends on"
    everything = found == given["images"].shape[2:]
    mistake = "no-batchnorm" if everything else ("one-conv" if found == (3, 3) else "kernel")
    return Fault(what, f"{found[0]} x {found[1]} pixels", "5 x 5: 3 x 3 seen twice", mistake)


def _judge_steps(given: Given, answer: Any) -> Fault | None:
    before, middle, after = (np.asarray(one, np.float64) for one in answer["line"])
    alive = (before > 0) & (middle > 0) & (after > 0)
    bend = np.abs(before + after - 2 * middle)[alive]
    if bend.size and bend.max() > 1e-6 * np.abs(middle).max():
        return None
    what = "three inputs on a straight line, at pixels where no output is 0"
    return Fault(what, "outputs on a straight line, too", "a bend: there is a ReLU in the middle", "no-middle-relu")


def _judge_norm(given: Given, answer: Any) -> Fault | None:
    plain, louder, filters = (np.asarray(answer[key], np.float64) for key in ("plain", "louder", "filters"))
    most = np.abs(plain).max()
    what = f"three images in training mode, the second of them {_LOUDER:g} times as large"
    if np.abs(louder - plain).max() <= _ROUNDING * most:
        got, expected = "the first image's output does not change", "it does: BatchNorm looks at the whole batch"
        return Fault(what, got, expected, "no-batchnorm")
    if _bend_of_channels(plain, louder) < 1e-6:
        expected = "it changes in another way at each pixel, as the hidden channels are normalised, too"
        return Fault(what, "each channel of the first output is but scaled and shifted", expected, "one-batchnorm")
    growth = float(np.median(filters[plain > 0] / plain[plain > 0]))
    if abs(growth - 1) > 0.05:
        what = f"filters {_LOUDER:g} times as large, in training mode"
        return Fault(what, f"outputs {growth:.1f} times as large", "the same outputs", "one-batchnorm")
    away = float(np.abs(answer["own"] - plain).max() / most)
    if away > 0.05:
        what = "images whose statistics each BatchNorm has just stored, in training mode and in eval mode"
        return Fault(what, f"outputs that differ by up to {away:.0%}", "nearly the same", "shared-batchnorm")
    return None


def _bend_of_channels(some: Array, others: Array) -> float:
    """How far, of its range, any channel of the second is from a straight line of the first where both are above 0."""
    worst = 0.0
    for a, b in zip(some, others, strict=True):
        alive = (a > 0) & (b > 0)
        if alive.sum() > 8 and np.ptp(a[alive]) > 0:
            line = np.polyfit(a[alive], b[alive], 1)
            worst = max(worst, float(np.abs(np.polyval(line, a[alive]) - b[alive]).max() / np.ptp(b[alive])))
    return worst


EXERCISE = Exercise(
    id="double-conv",
    title="DoubleConv",
    notebook=3,
    defines="DoubleConv",
    takes="a class DoubleConv(in_channels, out_channels), an nn.Module that maps [B, in, H, W] to [B, out, H, W] by "
    "convolution 3 x 3, BatchNorm and ReLU, twice",
    probes=(
        Probe("sizes stay, channels change, nothing is below 0", _draw, _ask, _judge),
        Probe("each output pixel sees 5 x 5 pixels", _draw, _ask_reach, _judge_reach),
        Probe("a ReLU between the two convolutions", _draw, _ask_steps, _judge_steps),
        Probe("a BatchNorm after each convolution", _draw, _ask_norm, _judge_norm),
    ),
    hints=(
        "It is six layers in a row: convolution, BatchNorm, ReLU, and the same again.",
        "nn.Conv2d(in_channels, out_channels, 3, padding=1) keeps height and width. The second convolution goes from "
        "out_channels to out_channels.",
        "nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True), "
        "nn.Conv2d(o, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True)).",
    ),
    mistakes={
        "no-padding": "A convolution of 3 x 3 takes a pixel off each side. padding=1 puts a rim of zeros around first.",
        "channels": "The output has another number of channels than out_channels.",
        "no-last-relu": "The last layer must be a ReLU. The order is convolution, BatchNorm, ReLU, twice over.",
        "one-conv": "It sees 3 x 3 pixels, so there is one convolution of 3 x 3. Add the second.",
        "kernel": "Two convolutions of 3 x 3 (stride 1, no dilation) see 5 x 5 pixels. Look at kernel_size.",
        "no-middle-relu": "Two convolutions with no ReLU between them are no more than one larger convolution. Put a "
        "ReLU after the first as well.",
        "no-batchnorm": "Nothing depends on the rest of the batch, so there is no nn.BatchNorm2d (other norms look at "
        "each image alone). Put one after each convolution.",
        "shared-batchnorm": "One nn.BatchNorm2d stands after both convolutions. It has one mean and one variance to "
        "keep, and the two see other values: in training all looks well, in eval mode it is wrong. Make two.",
        "one-batchnorm": "One of the two convolutions has no BatchNorm after it. Each has its own.",
    },
)
