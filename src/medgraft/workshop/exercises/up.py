"""A step up a U-Net: enlarge, join with the skip whatever its size, then two convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.workshop.behaviour import apply, attempt, extent, network, reach, size, tensor
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

_AROUND = slice(2, 8)
"""Rows and columns of the skip that a coarse pixel (2, 2) meets, however it is enlarged, with a rim."""
_ROWS = 160


def _draw(rng: np.random.Generator) -> Given:
    return _given(rng, int(rng.integers(5, 8)), (8, 9), [(0, 0)])


def _draw_odd(rng: np.random.Generator) -> Given:
    return _given(rng, int(rng.integers(5, 8)), (5, 7), [(1, 0), (0, 1), (1, 1)])


def _draw_small(rng: np.random.Generator) -> Given:
    return _given(rng, 2, (5, 5), [(0, 0)], batch=_ROWS // 4)


def _given(rng: np.random.Generator, out: int, side: tuple[int, int], more: Any, batch: int = 2) -> Given:
    """Coarse maps of ``side``, and skips of twice that and ``more``."""
    skips = [rng.normal(0, 1, (batch, out, 2 * side[0] + a, 2 * side[1] + b)) for a, b in more]
    coarse = rng.normal(0, 1, (batch, 2 * out, *side))
    return {"in": 2 * out, "out": out, "coarse": coarse, "skips": skips, "seed": int(rng.integers(2**31))}


def _network(learner: Any, given: Given) -> Any:
    return network(learner, given["in"], given["out"], seed=given["seed"])


def _ask(learner: Any, given: Given) -> Any:
    return [{"value": list(apply(_network(learner, given), given["coarse"], given["skips"][0]).shape)}]


def _ask_odd(learner: Any, given: Given) -> Any:
    model = _network(learner, given)
    return [attempt(lambda s=skip: list(apply(model, given["coarse"], s).shape)) for skip in given["skips"]]  # type: ignore[misc]


def _ask_reach(learner: Any, given: Given) -> Any:
    model, pair = _network(learner, given).eval(), (given["coarse"], given["skips"][0])
    blank = (given["coarse"], np.zeros_like(given["skips"][0]))
    return {
        "coarse": reach(model, pair, 0, 13, 15),
        "skip": reach(model, pair, 1, 13, 15),
        "anywhere": reach(model, pair, 0, 8, 9),
        "alone": reach(model, blank, 0, 13, 15),
    }


def _ask_gradients(learner: Any, given: Given) -> Any:
    """Gradients of random sums of the output: by a coarse pixel, and by the pixels of the skip around it."""
    import torch

    model = _network(learner, given).eval()
    coarse = tensor(given["coarse"]).requires_grad_(True)
    skip = tensor(given["skips"][0]).requires_grad_(True)
    out = model(coarse, skip)
    by_coarse, by_skip = [], []
    for _ in range(4):
        total = (out * torch.randn_like(out)).sum()
        a, b = torch.autograd.grad(total, (coarse, skip), retain_graph=True, allow_unused=True)
        by_coarse.append(torch.zeros_like(coarse[:, :, 2, 2]) if a is None else a[:, :, 2, 2])
        by_skip.append(torch.zeros_like(skip) if b is None else b)
    return {"coarse": torch.cat(by_coarse), "skip": torch.cat(by_skip)[:, :, _AROUND, _AROUND].flatten(1)}


def _judge(given: Given, answer: Any) -> Fault | None:
    coarse = given["coarse"].shape
    for skip, found in zip((one.shape for one in given["skips"]), answer, strict=True):
        what = f"Up({given['in']}, {given['out']}), coarse {size(coarse)} and skip {size(skip)}"
        if "raised" in found:
            return Fault(what, found["raised"], size(skip), "odd-sizes")
        shape = tuple(found["value"])
        if shape == skip:
            continue
        mistake = None
        if shape[2:] == coarse[2:]:
            mistake = "skip-shrunk"
        elif shape[1] != skip[1]:
            mistake = "channels"
        elif shape[2:] == (2 * coarse[2], 2 * coarse[3]):
            mistake = "skip-cropped"
        return Fault(what, size(shape), size(skip), mistake)
    return None


def _judge_reach(given: Given, answer: Any) -> Fault | None:
    skip, coarse = extent(answer["skip"]), answer["coarse"]
    if skip == (0, 0):
        return Fault("a change of the skip", "nothing changes", "an output that follows it", "skip-unused")
    what = "what the output pixel (13, 15) depends on"
    total = float(coarse.sum())
    if not total and not answer["anywhere"].any():
        return Fault("a change of the coarse map", "nothing changes", "an output that follows it", "coarse-unused")
    if total and not answer["alone"].any():
        got = "nothing changes with the coarse map: the two are multiplied"
        return Fault("a skip of zeros", got, "each with filters of its own", "adds")
    centre = [float((coarse * places).sum() / max(total, 1e-300)) for places in np.indices(coarse.shape)]
    if abs(centre[0] - 6.5) > 2 or abs(centre[1] - 7.5) > 2:
        got = f"coarse pixels around ({centre[0]:.0f}, {centre[1]:.0f})" if total else "no pixel of the coarse map"
        return Fault(what, got, "coarse pixels around (6, 7), half as far from the corner", "no-upsampling")
    if skip != (5, 5):
        got, mistake = f"{skip[0]} x {skip[1]} pixels of the skip", "one-conv" if max(skip) < 5 else None
        return Fault(what, got, "5 x 5: two convolutions come after", mistake)
    return None


def _judge_gradients(given: Given, answer: Any) -> Fault | None:
    """Where the two are added, one gradient follows from the other around it; side by side, it cannot."""
    by_coarse, by_skip = answer["coarse"], answer["skip"]
    if by_coarse.shape != (_ROWS, given["in"]) or len(by_skip) != _ROWS:
        return Fault("gradients", size(by_coarse.shape), size((_ROWS, given["in"])))
    solution = np.linalg.lstsq(by_skip, by_coarse, rcond=1e-12)[0]
    left = float(np.linalg.norm(by_coarse - by_skip @ solution)) / (float(np.linalg.norm(by_coarse)) + 1e-300)
    if left > 1e-6:
        return None
    got = "the coarse map's are a fixed mixture of the skip's around it: the two are added up"
    return Fault("the gradients of both inputs", got, "each with filters of its own", "adds")


EXERCISE = Exercise(
    id="up",
    title="Up",
    notebook=3,
    defines="Up",
    takes="a class Up(in_channels, out_channels), an nn.Module called as up(coarse, skip) with coarse [B, in, h, w] "
    "and skip [B, out, H, W], where in = 2 * out, and H and W are 2h and 2w or one more; it enlarges coarse to the "
    "skip's size, concatenates the two (skip first), and gives [B, out, H, W] by DoubleConv",
    probes=(
        Probe("the size of the skip", _draw, _ask, _judge),
        Probe("skips of odd height or width", _draw_odd, _ask_odd, _judge),
        Probe("both inputs reach the right place", _draw, _ask_reach, _judge_reach),
        Probe("concatenated, not added", _draw_small, _ask_gradients, _judge_gradients),
    ),
    hints=(
        "Three steps: enlarge coarse twofold, put it beside the skip along the channels, and mix both by DoubleConv.",
        "nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2) enlarges. A skip of 7 rows was pooled to 3, and 3 "
        "grow to 6: pad the missing row.",
        "fine = self.up(coarse); fine = F.pad(fine, (0, skip.shape[-1] - fine.shape[-1], 0, skip.shape[-2] - "
        "fine.shape[-2])); return self.mix(torch.cat([skip, fine], dim=1)) with mix = DoubleConv(2 * out, out).",
    ),
    mistakes={
        "odd-sizes": "Pooling rounds odd sizes down, so what is enlarged again may lack a row or a column. Pad it to "
        "the skip's size (F.pad), or enlarge to that size (F.interpolate with size=).",
        "skip-cropped": "The skip was cut to the enlarged map; each level would lose a row, and the prediction be "
        "smaller than the image. Fit the map to the skip instead.",
        "skip-shrunk": "The output is as coarse as before: the skip was brought to the size of the coarse map. The way "
        "round is to enlarge the coarse map.",
        "channels": "The output must have out_channels: DoubleConv takes the channels of both, 2 * out, and gives out.",
        "skip-unused": "The skip changes nothing. It carries the fine detail: concatenate it.",
        "no-upsampling": "The coarse map lies at the wrong place, as if it were padded rather than enlarged: its pixel "
        "(i, j) belongs to (2i, 2j) of the output. Enlarge it twofold first.",
        "coarse-unused": "The coarse map changes nothing. It knows what something is, the skip where its edges lie: "
        "concatenate both.",
        "one-conv": "There are not two convolutions of 3 x 3 after the concatenation; DoubleConv has them.",
        "adds": "The two are added, or multiplied. Concatenate them along the channels, torch.cat([skip, fine], "
        "dim=1), so that the convolution has filters of its own for each.",
    },
)
