"""Dice loss by hand: per image, smoothed, of logits, with a gradient wherever something is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

Array = np.ndarray[Any, Any]
_SMOOTH = 1.0
_CLOSE = 1e-4


def _draw(rng: np.random.Generator) -> Given:
    """Images of very different foreground: only then do a mean over images and one over pixels differ."""
    logits = rng.normal(0, 2, (3, 1, 8, 10)).astype(np.float32)
    share = np.array([0.05, 0.4, 0.9])[:, None, None, None]
    return {"logits": logits, "target": (rng.random(logits.shape) < share).astype(np.float32)}


def _draw_smooth(rng: np.random.Generator) -> Given:
    """With another number to smooth by, far from the usual one."""
    return {**_draw(rng), "how": {"smooth": float(rng.choice([0.2, 20.0]))}}


def _draw_empty(rng: np.random.Generator) -> Given:
    logits = rng.normal(-3, 1, (2, 1, 8, 8)).astype(np.float32)
    return {"logits": logits, "target": np.zeros_like(logits)}


def _draw_perfect(rng: np.random.Generator) -> Given:
    target = (rng.random((2, 1, 9, 9)) < 0.3).astype(np.float32)
    return {"logits": np.where(target > 0, 30, -30).astype(np.float32), "target": target}


def _ask(learner: Any, given: Given) -> Any:
    import torch

    loss = learner(**given.get("how", {})) if isinstance(learner, type) else learner
    logits = torch.from_numpy(np.array(given["logits"])).requires_grad_(True)
    found = loss(logits, torch.from_numpy(np.array(given["target"])))
    if isinstance(found, torch.Tensor) and found.ndim == 0 and found.requires_grad:
        found.backward()
    return {"loss": found, "gradient": logits.grad}


def _dice(
    probability: Array, target: Array, above: float, each: bool = True, twice: int = 2, below: float | None = None,
    power: int = 1,
) -> float:  # fmt: skip
    """Mean Dice with ``above`` added above the line, and ``below`` (or the same) below it."""
    axes = (1, 2, 3) if each else None
    overlap = (probability * target).sum(axis=axes)
    both = (probability**power).sum(axis=axes) + target.sum(axis=axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.mean((twice * overlap + above) / (both + (above if below is None else below))))


def _jaccard(p: Array, target: Array) -> float:
    overlap = (p * target).sum(axis=(1, 2, 3))
    return float(
        np.mean((overlap + _SMOOTH) / (p.sum(axis=(1, 2, 3)) + target.sum(axis=(1, 2, 3)) - overlap + _SMOOTH))
    )


def _smooth(given: Given) -> float:
    return float(given.get("how", {}).get("smooth", _SMOOTH))


def _right(given: Given) -> float:
    return 1 - _dice(_sigmoid(given["logits"]), given["target"], _smooth(given))


def _sigmoid(logits: Array) -> Array:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def _judge(given: Given, answer: Any) -> Fault | None:
    with_ = f"smooth={_smooth(given):g}, " if "how" in given else ""
    what = f"{with_}logits {given['logits'].shape} and masks with {_shares(given['target'])} foreground"
    value = answer["loss"]
    if not isinstance(value, np.ndarray | float | int) or np.ndim(value) != 0:
        shape = getattr(value, "shape", type(value).__name__)
        return Fault(what, f"{shape}", "one number for the batch, a tensor of shape ()", "not-one-number")
    value, right = float(value), _right(given)
    if np.isnan(value) or abs(value - right) > _CLOSE:
        return Fault(what, f"{value:.4f}", f"{right:.4f}", _mistake(given, value))
    return None


def _mistake(given: Given, value: float) -> str | None:
    """The mistake that gives just this number."""
    logits, target = given["logits"].astype(np.float64), given["target"]
    p, s = _sigmoid(logits), _smooth(given)
    right = _dice(p, target, s)
    known = {
        "smooth-ignored": [1 - _dice(p, target, _SMOOTH)],
        "reversed": [right, -right],
        "pooled": [1 - _dice(p, target, s, each=False)],
        "no-smoothing": [1 - _dice(p, target, tiny, below=0.0 if tiny else None) for tiny in (0.0, 1e-7)],
        "smooth-once": [1 - _dice(p, target, 0.0, below=s), 1 - _dice(p, target, s, below=0.0),
                        1 - _dice(p, target, 2 * s, below=s), 1 - _dice(p, target, s, below=2 * s)],
        "no-sigmoid": [1 - _dice(logits, target, s)],
        "softmax": [1 - _dice(np.ones_like(p), target, s)],
        "thresholded": [1 - _dice((p > 0.5).astype(float), target, s)],
        "overlap-once": [1 - _dice(p, target, s, twice=1)],
        "squares": [1 - _dice(p, target, s, power=2)],
        "jaccard": [1 - _jaccard(p, target)],
        "summed": [len(p) * (1 - right), 1 - len(p) * right],
    }  # fmt: skip
    if np.isnan(value):
        return "no-smoothing"
    near = _CLOSE if abs(value) <= 1 else 0.01 * abs(value)
    return next((name for name, some in known.items() if any(abs(value - one) < near for one in some)), None)


def _judge_gradient(given: Given, answer: Any) -> Fault | None:
    gradient = answer["gradient"]
    what = "masks with no foreground, and logits a little below zero"
    if gradient is None:
        return Fault(what, "no gradient at all", "a gradient for every logit", "detached")
    if not np.all(np.isfinite(gradient)):
        return Fault(what, "a gradient with NaN", "finite numbers", "no-smoothing")
    if not np.any(np.abs(gradient) > 0):
        return Fault(what, "a gradient of zero everywhere", "one that pushes probabilities down", "no-smoothing")
    if np.any(gradient < 0):
        return Fault(what, "a negative gradient: probabilities would rise", "one that pushes them down", "reversed")
    return None


def _shares(target: Array) -> str:
    return ", ".join(f"{share:.0%}" for share in target.mean(axis=(1, 2, 3)))


EXERCISE = Exercise(
    id="dice-loss",
    title="Dice loss",
    notebook=3,
    defines="DiceLoss",
    takes="a class DiceLoss(smooth=1.0), an nn.Module whose forward(logits, target) takes logits [B, 1, H, W] and "
    "masks of 0 and 1 of the same shape, and returns one number: 1 minus the mean over the images of (2 * sum(p * t) + "
    "smooth) / (sum(p) + sum(t) + smooth), with p the probabilities and t the mask",
    probes=(
        Probe("values of three masks of very different size", _draw, _ask, _judge),
        Probe("a prediction that is right costs nothing", _draw_perfect, _ask, _judge),
        Probe("masks with no foreground", _draw_empty, _ask, _judge),
        Probe("another smooth", _draw_smooth, _ask, _judge),
        Probe("a gradient where the mask is empty", _draw_empty, _ask, _judge_gradient),
    ),
    hints=(
        "Dice is twice the overlap over the sum of both areas; the loss is 1 minus it.",
        "Probabilities come from logits by the sigmoid. Work out Dice for each image, then take the mean.",
        "With p and t flattened to [B, pixels]: (2 * (p * t).sum(1) + smooth) / (p.sum(1) + t.sum(1) + smooth).",
    ),
    mistakes={
        "reversed": "What falls in training must be 1 - Dice: as it stands, a worse prediction has a lower loss.",
        "pooled": "You add up the pixels of all images before dividing. A large lesion then outvotes a small one: work "
        "out Dice for each image, and take the mean of these.",
        "no-smoothing": "An empty mask makes this 0 / 0, or a loss without a gradient. Add smooth above and below.",
        "no-sigmoid": "The model returns logits, which may be any number. Turn them into probabilities first.",
        "thresholded": "A threshold has no gradient, so nothing can learn from it. Use the probabilities as they are.",
        "overlap-once": "The overlap counts twice: once for each of the two areas it lies in.",
        "smooth-ignored": "The number that is handed over as smooth is not used. Keep it in __init__, self.smooth = "
        "smooth.",
        "smooth-once": "smooth belongs above and below, once each. Added below alone, an empty mask that is predicted "
        "empty has a Dice of 0, the worst there is, where it should be 1.",
        "softmax": "Softmax over a single channel is 1 everywhere, whatever the logits are. Take the sigmoid.",
        "detached": "The number is right, but cut off from the logits, so nothing can learn from it. Return a tensor, "
        "and leave item(), detach(), NumPy and no_grad() out.",
        "squares": "You add up squares of the probabilities below. Some losses do, with another gradient; asked for "
        "here is the plain sum, as in the formula.",
        "jaccard": "This is 1 - Jaccard: its overlap is counted once above, and taken off below. Dice is twice the "
        "overlap over the sum of both areas.",
        "summed": "You add up the images. Take the mean, or the loss grows with the size of the batch.",
        "not-one-number": "backward() needs one number: take the mean over the images of the batch.",
    },
)
