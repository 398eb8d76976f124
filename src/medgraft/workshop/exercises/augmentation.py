"""Augmentation of chest X-rays: random, repeatable, within what anatomy allows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from medgraft.workshop.augmented import MISTAKES, ask_draws, form_fault, kinds_fault, repeat_fault, two_levels
from medgraft.workshop.behaviour import Array
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

_REPEATED, _FEW, _DRAWN = 8, 10, 24
_SIDE = 36
_STEP = 15
"""Degrees between the turns that are told apart."""
_FAR = 30
"""Degrees that are surely beyond the 10 of the task, however roughly they are estimated."""
_TURN, _ZOOM, _SHIFT = 13.0, 1.16, 0.14
"""A little beyond what the task allows in degrees, as a factor, and in sides: these are measured, to a tenth of it."""
_SURE = 0.95
_ALIKE = 1.2
"""The correlation from which on a measured move is believed, and the ratio of its two scales up to which it is."""
_POSED = 0.9
"""The same of a pose: what was shifted far looks like none."""
_DARK, _BRIGHT = 0.62, 1.5
"""Factors of a level that are well beyond 0.8 and 1.2, even of brightness and contrast together."""


def _draw(rng: np.random.Generator) -> Given:
    """Black and white in it, so that any brightening leaves the range; height and width are odd and not the same."""
    side = rng.permutation([31, 38, 45])[:2]
    image = rng.random((1, *side)).astype(np.float32)
    image[0, :4, :4], image[0, -4:, -4:] = 0, 1
    return {"image": image, "seeds": rng.integers(0, 2**31, 1).tolist()}


def _draw_seeds(rng: np.random.Generator) -> Given:
    a, b = rng.integers(0, 2**31, 2).tolist()
    return {"image": rng.random((1, 30, 34)).astype(np.float32), "seeds": [a, a, b]}


def _draw_chest(rng: np.random.Generator) -> Given:
    """Spots whose place tells how an image was turned: none of its mirror images or turns looks like it."""
    places = np.array([[0.32, 0.30], [0.35, 0.66], [0.70, 0.36]]) + rng.uniform(-0.03, 0.03, (3, 2))
    rows, columns = np.mgrid[:_SIDE, :_SIDE] / (_SIDE - 1)
    spots = [
        height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 0.02)
        for height, (row, column) in zip((0.8, 0.5, 0.25), places, strict=True)
    ]
    return {"image": (0.1 + sum(spots))[None].astype(np.float32), "seeds": rng.integers(0, 2**31, 1).tolist()}


def _draw_levels(rng: np.random.Generator) -> Given:
    inside = np.zeros((40, 44), bool)
    row, column = rng.integers(4, 12, 2)
    inside[row : row + 22, column : column + 24] = True
    image = np.where(inside, 0.7, 0.4).astype(np.float32)[None]
    return {"image": image, "seeds": rng.integers(0, 2**31, 1).tolist()}


def _ask(learner: Any, given: Given) -> Any:
    return ask_draws(learner, [given["image"]], given["seeds"], _REPEATED if len(given["seeds"]) > 1 else _DRAWN)


def _ask_few(learner: Any, given: Given) -> Any:
    return ask_draws(learner, [given["image"]], given["seeds"], _FEW)


def _judge(given: Given, answer: Any) -> Fault | None:
    return form_fault([given["image"]], ["image"], answer)


def _judge_seeds(given: Given, answer: Any) -> Fault | None:
    return repeat_fault(answer, _REPEATED)


def _judge_chest(given: Given, answer: Any) -> Fault | None:
    """Small moves are measured; whatever is none is sought among all poses. What most images show is told."""
    chest, faults, bank = given["image"][0], [], None
    for place, (image,) in enumerate(answer["drawn"]):
        if image.shape != given["image"].shape:
            return Fault("an image", f"{image.shape}", f"{given['image'].shape}", "shape")
        what = f"an X-ray with a bright spot at the upper left, and fainter ones; draw {place + 1} of {_DRAWN}"
        move = _measured(chest, image[0])
        fault = None if move is None else _fault_of_move(what, *move)
        if move is None or fault is not None:
            bank = bank or _Bank(chest)
            alike, mirrored, angle = bank.pose(image[0])
            fault = (_fault_of_pose(what, mirrored, angle) if alike >= _POSED else None) or fault
        faults += [] if fault is None else [fault]
    if not faults:
        return None
    most = Counter(fault.mistake for fault in faults).most_common(1)[0][0]
    return next(fault for fault in faults if fault.mistake == most)


def _fault_of_move(what: str, angle: float, zoom: float, shift: float) -> Fault | None:
    if abs(angle) > _TURN:
        return Fault(what, f"turned by {abs(angle):.0f} degrees", "turned by 10 degrees at most", "turned")
    if not 1 / _ZOOM < zoom < _ZOOM:
        return Fault(what, f"zoomed by {zoom:.2f}", "zoomed by 0.9 to 1.1", "zoomed")
    if shift > _SHIFT:
        return Fault(what, f"shifted by {shift:.0%} of the side", "shifted by a tenth at most", "shifted")
    return None


def _fault_of_pose(what: str, mirrored: bool, angle: int) -> Fault | None:
    expected = "upright, turned by 10 degrees at most, with no mirror"
    if mirrored and abs(angle) > 180 - _FAR:
        return Fault(what, "upside down (top and bottom changed places)", expected, "upside-down")
    if mirrored and abs(angle) < _FAR:
        return Fault(what, "left and right changed places", expected, "mirrored")
    if mirrored or abs(angle) >= _FAR:
        return Fault(what, f"turned by about {abs(angle)} degrees", expected, "turned")
    return None


def _measured(image: Array, drawn: Array) -> tuple[float, float, float] | None:
    """Degrees, factor and shift (in sides) of a small move; None where it is none.

    By enhanced correlation (Evangelidis and Psarakis 2008), which no change of brightness or contrast touches.
    """
    import cv2

    enough = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    try:
        sure, warp = cv2.findTransformECC(
            image, drawn.astype(np.float32), np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, enough, None, 1
        )
    except cv2.error:  # it did not converge
        return None
    turn, middle = warp[:, :2].astype(np.float64), np.full(2, (_SIDE - 1) / 2)
    area, (most, least) = float(np.linalg.det(turn)), np.linalg.svd(turn, compute_uv=False)
    if not sure > _SURE or area <= 0 or most > _ALIKE * least:
        return None
    angle = float(np.degrees(np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1])))
    return angle, area**0.5, float(np.abs(turn @ middle + warp[:, 2] - middle).max()) / _SIDE


class _Bank:
    """An image in all poses; correlation, which no change of brightness or contrast touches, finds the nearest."""

    def __init__(self, image: Array) -> None:
        self.poses = [(mirrored, angle) for mirrored in (False, True) for angle in range(-180 + _STEP, 181, _STEP)]
        shifts = [(x, y) for x in (-3, 0, 3) for y in (-3, 0, 3)]
        self._shifts = len(shifts)
        views = [_view(image, *pose, shift) for pose in self.poses for shift in shifts]
        self._views = np.stack([_standard(view) for view in views])

    def pose(self, image: Array) -> tuple[float, bool, int]:
        """The correlation with the nearest pose; whether that is mirrored, and turned by how many degrees."""
        alike = self._views @ _standard(image)
        best = int(np.argmax(alike))
        return float(alike[best]), *self.poses[best // self._shifts]


def _view(image: Array, mirrored: bool, angle: int, shift: tuple[int, int]) -> Array:
    import cv2

    turned = np.ascontiguousarray(image[:, ::-1] if mirrored else image)
    middle = (_SIDE - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), angle, 1.0)
    matrix[:, 2] += shift
    return np.asarray(cv2.warpAffine(turned, matrix, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE))


def _standard(image: Array) -> Array:
    centred = image.ravel().astype(np.float64) - image.mean()
    return np.asarray(centred / (np.linalg.norm(centred) + 1e-12))


def _judge_levels(given: Given, answer: Any) -> Fault | None:
    inside = given["image"][0] > 0.5
    drawn, what = [one for (one,) in answer["drawn"]], f"an image of the levels 0.4 and 0.7, {_DRAWN} times"
    for image in drawn:
        high, low = two_levels(image, inside)
        if high < 0.7 * _DARK or low > 0.4 * _BRIGHT:
            return Fault(what, f"one of the levels {low:.2f} and {high:.2f}", "a factor of 0.8 to 1.2", "too-strong")
    return kinds_fault(what, inside, drawn, [inside] * len(drawn))


EXERCISE = Exercise(
    id="augmentation",
    title="Augmentation of chest X-rays",
    notebook=2,
    defines="augment",
    takes="a function augment(image, rng) -> image; image is a float32 tensor [1, H, W] in 0 to 1, a chest X-ray; rng "
    "is a numpy.random.Generator, from which alone it draws; it returns a new tensor of the same shape, type and "
    "range, turned by at most 10 degrees, shifted by at most a tenth or zoomed by 0.9 to 1.1 (any of these), in "
    "another brightness or contrast (a factor of 0.8 to 1.2), never mirrored nor upside down",
    probes=(
        Probe("shape, type and range stay, and the input is left alone", _draw, _ask_few, _judge),
        Probe("other images each time, the same ones from the same seed", _draw_seeds, _ask, _judge_seeds),
        Probe("a chest stays upright and the heart on its side", _draw_chest, _ask, _judge_chest),
        Probe("the image moves, and its brightness or contrast changes", _draw_levels, _ask, _judge_levels),
    ),
    hints=(
        "Ask of each change whether it gives an X-ray that a radiologist could meet. Then draw its strength from rng.",
        "Draw an angle from rng.uniform(-10, 10), turn with torchvision.transforms.functional.rotate, multiply by "
        "rng.uniform(0.8, 1.2), and clip to 0 to 1.",
        "moved = affine(image, angle=rng.uniform(-10, 10), translate=[0, 0], scale=rng.uniform(0.9, 1.1), shear=[0.0], "
        "interpolation=InterpolationMode.BILINEAR); return (moved * float(rng.uniform(0.8, 1.2))).clamp(0, 1).",
    ),
    mistakes=MISTAKES
    | {
        "upside-down": "No chest X-ray is upside down: the model would spend its few images on what it never meets. "
        "Leave flips from top to bottom out.",
        "mirrored": "The heart lies on the left. Mirrored, it is another finding (dextrocardia), and the letter that "
        "marks the side is wrong. Leave flips out.",
        "zoomed": "Everything is much larger or smaller than before. Hearts are measured against chests: zoom by 0.9 "
        "to 1.1.",
        "shifted": "What matters may lie outside the image now. Shift by a tenth of the side at most.",
        "too-strong": "So dark or bright, an X-ray has lost what can be seen in it. Multiply by a factor of 0.8 to "
        "1.2.",
        "turned": "Patients stand or lie straight within a few degrees. Turn by 10 degrees at most.",
    },
)
