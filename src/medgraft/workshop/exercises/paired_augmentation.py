"""Augmentation of an image with its mask: one geometry for both, sampled once; brightness for the image alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.workshop.augmented import MISTAKES, ask_draws, form_fault, kinds_fault, repeat_fault, two_levels
from medgraft.workshop.behaviour import Array, numbers
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

_REPEATED, _FEW, _DRAWN = 6, 10, 18
_ASTRAY = 0.007
"""The share of pixels beyond a rim of one pixel on which image and mask may differ; interpolation takes none."""


def _draw(rng: np.random.Generator) -> Given:
    """A bright lesion of which the image shows just what the mask says: long, bent, and out of the middle."""
    side = rng.permutation([41, 46])
    rows, columns = np.mgrid[: side[0], : side[1]] / (side[:, None, None] - 1)
    row, column = rng.choice([0.36, 0.64]), rng.choice([0.36, 0.64])
    up, across = rows - row, columns - column
    inside = (up / 0.13) ** 2 + (across / 0.26) ** 2 < 1
    inside |= (up / 0.26) ** 2 + ((across - 0.12 * rng.choice([-1, 1])) / 0.1) ** 2 < 1
    return _pair(rng, inside)


def _pair(rng: np.random.Generator, inside: Array) -> Given:
    tones = np.array([[0.36, 0.40, 0.44], [0.66, 0.70, 0.74]], np.float32)
    image = np.where(inside, tones[1][:, None, None], tones[0][:, None, None]).astype(np.float32)
    mask = inside[None].astype(np.float32)
    return {"image": image, "mask": mask, "seeds": rng.integers(0, 2**31, 1).tolist()}


def _draw_seeds(rng: np.random.Generator) -> Given:
    a, b = rng.integers(0, 2**31, 2).tolist()
    return dict(_draw(rng)) | {"seeds": [a, a, b]}


def _draw_noise(rng: np.random.Generator) -> Given:
    """From black to white, so that any brightening leaves the range."""
    image = rng.random((3, *rng.permutation([29, 36]))).astype(np.float32)
    image[:, 0, :5], image[:, -1, -5:] = 0, 1
    mask = (rng.random((1, *image.shape[1:])) < 0.5).astype(np.float32)
    return {"image": image, "mask": mask, "seeds": rng.integers(0, 2**31, 1).tolist()}


def _draw_empty(rng: np.random.Generator) -> Given:
    return _pair(rng, np.zeros((24, 27), bool))


def _ask(learner: Any, given: Given) -> Any:
    times = _REPEATED if len(given["seeds"]) > 1 else _DRAWN
    return ask_draws(learner, [given["image"], given["mask"]], given["seeds"], times)


def _ask_few(learner: Any, given: Given) -> Any:
    return ask_draws(learner, [given["image"], given["mask"]], given["seeds"], _FEW)


def _judge_form(given: Given, answer: Any) -> Fault | None:
    return form_fault([given["image"], given["mask"]], ["image", "mask"], answer)


def _judge_binary(given: Given, answer: Any) -> Fault | None:
    for _, mask in answer["drawn"]:
        between = mask[(mask != 0) & (mask != 1)]
        if between.size:
            plateau = np.mean(mask[mask > 0.5] > 1 - 1e-4) > 0.5 and np.mean(mask[mask <= 0.5] < 1e-4) > 0.5
            got = f"{between.size} pixels of other values: {numbers(between[:3], 2)}" + ", ..." * (between.size > 3)
            mistake = "mask-bilinear" if plateau else "mask-intensity"
            return Fault("a mask of 0 and 1", got, "a mask of 0 and 1", mistake)
    return None


def _judge_together(given: Given, answer: Any) -> Fault | None:
    what = f"an image in which the lesion is bright, and its mask, {_DRAWN} times"
    apart = [_astray(image, mask[0] > 0.5) for image, mask in answer["drawn"]]
    worst = int(np.argmax(apart))
    if apart[worst] <= _ASTRAY:
        shapes = [mask[0] > 0.5 for _, mask in answer["drawn"]]
        if all(np.array_equal(shape, shapes[0]) for shape in shapes) and (shapes[0] != given["mask"][0]).any():
            return Fault(what, "the same move each time", "another one each time", "always-same")
        return kinds_fault(what, given["mask"][0] > 0.5, [image for image, _ in answer["drawn"]], shapes)
    got = f"in draw {worst + 1}, {apart[worst]:.0%} of the pixels are lesion in one of the two and not in the other"
    still = all(np.array_equal(mask, given["mask"]) for _, mask in answer["drawn"])
    expected = "a mask that lies on the lesion as before"
    return Fault(what, got, expected, "mask-unchanged" if still else "another-draw")


def _astray(image: Array, mask: Array) -> float:
    """The share of pixels that are lesion in one of the two and have no lesion of the other within a pixel."""
    import cv2

    seen = cv2.medianBlur((image.mean(axis=0) > sum(two_levels(image, mask)) / 2).astype(np.uint8), 3)
    drawn = mask.astype(np.uint8)
    near = np.ones((3, 3), np.uint8)
    alone = (seen > cv2.dilate(drawn, near)) | (drawn > cv2.dilate(seen, near))
    return float(alone.mean())


def _judge_seeds(given: Given, answer: Any) -> Fault | None:
    return repeat_fault(answer, _REPEATED)


def _judge_empty(given: Given, answer: Any) -> Fault | None:
    for _, mask in answer["drawn"]:
        if np.isnan(mask).any() or mask.any():
            got = f"values {numbers(np.unique(mask)[:3], 2)}"
            return Fault("a mask with no lesion", got, "zeros", "not-empty")
    return None


EXERCISE = Exercise(
    id="paired-augmentation",
    title="Augmentation of an image with its mask",
    notebook=2,
    defines="augment_pair",
    takes="a function augment_pair(image, mask, rng) -> (image, mask) for photographs of skin; image is a float32 "
    "tensor [3, H, W] in 0 to 1, mask a float32 tensor [1, H, W] of 0 and 1, rng a numpy.random.Generator, from which "
    "alone it draws; it returns new tensors of the same shapes and types, both flipped, turned, shifted or zoomed "
    "alike (any of these; what comes in at the border is 0 or mirrored in both), the image alone in another brightness "
    "or contrast; the mask still of 0 and 1",
    probes=(
        Probe("shapes, types and range stay, and the inputs are left alone", _draw_noise, _ask_few, _judge_form),
        Probe("the mask stays one of 0 and 1", _draw, _ask_few, _judge_binary),
        Probe("other pairs each time, the same ones from the same seed", _draw_seeds, _ask, _judge_seeds),
        Probe("image and mask move together, and the image's brightness changes", _draw, _ask, _judge_together),
        Probe("a mask with no lesion stays empty", _draw_empty, _ask_few, _judge_empty),
    ),
    hints=(
        "What moves pixels is drawn once and done to both. What changes colours is done to the image alone.",
        "Draw the angle into a variable first, and use it twice: for the image with bilinear interpolation, for the "
        "mask with the nearest pixel.",
        "angle = rng.uniform(-180, 180); image = rotate(image, angle, InterpolationMode.BILINEAR); mask = rotate(mask, "
        "angle, InterpolationMode.NEAREST); image = (image * float(rng.uniform(0.8, 1.2))).clamp(0, 1).",
    ),
    mistakes=MISTAKES
    | {
        "another-draw": "The mask has gone another way than the image: each was turned or flipped by a draw of its "
        "own, or only one of them was. Draw once, keep the numbers, and use them for both.",
        "mask-unchanged": "The image moves and the mask stays where it was. Do the same move to both.",
        "mask-bilinear": "At the rim of the lesion the mask has values between 0 and 1: bilinear interpolation mixes "
        "neighbours. Take the nearest pixel for masks.",
        "not-empty": "A mask with no lesion has become something else. Divided by its largest value it is 0 / 0; and "
        "what comes in at the border of a mask is 0.",
        "mask-intensity": "The mask is no longer 0 outside and 1 inside: brightness and contrast are for the image "
        "alone.",
    },
)
