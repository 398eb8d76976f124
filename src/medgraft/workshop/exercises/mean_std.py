"""Mean and standard deviation of every channel over all pixels, in one pass that holds one image at a time."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from medgraft.workshop.behaviour import Array, numbers, size
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe
from medgraft.workshop.worker import told

_CLOSE = 1e-4
"""Single precision will do."""
_MANY, _SIDE = 100, 24


def _draw(rng: np.random.Generator) -> Given:
    """Images of very different size, brightness and contrast: only then do the usual mistakes show."""
    sides = ((8, 11), (40, 31), (17, 60), (70, 66))
    return {"images": [_image(rng, side, 3) for side in rng.permutation(sides)]}


def _image(rng: np.random.Generator, side: Sequence[int], channels: int) -> Array:
    centre, spread = rng.uniform(30, 225, channels), rng.uniform(4, 40, channels)
    return np.clip(rng.normal(centre, spread, (*side, channels)), 0, 255).round().astype(np.uint8)


def _draw_few(rng: np.random.Generator) -> Given:
    """So few pixels that n and n - 1 differ; four channels, since there need not be three."""
    return {"images": [rng.integers(0, 255, side, np.uint8) for side in ((1, 2, 4), (2, 1, 4), (1, 1, 4))]}


def _draw_many(rng: np.random.Generator) -> Given:
    return {"images": [_image(rng, (_SIDE, _SIDE), 3) for _ in range(_MANY)]}


def _ask(learner: Any, given: Given) -> Any:
    handed = _Handed(given["images"])
    try:
        mean, std = learner(handed)
    except (ArithmeticError, ValueError, TypeError) as error:
        return {"raised": told(error), "rounds": handed.rounds}
    return {"mean": mean, "std": std, "rounds": handed.rounds}


def _ask_memory(learner: Any, given: Given) -> Any:
    """How many images are alive at once, and the most bytes that are held, on top of what the images here hold.

    NumPy's memory and Python's is looked at in a second call: the first may load what it needs.
    """
    first, second = _Handed(given["images"], watched=_in_tensors), _Handed(given["images"])
    gc.freeze()  # what is there already need not be looked through
    try:
        learner(first)
    finally:
        gc.unfreeze()
    tracemalloc.start()
    try:
        mean, std = learner(second)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return {"mean": mean, "std": std, "rounds": second.rounds, "alive": second.most, "peak": max(peak, first.grown)}


class _Handed:
    """Hands out copies, and counts those that somebody still holds, and how often somebody has come to the end.

    ``grown`` is by how much what is ``watched`` has grown from the first copy to the last.
    """

    def __init__(self, images: Sequence[Array], watched: Callable[[], int] = int) -> None:
        self.most, self.rounds, self.grown = 0, 0, 0
        self._out: list[weakref.ref[Array]] = []
        self._left = self._copies(images, watched)

    def __iter__(self) -> Iterator[Array]:
        return self

    def __next__(self) -> Array:
        try:
            return next(self._left)
        except StopIteration:
            self.rounds += 1
            raise

    def _copies(self, images: Sequence[Array], watched: Callable[[], int]) -> Iterator[Array]:
        before = watched()
        for image in images:
            copy = np.array(image)
            self._out = [other for other in self._out if other() is not None] + [weakref.ref(copy)]
            self.most = max(self.most, len(self._out))
            yield copy
            del copy
        self.grown = watched() - before


def _in_tensors() -> int:
    """Bytes of the tensors that Python has come to know: PyTorch's memory is not among what is traced."""
    import torch

    return sum(one.nbytes for one in gc.get_objects() if issubclass(type(one), torch.Tensor))


def _judge(given: Given, answer: Any) -> Fault | None:
    images = given["images"]
    pixels = _pixels(images)
    sides = ", ".join(size(image.shape) for image in images[:4])
    what = f"{len(images)} images: {sides}" + (", ..." if len(images) > 4 else "")
    again = "second-round" if answer["rounds"] > 1 else None
    if "raised" in answer:
        return Fault(what, answer["raised"], "mean and std", again, broke=True)
    found = {name: np.asarray(answer[name], np.float64).reshape(-1) for name in ("mean", "std")}
    channels = pixels.shape[1]
    for name, values in found.items():
        if len(values) != channels:
            one = "no-channels" if len(values) == 1 else None
            return Fault(what, f"{name}: {len(values)} numbers", f"{channels}, one for each channel", one)
    for name, right in (("mean", pixels.mean(axis=0)), ("std", pixels.std(axis=0))):
        if not np.allclose(found[name], right, rtol=0, atol=_CLOSE):
            got = f"{name} {numbers(found[name])}"
            return Fault(what, got, f"{name} {numbers(right)}", again or _mistake(images, name, found[name]))
    return None


def _pixels(images: Sequence[Array]) -> Array:
    return np.concatenate([image.reshape(-1, image.shape[-1]) for image in images]) / 255


def _mistake(images: Sequence[Array], name: str, values: Array) -> str | None:
    """The mistake that gives just these numbers."""
    pixels = _pixels(images)
    each = [_pixels([image]) for image in images]
    means = np.array([one.mean(axis=0) for one in each])
    if name == "mean":
        known = [("mean-of-means", means.mean(axis=0)), ("scale-255", pixels.mean(axis=0) * 255)]
    else:
        known = _wrong_stds(images, pixels, each, means)
        if np.isnan(values).any():
            return "overflow"
    return next((key for key, wrong in known if np.allclose(values, wrong, rtol=1e-5, atol=_CLOSE)), None)


def _wrong_stds(images: Sequence[Array], pixels: Array, each: Sequence[Array], means: Array) -> list[tuple[str, Array]]:
    stds = np.array([one.std(axis=0) for one in each])
    counts = np.array([len(one) for one in each], float)
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = np.array([one.std(axis=0, ddof=1) if len(one) > 1 else one.std(axis=0) for one in each])
        wrapped = _pixels([image * image for image in images])  # as 8 bits hold it
        spread = wrapped.mean(axis=0) / 255 - pixels.mean(axis=0) ** 2
        overflows = [np.sqrt(np.maximum(spread, 0)), np.sqrt(np.abs(spread))]
        one_less = pixels.std(axis=0, ddof=1)
    return [
        ("std-of-means", means.std(axis=0)),
        ("std-of-means", means.std(axis=0, ddof=1)),
        ("mean-of-stds", stds.mean(axis=0)),
        ("mean-of-stds", samples.mean(axis=0)),
        ("mean-of-stds", np.average(stds, axis=0, weights=counts)),
        ("mean-of-stds", np.sqrt(np.average(stds**2, axis=0, weights=counts))),
        ("mean-of-stds", np.sqrt((stds**2).mean(axis=0))),
        ("scale-255", pixels.std(axis=0) * 255),
        ("variance", pixels.var(axis=0)),
        ("ddof", one_less),
        *(("overflow", wrong) for wrong in overflows),
    ]


def _judge_memory(given: Given, answer: Any) -> Fault | None:
    fault = _judge(given, answer)
    if fault is not None:
        return fault
    whole = sum(image.nbytes for image in given["images"])
    what = f"{_MANY} images of {_SIDE} x {_SIDE} x 3, {whole // 1024} kB in all, from a generator"
    expected = "one image at a time, and a few sums"
    if answer["alive"] > _MANY // 3:
        return Fault(what, f"{answer['alive']} images held at once", expected, "keeps-all")
    if answer["peak"] > whole:
        return Fault(what, f"up to {answer['peak'] // 1024} kB held at once", expected, "keeps-all")
    return None


EXERCISE = Exercise(
    id="mean-std",
    title="Mean and standard deviation of a data set",
    notebook=2,
    defines="mean_std",
    takes="a function mean_std(images) -> (mean, std); images is a generator, gone through once, of uint8 arrays "
    "[H, W, C] of different sizes; mean and std have one number for each channel, of all pixels scaled to 0 to 1, and "
    "std divides by the number of pixels (not by one less); one image at a time is held",
    probes=(
        Probe("four images of different size and brightness", _draw, _ask, _judge),
        Probe("a handful of pixels of four channels", _draw_few, _ask, _judge),
        Probe("many images, one at a time", _draw_many, _ask_memory, _judge_memory),
    ),
    hints=(
        "Each pixel counts the same, whichever image it is in. Which three sums do a mean and a standard deviation of "
        "all pixels need?",
        "Keep the number of pixels, the sum of the values, and the sum of their squares, of each channel, and add to "
        "them image by image. Convert to float64 first.",
        "mean = total / n and std = sqrt(squares / n - mean ** 2), with pixels = image.reshape(-1, C) / 255, "
        "n += len(pixels), total += pixels.sum(0), squares += (pixels ** 2).sum(0).",
    ),
    mistakes={
        "mean-of-means": "You take the mean over images of each image's mean, so a pixel of a small image counts more "
        "than one of a large image. Add up pixels and their number, and divide once at the end.",
        "std-of-means": "This is the spread between the means of the images, which is far smaller than that of the "
        "pixels. Add up squares of pixels.",
        "mean-of-stds": "You average the spread within each image. That images differ from one another is spread, too, "
        "and is lost so. Add up squares of pixels over all images, and take one root at the end.",
        "scale-255": "The network will see pixels from 0 to 1, and this is of pixels from 0 to 255. Divide by 255.",
        "variance": "This is the variance. The standard deviation is its square root.",
        "ddof": "You divide by the number of pixels less one. Here std describes the pixels as they are: divide by "
        "their number (torch.std does otherwise unless it is told correction=0).",
        "overflow": "uint8 holds 0 to 255: the square of 20 is 400, and wraps round to 144. Convert to float before "
        "you square.",
        "second-round": "You go through images a second time, and a generator gives each image once: the second loop "
        "sees nothing. Collect all sums in one loop; the squares give the standard deviation without the mean.",
        "no-channels": "Each channel has a mean and a standard deviation of its own: sum over rows and columns alone.",
        "keeps-all": "All images are held at once; a real data set is larger than the memory. Add to the sums within "
        "the loop, and keep nothing else.",
    },
)
