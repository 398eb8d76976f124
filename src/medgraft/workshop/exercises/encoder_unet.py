"""A U-Net on an encoder: every stage of the pyramid in its order, logits at the size of the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.workshop.exercise import Exercise, Fault, Given, Probe
from medgraft.workshop.stand_in import stand_in

Array = np.ndarray[Any, Any]
_NETWORKS = 4
_REACH = 16
"""Pixels to each side of a place that a U-Net may blur a detail of its finest stage to."""


def _draw(rng: np.random.Generator) -> Given:
    """Sizes that halve five times without a rest."""
    height, width = (32 * int(number) for number in rng.permutation([1, 2, 3])[:2])
    return _given(rng, height, width)


def _draw_odd(rng: np.random.Generator) -> Given:
    """Other numbers of classes than above: one that is fixed in the code shows in one of the two."""
    sides = (int(size) for size in rng.choice([35, 41, 45, 51, 57, 67], 2, replace=False))
    return {**_given(rng, *sides), "classes": int(rng.choice([1, 2]))}


def _draw_detail(rng: np.random.Generator) -> Given:
    return _given(rng, 128, 160, batch=1)


def _given(rng: np.random.Generator, height: int, width: int, batch: int = 2) -> Given:
    channels = rng.permutation(np.arange(3, 9))[:5]
    return {
        "channels": [int(number) for number in channels],
        "classes": int(rng.integers(3, 6)),
        "images": rng.normal(0, 1, (batch, 3, height, width)).astype(np.float32),
    }


def _ready(learner: Any, given: Given) -> tuple[Any, Any, Any]:
    """Encoder, model and images. The decoder is moved a little, as by training: what began at zero is no longer."""
    import torch

    encoder = stand_in(given["channels"])
    model = learner(encoder, given["classes"])
    with torch.no_grad():
        for parameter in _of_decoder(model, encoder):
            parameter.add_(0.05 * torch.randn_like(parameter))
    return encoder, model, torch.from_numpy(np.array(given["images"]))


def _of_decoder(model: Any, encoder: Any) -> list[Any]:
    own = {id(parameter) for parameter in encoder.parameters()}
    return [parameter for parameter in model.parameters() if id(parameter) not in own]


def _ask(learner: Any, given: Given) -> Any:
    from medgraft.workshop.worker import told

    _, model, images = _ready(learner, given)
    try:
        return {"logits": model(images)}
    except RuntimeError as error:
        return {"raised": told(error)}


def _ask_values(learner: Any, given: Given) -> Any:
    """With all weights of the decoder ten times as large, logits grow beyond what a probability can be.

    Those of a single network may lie in 0 to 1 by chance.
    """
    import torch

    found = []
    with torch.no_grad():
        for _ in range(_NETWORKS):
            encoder, model, images = _ready(learner, given)
            for parameter in _of_decoder(model, encoder):
                parameter.mul_(10)
            found.append(model.eval()(images[:1]))
    return {"logits": torch.cat(found)}


def _ask_stages(learner: Any, given: Given) -> Any:
    """The logits as they are, and with other values in one stage at a time."""
    import torch

    encoder, model, images = _ready(learner, given)
    model.eval()
    encoder.change = lambda part: part + torch.ones_like(part)
    found = []
    with torch.no_grad():
        for parameter in _of_decoder(model, encoder):
            parameter.abs_()  # no ReLU then hides anything
        for stage in (None, *range(len(given["channels"]))):
            encoder.changed = stage
            found.append(model(images))
    return {"logits": found}


def _ask_detail(learner: Any, given: Given) -> Any:
    """The logits as they are, and with other values at one place of the finest stage."""
    import torch

    encoder, model, images = _ready(learner, given)
    model.eval()

    def somewhere(part: Any) -> Any:
        part = part.clone()
        row, column = part.shape[2] // 2, part.shape[3] // 2
        part[:, :, row - 1 : row + 2, column - 1 : column + 2] += 3
        return part

    with torch.no_grad():
        before = model(images)
        encoder.change, encoder.changed = somewhere, 0
        return {"logits": [before, model(images)]}


def _ask_learning(learner: Any, given: Given) -> Any:
    """Numbers of parameters: of all layers that ran, of those that the model knows, and of those with a gradient."""
    import torch
    from torch.nn.modules.module import register_module_forward_hook

    from medgraft.workshop.worker import told

    encoder, model, images = _ready(learner, given)
    own, ran = {id(parameter) for parameter in encoder.parameters()}, {}

    def note(module: Any, *_: Any) -> None:
        ran.update({id(p): p for p in module.parameters(recurse=False) if id(p) not in own})

    handle = register_module_forward_hook(note)
    try:
        logits = model(images)
        (logits * torch.randn_like(logits)).sum().backward()
    except RuntimeError as error:
        if "does not require grad" not in str(error):
            raise
        return {"raised": told(error)}
    finally:
        handle.remove()
    known = {id(parameter) for parameter in model.parameters()}
    reached = [p for p in ran.values() if p.grad is not None and bool((p.grad != 0).any())]
    return {
        "ran": sum(p.numel() for p in ran.values()),
        "known": sum(p.numel() for key, p in ran.items() if key in known),
        "reached": sum(p.numel() for p in reached),
    }


def _what(given: Given) -> str:
    return f"images {given['images'].shape}, an encoder with channels {given['channels']}, {given['classes']} classes"


def _judge(given: Given, answer: Any) -> Fault | None:
    batch, _, height, width = given["images"].shape
    right = (batch, given["classes"], height, width)
    if "raised" in answer:
        raised = answer["raised"]
        known = {"channels, but got": "pyramid-order", "Sizes of tensors must match": "odd-sizes"}
        mistake = next((mistake for words, mistake in known.items() if words in raised), None)
        return Fault(_what(given), raised, f"logits {right}", mistake, broke=True)
    shape = np.shape(answer["logits"])
    if shape == right:
        return None
    mistake = None
    if len(shape) == 4:
        small = shape[2] <= height // 2 + 1 and shape[3] <= width // 2 + 1
        mistake = "half-size" if small else "odd-sizes" if shape[1] == right[1] else "classes"
    return Fault(_what(given), f"an output {shape}", f"logits {right}", mistake)


def _judge_values(given: Given, answer: Any) -> Fault | None:
    logits = np.asarray(answer["logits"], np.float64)
    what = f"{_what(given)}, and weights that were made larger"
    got = f"values from {logits.min():.3g} to {logits.max():.3g}"
    logarithms = logits.max() <= 0 and np.allclose(np.exp(logits).sum(axis=1), 1, atol=1e-3)
    if logarithms or (logits.min() >= 0 and logits.max() <= 1 + 1e-6):
        return Fault(what, got, "logits, which may be any number", "sigmoid-inside")
    if logits.min() >= 0 and (logits == 0).mean() > 0.02:
        return Fault(what, f"{got}, {(logits == 0).mean():.0%} of them 0", "negative numbers too", "relu-at-the-end")
    return None


def _judge_stages(given: Given, answer: Any) -> Fault | None:
    before, *changed = (np.asarray(one, np.float64) for one in answer["logits"])
    unused = [stage for stage, logits in enumerate(changed) if not np.abs(logits - before).max() > 0]
    if not unused:
        return None
    told = ", ".join(f"stride {2 ** (stage + 1)}" for stage in unused)
    deepest = unused == list(range(len(changed) - 1))
    got = f"logits that do not change with the stage of {told}"
    return Fault(_what(given), got, "logits that depend on all five", "deepest-only" if deepest else "stages-unused")


def _judge_detail(given: Given, answer: Any) -> Fault | None:
    before, after = (np.asarray(one, np.float64) for one in answer["logits"])
    change = ((after - before) ** 2).sum(axis=(0, 1))
    row, column = change.shape[0] // 2, change.shape[1] // 2
    if not change.any():
        return Fault(_what(given), "logits that do not change with the finest stage", "a change there", "stages-unused")
    near = change[row - _REACH : row + _REACH + 1, column - _REACH : column + _REACH + 1].sum() / change.sum()
    if near > 0.5:
        return None
    got = f"a detail of the finest stage is blurred: {near:.0%} of the change lies within {_REACH} pixels of it"
    return Fault(_what(given), got, "nearly all of the change there", "pyramid-order")


def _judge_learning(given: Given, answer: Any) -> Fault | None:
    if "raised" in answer:
        return Fault(_what(given), answer["raised"], "a decoder that learns", "no-gradient", broke=True)
    ran, known, reached = answer["ran"], answer["known"], answer["reached"]
    if known < ran:
        got = f"{known:,} of the {ran:,} parameters that ran are in model.parameters()"
        return Fault(_what(given), got, "all of them, for the optimiser", "not-registered")
    if not ran:
        return Fault(_what(given), "a decoder without parameters", "convolutions that learn", "stages-unused")
    if reached < ran / 2:
        got = f"{reached:,} of {ran:,} parameters of the decoder have a gradient"
        return Fault(_what(given), got, "a gradient for all", "no-gradient")
    return None


EXERCISE = Exercise(
    id="encoder-unet",
    title="A U-Net on an encoder",
    notebook=4,
    defines="EncoderUNet",
    takes="a class EncoderUNet(encoder, classes), a module that maps images [B, 3, H, W] to logits [B, classes, H, "
    "W], for any H and W from 32. encoder.forward_pyramid(images) returns five feature maps with strides 2, 4, 8, 16 "
    "and 32 (sizes rounded up), encoder.channels their numbers of channels in the same order",
    probes=(
        Probe("logits at the size of the image", _draw, _ask, _judge),
        Probe("odd sizes", _draw_odd, _ask, _judge),
        Probe("logits, not probabilities", _draw, _ask_values, _judge_values),
        Probe("every stage counts", _draw, _ask_stages, _judge_stages),
        Probe("fine detail stays where it is", _draw_detail, _ask_detail, _judge_detail),
        Probe("the decoder learns", _draw, _ask_learning, _judge_learning),
    ),
    hints=(
        "Start with the coarsest map, and at each step up take in the next finer one. SmartUp does one step.",
        "There are four steps with a skip, to strides 16, 8, 4 and 2, then one without, to the image's size, and a "
        "convolution to the classes. Keep the steps in an nn.ModuleList.",
        "x, *skips = reversed(encoder.forward_pyramid(images)); then x = up(x, skip) for each of the four, and last "
        "F.interpolate(self.head(x), size=images.shape[-2:], mode='bilinear').",
    ),
    mistakes={
        "half-size": "The logits are smaller than the image. The finest stage has stride 2, so one more step is "
        "wanted, to images.shape[-2:].",
        "odd-sizes": "Sizes fit only where they halve without a rest. Take each size from the skip, and the last one "
        "from the image, in place of factors of 2.",
        "classes": "The output has another number of channels than there are classes. The last convolution makes one "
        "map a class.",
        "pyramid-order": "The pyramid runs from fine (stride 2) to coarse (stride 32), and encoder.channels does too. "
        "Start at pyramid[-1] and take the others from back to front; make the layers in that order, for those "
        "channels.",
        "sigmoid-inside": "These are probabilities. The losses take logits, and do this step themselves where it is "
        "exact: leave sigmoid and softmax out of the model.",
        "relu-at-the-end": "A ReLU at the end cuts off every negative logit, so that no probability is below one "
        "half. End with a convolution.",
        "deepest-only": "Only the coarsest stage is used, where a pixel stands for 32 x 32 of the image. The finer "
        "ones know where edges lie: hand them to the steps up as skips.",
        "stages-unused": "Not all of the pyramid takes part. Five stages make four steps with a skip: look at where "
        "your loop over them begins and ends, and whether zip cuts it short.",
        "not-registered": "Some layers are unknown to the model, so no optimiser trains them and .to(device) leaves "
        "them behind. Keep them in an nn.ModuleList, not a plain list, and make them in __init__.",
        "no-gradient": "No gradient reaches the decoder. torch.no_grad() or detach() may go around the frozen "
        "encoder, but not around what is to learn.",
    },
)
