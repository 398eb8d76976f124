"""One step up of a decoder on an encoder's pyramid: meets the skip at its size, whatever sizes and channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.workshop.behaviour import refuse_plain_lists
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

Array = np.ndarray[Any, Any]


def _draw(rng: np.random.Generator) -> Given:
    """Sizes that double exactly."""
    height, width = (int(size) for size in rng.integers(4, 8, 2))
    return _given(rng, (height, width), (2 * height, 2 * width))


def _draw_odd(rng: np.random.Generator) -> Given:
    """An encoder rounds when it halves, up or down; the skip so has a row or column less, or more."""
    height, width = (int(size) for size in rng.integers(4, 8, 2))
    less, more = 2 * height - 1, 2 * width + 1
    return _given(rng, (height, width), (less, more) if rng.random() < 0.5 else (2 * height + 1, 2 * width - 1))


def _draw_last(rng: np.random.Generator) -> Given:
    """The last step, where the encoder has nothing of that size."""
    height, width = (int(size) for size in rng.integers(4, 8, 2))
    return _given(rng, (height, width), None)


def _draw_parts(rng: np.random.Generator) -> Given:
    height, width = (int(size) for size in rng.integers(8, 10, 2))
    return _given(rng, (height, width), (2 * height, 2 * width))


def _given(rng: np.random.Generator, coarse: tuple[int, int], skip: tuple[int, int] | None) -> Given:
    """Three numbers of channels that all differ, so that none can stand for another."""
    channels, beside, out = (int(number) for number in rng.permutation(np.arange(5, 13))[:3])
    return {
        "coarse": rng.normal(0, 1, (3, channels, *coarse)).astype(np.float32),
        "skip": None if skip is None else rng.normal(0, 1, (3, beside, *skip)).astype(np.float32),
        "out": out,
    }


def _made(learner: Any, given: Given) -> tuple[Any, Any, Any]:
    """The learner's block, and the two maps as tensors."""
    import torch

    coarse = torch.from_numpy(np.array(given["coarse"]))
    skip = None if given["skip"] is None else torch.from_numpy(np.array(given["skip"]))
    block = learner(coarse.shape[1], 0 if skip is None else skip.shape[1], given["out"])
    refuse_plain_lists(block)
    return block, coarse, skip


def _ask(learner: Any, given: Given) -> Any:
    from medgraft.workshop.worker import told

    block, coarse, skip = _made(learner, given)
    try:
        return {"output": block(coarse, skip)}
    except (RuntimeError, TypeError, AttributeError) as error:
        return {"raised": told(error)}


def _ask_parts(learner: Any, given: Given) -> Any:
    """In eval mode, where each image is on its own: outputs, and what the middle of each depends on."""
    import torch

    block, coarse, skip = _made(learner, given)
    block.eval()
    coarse.requires_grad_(True)
    skip.requires_grad_(True)
    output = block(coarse, skip)
    middle = output[:, :, output.shape[2] // 2, output.shape[3] // 2].sum()
    gradients = torch.autograd.grad(middle, [coarse, skip], allow_unused=True)
    with torch.no_grad():
        mirrored, nothing = block(-coarse, -skip), block(0 * coarse, 0 * skip)
        again = block(coarse, skip)
        others = 0.3 * coarse.roll(1, 0), 0.3 * skip.roll(1, 0)
        line = [block(coarse + k * others[0], skip + k * others[1]) for k in (-1, 1)]
    return {"outputs": [output, mirrored, nothing, again], "line": line, "gradients": list(gradients)}


def _what(given: Given) -> str:
    skip = "no skip" if given["skip"] is None else f"a skip {given['skip'].shape}"
    return f"coarse {given['coarse'].shape}, {skip}, {given['out']} channels out"


def _judge(given: Given, answer: Any) -> Fault | None:
    coarse, skip = given["coarse"], given["skip"]
    doubled = (2 * coarse.shape[2], 2 * coarse.shape[3])
    size = doubled if skip is None else skip.shape[2:]
    right = (len(coarse), given["out"], *size)
    if "raised" in answer:
        return Fault(_what(given), answer["raised"], f"an output {right}", _mistake_of(answer["raised"]), broke=True)
    shape = np.shape(answer["output"])
    if shape == right:
        return None
    mistake = None
    if len(shape) == 4 and shape[1] != right[1]:
        mistake = "channels"
    elif len(shape) == 4:
        mistake = {doubled: "skip-resized", tuple(coarse.shape[2:]): "not-larger"}.get(shape[2:])
    return Fault(_what(given), f"an output {shape}", f"an output {right}, the size of the skip", mistake)


def _mistake_of(raised: str) -> str | None:
    """PyTorch's own words say what did not fit."""
    known = {
        "NoneType": "none-skip",
        "Sizes of tensors must match": "doubled-only",
        "The size of tensor a": "added",
        "channels, but got": "channels",
    }
    return next((mistake for words, mistake in known.items() if words in raised), None)


def _judge_parts(given: Given, answer: Any) -> Fault | None:
    output, mirrored, nothing, again = (np.asarray(one, np.float64) for one in answer["outputs"])
    what = f"{_what(given)}, in eval mode"
    if not np.allclose(output, again, atol=1e-5):
        return Fault(what, "another output when asked again", "the same output", "made-in-forward")
    for name, gradient in zip(("coarse map", "skip"), answer["gradients"], strict=True):
        if gradient is None or not np.abs(gradient).max() > 0:
            return Fault(what, f"an output that does not depend on the {name}", "one that does", "unused")
    if np.abs(output + mirrored - 2 * nothing).max() < 1e-4 * np.abs(output).max():
        got = "an output that is a weighted sum of the input"
        return Fault(what, got, "a ReLU (or the like) after each convolution", "no-activation")
    rows, columns = _extent(answer["gradients"][1])
    if min(rows, columns) < 5:
        got = f"a pixel of the output sees {rows} x {columns} pixels of the skip"
        return Fault(what, got, "5 x 5: two convolutions of 3 x 3", "one-convolution")
    if _straight(output, *(np.asarray(one, np.float64) for one in answer["line"])) > 0.5:
        got = "at most pixels, outputs on a straight line for three inputs on a straight line"
        return Fault(what, got, "a bend: an activation between the convolutions", "no-activation")
    return None


def _straight(middle: Array, before: Array, after: Array) -> float:
    """The share of outputs with no bend between these three, of those that are not 0 in all of them."""
    alive = (before != 0) | (middle != 0) | (after != 0)
    bend = np.abs(before + after - 2 * middle)[alive]
    return float((bend < 1e-5 * np.abs(middle).max()).mean()) if bend.size else 0.0


def _extent(gradient: Array) -> tuple[int, int]:
    """Rows and columns that have a part in it."""
    seen = np.abs(gradient).max(axis=(0, 1))
    seen = seen > 1e-7 * seen.max()
    return int(seen.any(axis=1).sum()), int(seen.any(axis=0).sum())


EXERCISE = Exercise(
    id="smart-up",
    title="A step up that fits any skip",
    notebook=4,
    defines="SmartUp",
    takes="a class SmartUp(in_channels, skip_channels, out_channels), a module whose forward(x, skip) takes x [B, in, "
    "h, w] and a skip [B, skip, H, W] about twice as large, enlarges x to the skip's exact size, concatenates both, "
    "and passes them through two 3x3 convolutions to [B, out, H, W]; where skip_channels is 0, skip is None and the "
    "size [2h, 2w]",
    probes=(
        Probe("sizes that double exactly, any channels", _draw, _ask, _judge),
        Probe("odd sizes", _draw_odd, _ask, _judge),
        Probe("no skip", _draw_last, _ask, _judge),
        Probe("what is inside", _draw_parts, _ask_parts, _judge_parts),
    ),
    hints=(
        "Enlarge the coarse map, lay it beside the skip, and let two convolutions mix the two.",
        "Take the size from the skip, skip.shape[-2:], and not from a factor of 2. The first convolution sees the "
        "channels of both.",
        "x = F.interpolate(x, size=skip.shape[-2:], mode='bilinear') and x = torch.cat([x, skip], dim=1) if there is "
        "a skip, else F.interpolate(x, scale_factor=2). Then conv(in + skip, out, 3, padding=1), norm, ReLU, and once "
        "more.",
    ),
    mistakes={
        "doubled-only": "An encoder rounds when it halves: of 13 rows it makes 7, and 7 doubled are 14. Enlarge to "
        "the skip's own size, skip.shape[-2:].",
        "skip-resized": "The output has twice the size of the coarse map, and not the skip's: the skip was cut or "
        "resized. It holds the fine detail; let the other one give way.",
        "not-larger": "The output is as small as the coarse map. Enlarge that one; the skip stays as it is.",
        "added": "You add the two maps, which needs the same number of channels. Concatenate: torch.cat([x, skip], "
        "dim=1).",
        "channels": "The numbers of channels do not fit. In a plain U-Net a skip has as many as come out; that of an "
        "encoder has any. The first convolution takes those of the enlarged x plus skip_channels, the last one gives "
        "out_channels.",
        "none-skip": "At the last step there is no skip, and None was used as if it were one. Ask `if skip is not "
        "None`.",
        "unused": "One of the two maps has no part in the output. Both go into the concatenation, along dim=1.",
        "one-convolution": "There is one convolution. Take two of 3x3, which together see 5x5 pixels.",
        "no-activation": "Without an activation between them two convolutions are no more than one. Put a ReLU after "
        "each: convolution, norm, ReLU, twice.",
        "made-in-forward": "Layers are made in forward, so each call has new random weights, which no optimiser "
        "knows. Make them in __init__.",
    },
)
