"""What a training looks at by itself: copies across splits, copies with different labels, classes of a few images.

It is the part of an inspection that the decoded images at working size can answer, and takes a fraction of the time
that decoding took; ``medgraft inspect`` does the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from medgraft.audit.checks.balance import RARE
from medgraft.audit.hashing import SIDE, WORDS, Words, perceptual_hash
from medgraft.audit.near import near_duplicates
from medgraft.audit.wording import verb
from medgraft.data import Manifest, PixelStore
from medgraft.data.manifest import UNUSED
from medgraft.errors import counted, listing
from medgraft.pipeline.tasks import label_counts

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_PAIRS = 5
"""Pairs that a note names."""

Texts = npt.NDArray[np.object_]


def remarks(manifest: Manifest, store: PixelStore) -> list[str]:
    """Notes on what is wrong with the data, as far as its decoded images show; none where nothing is.

    Parameters
    ----------
    manifest : with a split for every image.
    store : its pixels.
    """
    exact, hashes = _fingerprints(store.path)
    found = near_duplicates(hashes)
    first, second = found.first, found.second
    splits = manifest.table["split"].to_numpy(object)
    across = (splits[first] != splits[second]) & (splits[first] != UNUSED) & (splits[second] != UNUSED)
    same = exact[first] == exact[second]
    least = "" if found.complete else "at least "
    notes = [
        *_pairs(manifest, first, second, across & same, f"{least}{{}} of equal images in two splits"),
        *_pairs(manifest, first, second, across & ~same, f"{least}{{}} of near-duplicates in two splits"),
    ]
    if manifest.classes is not None:
        labels = manifest.table["target"].to_numpy(object)
        at_odds = same & (labels[first] != labels[second])
        notes += _pairs(manifest, first, second, at_odds, "{} of equal images with different labels")
        notes += _rare(manifest)
    return notes


def _pairs(
    manifest: Manifest, first: npt.NDArray[Any], second: npt.NDArray[Any], which: npt.NDArray[np.bool_], what: str
) -> Iterator[str]:
    places = np.flatnonzero(which)
    if not len(places):
        return
    ids, splits = manifest.table["id"].to_numpy(object), manifest.table["split"].to_numpy(object)
    rows = zip(first[places], second[places], strict=True)
    named = [f"{ids[one]} ({splits[one]}) and {ids[other]} ({splits[other]})" for one, other in rows]
    pairs = what.format(counted(len(places), "pair"))
    yield f"warning: {pairs}: {listing(named, _PAIRS)}; medgraft inspect shows them"


def _rare(manifest: Manifest) -> Iterator[str]:
    rare = {name: count for name, count in label_counts(manifest).items() if count < RARE}
    if rare:
        shown = listing(f"{name} ({count})" for name, count in rare.items())
        classes = counted(len(rare), "class", "classes")
        yield f"warning: {classes} {verb(len(rare), 'has', 'have')} fewer than {RARE} images: {shown}"


@lru_cache(maxsize=2)  # the folds of a cross-validation share a store
def _fingerprints(path: Path) -> tuple[npt.NDArray[np.int64], Words]:
    """Of each image of a store, the number of those with its pixels [n], and its perceptual hash [n, 4]."""
    images = PixelStore.load(path).images
    digests = np.zeros(len(images), "S16")
    hashes = np.zeros((len(images), WORDS), np.uint64)
    for row, image in enumerate(images):
        digests[row] = hashlib.blake2b(image, digest_size=16).digest()
        hashes[row] = perceptual_hash(_small(image))
    return np.unique(digests, return_inverse=True)[1].astype(np.int64), hashes


def _small(image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Luminance [SIDE, SIDE] in levels of 0 to 255."""
    small = np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
    grey = small @ _LUMINANCE if small.ndim == 3 else small
    return np.asarray(grey / 257 if image.dtype == np.uint16 else grey, np.float32)
