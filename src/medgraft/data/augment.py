"""Augmentation of one image and its mask: a policy's geometry and colour, then the user's own callable."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from medgraft.data.colour import Pixels, sample_colour
from medgraft.data.geometry import sample_geometry
from medgraft.errors import DataError
from medgraft.policy import Augment

Transform = Callable[..., Any]


class Augmenter:
    """Random changes to a training image and, for the geometry, to its mask by the same map.

    Parameters
    ----------
    policy
        Ranges of the changes (:class:`medgraft.recipe.Augment`).
    extra
        Applied after the policy: any callable ``(image, mask) -> (image, mask)``, or an albumentations
        transform or ``Compose``. It gets its own writable arrays, and must return arrays of the same height,
        width, channels and type. Python's, numpy's and torch's global generators (and the ``Compose``'s own)
        are seeded from the sample's generator before it runs and put back afterwards, so it is reproducible
        as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from medgraft.policy import Augment
    >>> augmenter = Augmenter(Augment(flip_horizontal=1.0))
    >>> image = np.arange(3, dtype=np.uint8).reshape(1, 3, 1)
    >>> augmenter(image, None, np.random.default_rng(0))[0].ravel().tolist()
    [2, 1, 0]
    """

    def __init__(self, policy: Augment, extra: Transform | None = None) -> None:
        self.policy = policy
        self.extra = extra

    def __call__(self, image: Pixels, mask: Pixels | None, rng: np.random.Generator) -> tuple[Pixels, Pixels | None]:
        """Change one sample.

        Parameters
        ----------
        image
            ``[H, W, C]``, uint8 or uint16.
        mask
            ``[H, W]`` class indices, or None.
        rng
            The only source of chance; the same state gives the same result.

        Returns
        -------
        tuple
            Image and mask of the same shapes and types. Where nothing changes, the given arrays themselves.

        Raises
        ------
        DataError
            When ``extra`` returns something else than an image and a mask of the same shape and type.
        """
        geometry = sample_geometry(self.policy, rng)
        colour = sample_colour(self.policy, rng)
        moved, moved_mask = geometry.apply(image, mask)
        result = colour.apply(moved)
        if self.extra is None:
            return result, moved_mask
        return _run(self.extra, result, moved_mask, int(rng.integers(2**32)))


def _run(extra: Transform, image: Pixels, mask: Pixels | None, seed: int) -> tuple[Pixels, Pixels | None]:
    given, given_mask = image.copy(), None if mask is None else mask.copy()
    with _seeded(seed):
        if _is_albumentations(extra):
            result = _run_albumentations(extra, given, given_mask, seed)
        else:
            result = extra(given, given_mask)
    _check(extra, result, image, mask)
    return np.ascontiguousarray(result[0]), None if mask is None else np.ascontiguousarray(result[1])


def _run_albumentations(extra: Any, image: Pixels, mask: Pixels | None, seed: int) -> tuple[Any, Any]:
    # Releases before 2.0 have no generator of their own and draw from the global ones, seeded already.
    if hasattr(extra, "set_random_seed"):
        extra.set_random_seed(seed)
    arrays = {"image": image} if mask is None else {"image": image, "mask": mask}
    result = extra(**arrays)
    return result["image"], result.get("mask")


def _is_albumentations(extra: Transform) -> bool:
    """Told by where the class comes from, so that albumentations need not be installed."""
    return any(kind.__module__.partition(".")[0].startswith("albu") for kind in type(extra).__mro__)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators inside the block and leave them as they were."""
    python, numpy, pytorch = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    # Not torch.manual_seed, which would seed the accelerators too and is not undone below.
    torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(pytorch)


def _check(extra: Transform, result: Any, image: Pixels, mask: Pixels | None) -> None:
    name = getattr(extra, "__name__", type(extra).__name__)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise DataError(f"Augmentation {name}: must return (image, mask), and returned {type(result).__name__}.")
    for what, before, after in (("image", image, result[0]), ("mask", mask, result[1])):
        if before is None:
            continue
        if not isinstance(after, np.ndarray):
            raise DataError(
                f"Augmentation {name}: the {what} came back as {type(after).__name__}; return a numpy array "
                "(the conversion to tensors comes later, so leave it out)."
            )
        if after.shape != before.shape or after.dtype != before.dtype:
            raise DataError(
                f"Augmentation {name}: the {what} went in as {before.dtype} {before.shape} and came back as "
                f"{after.dtype} {after.shape}; shape and type must stay (leave out crops and normalisation)."
            )
