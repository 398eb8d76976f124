"""A perceptual hash: 255 signs of an image's coarse frequencies, which survive re-encoding and resizing.

The luminance is averaged down to 32 x 32 cells and transformed by the discrete cosine transform; the hash holds the
signs of the 16 x 16 lowest coefficients but the constant one. Brightness and contrast do not change them. A mirror
image has the same coefficients but for the signs of odd columns (left-right) or odd rows (up-down), and a transposed
one has rows and columns exchanged, so the hash of each of the eight turns follows from the hash of the image. Bits are
therefore kept in four words by the parity of row and column: a flip inverts whole words.

What is the same in its mirror image (a drawn circle on an even ground) has coefficients of nothing, whose signs are
noise; so have pictures without any detail. Copies of such a picture are found by equal pixels alone.

The hash by signs of the cosine transform is that of pHash (Zauner, "Implementation and Benchmarking of Perceptual Image
Hash Functions", 2010), longer, and without its median, which flips would not leave alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int16]

WORDS = 4
"""A hash is four words of 64 bits: of even row and even column, even and odd, odd and even, odd and odd."""
SIDE = 32
"""Of the picture that is hashed."""

COARSE = np.uint64(sum(1 << (8 * row + column) for row in range(4) for column in range(4)))
"""In every word the bits of the lowest frequencies: the first four of its rows and columns."""
COARSE_BITS = 16

_WORD_BITS = 64
_KEPT = 16
_LEAST_SPREAD = 0.5
"""Grey levels (of 255): a picture whose cells spread less has nothing but noise to hash."""

_COSINES = np.cos(np.pi / SIDE * np.outer(np.arange(_KEPT), np.arange(SIDE) + 0.5))
"""Rows of the cosine transform (DCT-II); its scale changes no sign."""

TURNS: tuple[str, ...] = (
    *("", "flipped left-right", "flipped up-down", "turned by 180°"),
    *(
        "transposed",
        "turned by 90° clockwise",
        "turned by 90° counter-clockwise",
        "transposed along the other diagonal",
    ),
)
"""What is done to one picture to get another, by number: 1 flips left-right, 2 up-down, 4 transposes before that."""

# Words that a left-right flip inverts have odd columns, those of an up-down flip odd rows.
_INVERTED = np.array([[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1], [0, 1, 1, 0]], np.bool_)


def perceptual_hash(picture: npt.NDArray[Any]) -> Words:
    """Return the hash [4] of a grey picture [32, 32] in levels of 0 to 255; all zero where it is flat."""
    return np.asarray(perceptual_hashes(picture[None])[0])


def perceptual_hashes(pictures: npt.NDArray[Any]) -> Words:
    """Return the hashes [n, 4] of grey pictures [n, 32, 32]; see :func:`perceptual_hash`."""
    cells = np.asarray(pictures, np.float64)
    signs = _COSINES @ cells @ _COSINES.T > 0
    signs[:, 0, 0] = False
    by_parity = np.stack([signs[:, row::2, column::2] for row in (0, 1) for column in (0, 1)], axis=1)
    flat = cells.std(axis=(1, 2)) < _LEAST_SPREAD
    return np.where(flat[:, None], np.uint64(0), _packed(by_parity))


def is_flat(hashes: Words) -> npt.NDArray[np.bool_]:
    """[n], which of the hashes [n, 4] are of nothing: flat pictures, and such as could not be read."""
    return np.asarray(~hashes.any(axis=1))


def transposed(hashes: Words) -> Words:
    """The hashes [n, 4] of the transposed pictures."""
    bits = _unpacked(hashes).transpose(0, 1, 3, 2)
    return _packed(bits[:, [0, 2, 1, 3]])


def differing_bits(first: Words, second: Words) -> tuple[Counts, Counts]:
    """In how many bits pairs of hashes differ, when the second of each is flipped.

    Parameters
    ----------
    first, second : [n, 4] each.

    Returns
    -------
    all, coarse
        [4, n] each, by flip (the first four of TURNS): of all 255 bits, and of the 63 that stand for the lowest 8 x 8
        frequencies.
    """
    differing = np.ascontiguousarray((first ^ second).T)
    every = _by_flip(np.bitwise_count(differing).astype(np.int16), _WORD_BITS)
    return every, _by_flip(np.bitwise_count(differing & COARSE).astype(np.int16), COARSE_BITS)


def _by_flip(words: Counts, each: int) -> Counts:
    """Differing bits [4, n] after each flip, of those in each word [4, n]; a flip inverts ``each`` bits of a word."""
    total = np.zeros_like(words)
    for flip, inverted in enumerate(_INVERTED):
        for word, turned in zip(words, inverted, strict=True):
            total[flip] += each - word if turned else word
    return total


def _packed(bits: npt.NDArray[Any]) -> Words:
    packed = np.packbits(bits.reshape(*bits.shape[:-2], 64), axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64)[..., 0]


def _unpacked(hashes: Words) -> npt.NDArray[np.uint8]:
    """[n, 4, 8, 8] of 0 and 1."""
    octets = np.ascontiguousarray(hashes).astype("<u8").view(np.uint8).reshape(len(hashes), WORDS, 8)
    return np.unpackbits(octets, axis=-1, bitorder="little").reshape(len(hashes), WORDS, 8, 8)
