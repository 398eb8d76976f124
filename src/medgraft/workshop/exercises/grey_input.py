"""The first convolution for grey images: the same output as for the grey image copied into three channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

Array = np.ndarray[Any, Any]
_CLOSE = 1e-4
_LUMINANCE = (0.299, 0.587, 0.114)


def _draw(rng: np.random.Generator) -> Given:
    """The plainest convolution there is; only its weights are to be dealt with."""
    return _given(rng, {"kernel_size": 3, "stride": 1, "padding": 1, "dilation": 1}, bias=False)


def _draw_strided(rng: np.random.Generator) -> Given:
    """Large steps, odd images and a bias; nothing is as it would be if it were left out."""
    size = int(rng.choice([5, 7]))
    how = {"kernel_size": size, "stride": int(rng.choice([2, 4])), "padding": size // 2 + 1, "dilation": 2}
    return _given(rng, how, bias=True)


def _given(rng: np.random.Generator, how: dict[str, int], bias: bool) -> Given:
    filters, size = int(rng.integers(4, 9)), how["kernel_size"]
    weight = rng.normal(0, 0.4, (filters, 3, size, size)) + rng.normal(0, 0.2, (1, 3, 1, 1))
    return {
        "how": how,
        "weight": weight.astype(np.float32),
        "bias": rng.uniform(0.5, 2, filters).astype(np.float32) if bias else None,
        "images": rng.normal(0, 1, (2, 1, int(rng.integers(17, 24)), int(rng.integers(17, 24)))).astype(np.float32),
    }


def _ask(learner: Any, given: Given) -> Any:
    import torch
    from torch import nn

    weight, bias = given["weight"], given["bias"]
    colour = nn.Conv2d(3, len(weight), bias=bias is not None, **given["how"])
    with torch.no_grad():
        colour.weight.copy_(torch.from_numpy(np.array(weight)))
        if bias is not None and colour.bias is not None:
            colour.bias.copy_(torch.from_numpy(np.array(bias)))
    grey = learner(colour)
    found = grey(torch.from_numpy(np.array(given["images"])))
    parameters = list(grey.parameters())
    return {
        "output": found,
        "weights": [p for p in parameters if p.ndim == 4],
        "learns": [bool(p.requires_grad) for p in parameters],
    }


def _convolved(given: Given, weight: Array, how: dict[str, int] | None = None, bias: bool = True) -> Array:
    """What a convolution with these weights ``[filters, 1, k, k]`` gives for the grey images."""
    import torch
    from torch.nn import functional as F

    how = {name: value for name, value in (how or given["how"]).items() if name != "kernel_size"}
    added = given["bias"] if bias else None
    images, kernel = torch.from_numpy(np.array(given["images"])), torch.from_numpy(np.ascontiguousarray(weight))
    found = F.conv2d(images, kernel, None if added is None else torch.from_numpy(np.array(added)), **how)
    return np.asarray(found.numpy())


def _judge(given: Given, answer: Any) -> Fault | None:
    right = _convolved(given, given["weight"].sum(axis=1, keepdims=True))
    told = ", ".join(f"{name} {value}" for name, value in given["how"].items())
    bias = "no bias" if given["bias"] is None else "a bias"
    what = f"a convolution with weights {given['weight'].shape}, {told}, {bias}; grey images {given['images'].shape}"
    output = np.asarray(answer["output"], np.float64)
    if output.shape != right.shape:
        return Fault(what, f"an output {output.shape}", f"{right.shape}", "stride-lost")
    if not answer["weights"] or any(weight.shape[1] != 1 for weight in answer["weights"]):
        shapes = ", ".join(str(weight.shape) for weight in answer["weights"]) or "none"
        return Fault(what, f"weights {shapes}", "weights with one input channel", "three-channels")
    away = float(np.abs(output - right).max())
    if not away < _CLOSE * max(1.0, float(np.abs(right).max())):
        got = f"an output with mean {output.mean():.3f}, up to {away:.3f} away from the right one"
        wanted = f"the output of the three-channel convolution for the copied image, with mean {right.mean():.3f}"
        return Fault(what, got, wanted, _mistake(given, output, answer["weights"][0]))
    if not all(answer["learns"]):
        return Fault(what, "parameters with requires_grad=False", "parameters that can be trained", "no-parameter")
    return None


def _mistake(given: Given, output: Array, weight: Array) -> str | None:
    kernels = given["weight"]
    known = {
        "mean": kernels.mean(axis=1, keepdims=True),
        "first-channel": kernels[:, :1],
        "luminance": np.tensordot(kernels, np.array(_LUMINANCE, np.float32), (1, 0))[:, None],
    }
    for name, weights in known.items():
        for bias in (True, False):
            if np.abs(output - _convolved(given, weights, bias=bias)).max() < 1e-3:
                return name
    right = _convolved(given, kernels.sum(axis=1, keepdims=True))
    away = output - right
    if np.ptp(away, axis=(0, 2, 3)).max() < 1e-3:  # each filter is off by one number
        return "bias-lost"
    total = kernels.sum(axis=1, keepdims=True)
    if weight.shape == total.shape and np.allclose(weight, total, atol=1e-5):
        return "stride-lost"
    return "random-weights" if _unlike(kernels, weight) else None


def _unlike(kernels: Array, weight: Array) -> bool:
    """Whether weights are no mixture of the three channels of the pretrained ones."""
    if weight.shape != (len(kernels), 1, *kernels.shape[2:]):
        return False
    channels, flat = kernels.transpose(0, 2, 3, 1).reshape(-1, 3), weight.reshape(-1)
    rest = flat - channels @ np.linalg.lstsq(channels, flat, rcond=None)[0]
    return float((rest**2).sum()) > 0.2 * float((flat**2).sum())


EXERCISE = Exercise(
    id="grey-input",
    title="The first convolution for grey images",
    notebook=5,
    defines="grey",
    takes="a function grey(conv) that takes an nn.Conv2d with 3 input channels and returns one with 1 input channel, "
    "which gives for images [B, 1, H, W] what conv gives for the same images copied into three channels",
    probes=(
        Probe("a plain convolution without bias", _draw, _ask, _judge),
        Probe("stride, padding, dilation and a bias", _draw_strided, _ask, _judge),
    ),
    hints=(
        "A convolution adds up what its input channels give. In a copied grey image the three are the same.",
        "w1 * x + w2 * x + w3 * x is (w1 + w2 + w3) * x: one channel whose weights are the sum over the input "
        "channels. All else stays as it was.",
        "Make nn.Conv2d(1, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation, "
        "bias=conv.bias is not None); copy conv.weight.sum(dim=1, keepdim=True) into its weight, and the bias if any.",
    ),
    mistakes={
        "mean": "You take the mean over the input channels, so the output is three times too small, and the layers "
        "behind it see values they were not trained on. Take the sum.",
        "first-channel": "You keep the weights of the red channel alone. What the filters learned of the other two is "
        "lost; add up all three.",
        "luminance": "These factors turn a colour image into a grey one. Here the image is grey already and the "
        "weights change: add them up, each with factor 1.",
        "random-weights": "These weights are new, so the first layer is no longer pretrained, and all behind it gets "
        "nonsense. Make them from conv.weight.",
        "bias-lost": "The weights are right, but each filter is off by one number: copy the bias as well.",
        "stride-lost": "The new convolution steps, pads or spreads its kernel differently. Take over kernel_size, "
        "stride, padding and dilation.",
        "three-channels": "The numbers may be right, but the weights still have three input channels, and cost three "
        "times the work. Their shape is to be [out, 1, k, k].",
        "no-parameter": "The new weights do not learn. Put them into nn.Parameter, or copy them under torch.no_grad().",
    },
)
