"""A whole U-Net: logits for every pixel, for images of any size, with detail by way of the skips."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.workshop.behaviour import apply, attempt, network, size, tensor
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

_WIDTHS = (4, 8, 16)
_NARROW = (2, 4, 8, 16)
_SIDE = 8
_NETWORKS = 3
_BIAS = 10.0


def _draw(rng: np.random.Generator) -> Given:
    """Numbers of channels and classes that are fixed in the code show here or with the odd sizes."""
    return _given(rng, [(24, 32)], [1, 4], [3, 5])


def _draw_odd(rng: np.random.Generator) -> Given:
    return _given(rng, [(17, 22), (20, 27), (19, 25)], [2, 3], [1, 2])


def _given(rng: np.random.Generator, sides: list[tuple[int, int]], into: list[int], out: list[int]) -> Given:
    channels = int(rng.choice(into))
    return {
        "channels": channels,
        "classes": int(rng.choice(out)),
        "images": [rng.random((2, channels, *side)) for side in sides],
        "seed": int(rng.integers(2**31)),
    }


def _draw_detail(rng: np.random.Generator) -> Given:
    """As many classes as the first level has channels: then all of its detail can show."""
    images = [rng.random((1, 3, _SIDE, _SIDE))]
    return {"channels": 3, "classes": _NARROW[0], "images": images, "seed": int(rng.integers(2**31))}


def _network(learner: Any, given: Given, widths: tuple[int, ...] = _WIDTHS, more: int = 0) -> Any:
    return network(learner, given["channels"], given["classes"], widths, seed=given["seed"] + more)


def _ask(learner: Any, given: Given) -> Any:
    return [{"value": list(apply(_network(learner, given), given["images"][0]).shape)}]


def _ask_odd(learner: Any, given: Given) -> Any:
    model = _network(learner, given)
    return [attempt(lambda s=some: list(apply(model, s).shape)) for some in given["images"]]  # type: ignore[misc]


def _ask_logits(learner: Any, given: Given) -> Any:
    """Images a thousand million times as bright drive logits far out, and probabilities nowhere."""
    louder = 1e9 * given["images"][0]
    return [apply(_network(learner, given, more=k).eval(), louder) for k in range(_NETWORKS)]


def _ask_jacobian(learner: Any, given: Given) -> Any:
    """How each output depends on each input, with weights above 0 and large biases: no ReLU then hides anything."""
    import torch

    model = _network(learner, given, _NARROW).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.abs_().add_(_BIAS if name.endswith("bias") else 0.0)
    count = given["classes"] * _SIDE**2
    images = tensor(given["images"][0]).repeat(count, 1, 1, 1).requires_grad_(True)
    out = model(images).flatten(1)
    (gradient,) = torch.autograd.grad(out.diagonal().sum(), images)
    return {"jacobian": gradient.flatten(1)}


def _ask_learning(learner: Any, given: Given) -> Any:
    """The parameters that no gradient reaches; how many there are with these widths, twice these, and one more."""
    model = _network(learner, given)
    model(tensor(given["images"][0])).sum().backward()
    idle = [name for name, one in model.named_parameters() if one.grad is None]
    wider = _network(learner, given, tuple(2 * width for width in _WIDTHS))
    deeper = _network(learner, given, (*_WIDTHS, 2 * _WIDTHS[-1]))
    return {"idle": idle, "counts": [sum(p.numel() for p in one.parameters()) for one in (model, wider, deeper)]}


def _called(given: Given, widths: tuple[int, ...] = _WIDTHS) -> str:
    return f"UNet({given['channels']}, {given['classes']}, {widths})"


def _judge(given: Given, answer: Any) -> Fault | None:
    for images, found in zip(given["images"], answer, strict=True):
        shape = images.shape
        right = (shape[0], given["classes"], *shape[2:])
        what = f"{_called(given)} and images {size(shape)}"
        if "raised" in found:
            return Fault(what, found["raised"], size(right), "odd-sizes")
        got = tuple(found["value"])
        if got == right:
            continue
        odd = len(given["images"]) > 1
        mistake = "classes" if got[1] != right[1] else ("odd-sizes" if odd else "size")
        return Fault(what, size(got), size(right), mistake)
    return None


def _judge_logits(given: Given, answer: Any) -> Fault | None:
    low, high = min(float(one.min()) for one in answer), max(float(one.max()) for one in answer)
    what, got = f"very bright images, {_NETWORKS} networks", f"values {low:.3g} to {high:.3g}"
    if (low >= -1.001 and high <= 1.001) or high <= 1e-9:
        return Fault(what, got, "logits: any number", "probabilities")
    if low >= 0:
        return Fault(what, got, "logits: below 0 as well", "relu-last")
    return None


def _judge_jacobian(given: Given, answer: Any) -> Fault | None:
    jacobian = answer["jacobian"]
    count = given["classes"] * _SIDE**2
    if jacobian.shape != (count, 3 * _SIDE**2):
        return Fault("gradients", size(jacobian.shape), size((count, 3 * _SIDE**2)))
    values = np.linalg.svd(jacobian, compute_uv=False)
    rank = int((values > values[0] * 1e-11).sum())
    if rank > 0.8 * count:
        return None
    bottom = _NARROW[-1] * (_SIDE // 2 ** (len(_NARROW) - 1)) ** 2
    what = f"{_called(given, _NARROW)}, {_SIDE} x {_SIDE} pixels: in how many independent ways its output can change"
    passes = f"{rank} of {count}" + (f"; {bottom} numbers pass through the bottom" if rank <= bottom else "")
    return Fault(what, passes, f"nearly all {count}", "no-skips" if rank <= bottom else "finest-skip")


def _judge_learning(given: Given, answer: Any) -> Fault | None:
    idle, (count, wider, deeper) = answer["idle"], answer["counts"]
    if idle:
        names = ", ".join(idle[:3]) + (", ..." if len(idle) > 3 else "")
        return Fault("one backward pass", f"{len(idle)} parameters without a gradient: {names}", "none", "unused")
    if wider < 2 * count:
        got = f"{count} parameters, and {wider} with twice the widths"
        return Fault(_called(given), got, "about four times as many", "widths")
    if deeper < 2 * count:
        got = f"{count} parameters, and {deeper} with a fourth width"
        return Fault(_called(given), got, "about four times as many: one more level", "levels")
    return None


EXERCISE = Exercise(
    id="unet",
    title="U-Net",
    notebook=3,
    defines="UNet",
    takes="a class UNet(in_channels, classes, widths), an nn.Module that maps images [B, in, H, W] to logits "
    "[B, classes, H, W], for odd H and W, too; widths are the channels of each level from fine to coarse, such as "
    "(16, 32, 64): two steps down and two up; the last layer is a convolution of 1 x 1 from widths[0] to classes",
    probes=(
        Probe("logits of each class for each pixel", _draw, _ask, _judge),
        Probe("images of odd height or width", _draw_odd, _ask_odd, _judge),
        Probe("logits, not probabilities", _draw, _ask_logits, _judge_logits),
        Probe("fine detail comes through", _draw_detail, _ask_jacobian, _judge_jacobian),
        Probe("every layer learns, in the widths asked for", _draw, _ask_learning, _judge_learning),
    ),
    hints=(
        "Go down and keep what each level gives; go up and take these back, the last one first.",
        "One DoubleConv at full size, a Down for each further width, an Up for each step back, and a convolution 1 x 1 "
        "from widths[0] to classes. Keep the blocks in an nn.ModuleList.",
        "skips = [first(x)]; for down in downs: skips.append(down(skips[-1])); x = skips.pop(); for up in ups: "
        "x = up(x, skips.pop()); return head(x).",
    ),
    mistakes={
        "classes": "The last convolution (1 x 1) goes from widths[0] to the number of classes.",
        "size": "The output must be as large as the image: pad the convolutions, and step up as often as down.",
        "odd-sizes": "An image of 17 rows is pooled to 8, and 8 grow to 16. Let Up fit the enlarged map to its skip.",
        "probabilities": "There is a sigmoid or softmax in it. Return logits: losses do that step themselves, more "
        "exactly, and twice would flatten all gradients.",
        "relu-last": "Logits of background must be able to go below 0: no ReLU after the last convolution.",
        "no-skips": "All that the output knows has gone through the coarsest level. Hand each level's map on to the Up "
        "of the same size.",
        "finest-skip": "The detail of the finest level is lost. The last Up takes the map of the first DoubleConv, at "
        "the full size of the image.",
        "unused": "Some layers take no part in forward. Is one level left out?",
        "widths": "The widths that are handed over are not used for the channels.",
        "levels": "The number of levels is fixed in the code. There are as many as widths: loop over them.",
    },
)
