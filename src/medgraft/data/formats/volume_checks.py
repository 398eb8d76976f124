"""What is asked of every volume: three dimensions, true claims, and values that are numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from medgraft.data.formats.volume import Array
from medgraft.errors import DataError

_LARGEST = 8 << 30
PLAIN, DEFLATE, BZIP2 = 1, 1032, 1 << 21
"""So many bytes at most are packed into one: by deflate 258 bytes into 2 bits (RFC 1951); by bzip2 a block of 46 MB of
equal bytes into some 40."""


@contextmanager
def reading(file: Path, kind: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into one DataError that names it."""
    try:
        yield
    except DataError:
        raise
    except ImportError as error:
        raise DataError(f"{file}: {kind} files need the package {error.name}; install it, or take them out.") from None
    except FileNotFoundError as error:
        raise DataError(f"{error.filename or file}: no such file.") from None
    except MemoryError:
        raise DataError(f"{file}: is too large for the memory; crop it, or take it out.") from None
    except PermissionError as error:
        raise DataError(f"{file}: cannot be opened ({error.strerror}).") from None
    except Exception as error:
        # Damage shows itself in whatever way the reader's arithmetic fails on it.
        empty = file.exists() and file.stat().st_size == 0
        reason = "the file is empty (0 bytes)" if empty else f"cannot be read as {kind}, it is damaged or no such file"
        said = "" if empty else f" ({' '.join(str(error).split()) or type(error).__name__})"
        raise DataError(f"{file}: {reason}{said}; replace the file or take it out.") from error


def three_dimensions(shape: Sequence[int], least: int) -> list[int]:
    """``shape`` without further dimensions of 1."""
    kept = [int(n) for n in shape]
    while len(kept) > least and kept[-1] == 1:
        kept.pop()
    return kept


def check_shape(shape: Sequence[int], stored: Sequence[int], file: Path, advice: str) -> tuple[int, int, int]:
    """The three sides of a volume; raises DataError where there are more or fewer, or one of them is 0."""
    said = " x ".join(str(int(n)) for n in stored) or "nothing"
    if len(shape) != 3:
        raise DataError(f"{file}: holds {said}, which is no volume of 3 dimensions; {advice}.")
    if min(shape) < 1:
        raise DataError(f"{file}: holds {said} voxels, which is none; replace the file or take it out.")
    return int(shape[0]), int(shape[1]), int(shape[2])


def check_claim(file: Path, claimed: int, tightest: int, held: Path | None = None) -> None:
    """Refuse a file whose header claims more bytes than it (or ``held``) can hold, before memory is taken for them."""
    there = (held or file).stat().st_size
    if claimed > there * tightest:
        raise DataError(
            f"{file}: its header claims {claimed:,} bytes of voxels, and the file has {there:,} bytes, which cannot "
            "hold them; it is damaged or made to fill the memory. Replace the file or take it out."
        )
    if claimed > _LARGEST:
        raise DataError(
            f"{file}: {claimed:,} bytes of voxels are too many to look at (the most is {_LARGEST:,}); crop it."
        )


def check_numbers(voxels: Array, file: Path) -> None:
    """Refuse values that are no real numbers: complex ones, NaN, infinite ones."""
    if voxels.dtype.kind not in "iufb":
        raise DataError(f"{file}: holds values of the type {voxels.dtype}, and real numbers are wanted.")
    if voxels.dtype.kind != "f":
        return
    wrong = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
    if wrong:
        raise DataError(
            f"{file}: {wrong:,} of its {voxels.size:,} values are NaN or infinite; replace them by the value of the "
            "background (numpy.nan_to_num), or take the file out."
        )


def in_native_order(voxels: Array) -> Array:
    """The same values in the byte order of this machine; truth values as 0 and 1."""
    if voxels.dtype.kind == "b":
        return voxels.astype(np.uint8)
    return voxels.astype(voxels.dtype.newbyteorder("="), copy=False)
