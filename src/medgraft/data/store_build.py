"""Decoding and resizing every file of a data set, in parallel, into the arrays of a pixel store."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medgraft.data.formats import at_once, file_of, image_size, read_image, read_mask
from medgraft.data.masks import MaskClasses
from medgraft.data.resize import resize_image, resize_mask
from medgraft.data.staging import reserve
from medgraft.errors import DataError
from medgraft.window import AUTO

Files = Sequence[tuple[str, str | None]]
Progress = Callable[[int, int], None]

_EIGHT_TO_SIXTEEN = 257  # takes 255 to 65535


@dataclass(frozen=True)
class Layout:
    """Shape and type of a store's arrays; one without masks (images with labels) has none of any size.

    ``window`` is what measured values were, or are to be, turned into pixels by.
    """

    count: int
    size: int
    channels: int
    dtype: str = "uint8"
    masked: bool = True
    window: str = AUTO

    @property
    def images(self) -> tuple[int, int, int, int]:
        """Shape of the images."""
        return self.count, self.size, self.size, self.channels

    @property
    def masks(self) -> tuple[int, int, int]:
        """Shape of the masks."""
        return (self.count, self.size, self.size) if self.masked else (self.count, 0, 0)

    @property
    def image_bytes(self) -> int:
        """Bytes of the images."""
        return math.prod(self.images) * np.dtype(self.dtype).itemsize

    @property
    def mask_bytes(self) -> int:
        """Bytes of the masks."""
        return math.prod(self.masks)

    @property
    def total_bytes(self) -> int:
        """Bytes of both."""
        return self.image_bytes + self.mask_bytes


class _DeepImageError(Exception):
    """An image of more than 8 bits turned up after 8-bit ones."""


@dataclass
class _Arrays:
    """What is being written; each row is written by one thread only."""

    images: npt.NDArray[Any]
    masks: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int32]
    foreground: npt.NDArray[np.float64]
    classes: MaskClasses | None
    values: dict[int, str] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)


def build(
    folder: Path,
    files: Files,
    layout: Layout,
    classes: MaskClasses | None,
    workers: int,
    progress: Progress | None,
) -> None:
    """Write the store of ``files`` (addresses of image and mask, or None for the mask) into ``folder``.

    ``classes`` None recognises binary masks once all have been read. Raises DataError with all unreadable
    files at once, and OSError where ``folder`` cannot be written.
    """
    try:
        arrays = _decode_all(folder, files, layout, classes, workers, progress)
    except _DeepImageError:
        layout = replace(layout, dtype="uint16")
        arrays = _decode_all(folder, files, layout, classes, workers, progress)
    if arrays.errors:
        raise DataError(_summary([arrays.errors[row] for row in sorted(arrays.errors)], len(files)))
    if not layout.masked:
        _finish(folder, arrays, layout, None)
        return
    meaning = classes or _recognise(arrays, files)
    if not arrays.foreground.any():
        raise DataError(
            f"all {len(files)} masks are empty (the rule is {meaning.rule}), so nothing can be learned; the "
            f"first is {files[0][1]}. Check the masks, or say what their values mean with --mask-values."
        )
    _finish(folder, arrays, layout, meaning)


def _decode_all(
    folder: Path,
    files: Files,
    layout: Layout,
    classes: MaskClasses | None,
    workers: int,
    progress: Progress | None,
) -> _Arrays:
    reserve(folder / "images.bin", layout.image_bytes)
    reserve(folder / "masks.bin", layout.mask_bytes)
    arrays = _Arrays(
        images=np.memmap(folder / "images.bin", layout.dtype, "r+", shape=layout.images),
        masks=mapped_masks(folder, layout, "r+"),
        sizes=np.zeros((layout.count, 2), np.int32),
        foreground=np.zeros(layout.count),
        classes=classes,
    )

    def one(row: int) -> None:
        try:
            _decode(arrays, row, *files[row], layout)
        except DataError as error:
            arrays.errors[row] = str(error)

    with ThreadPoolExecutor(workers) as pool:
        for done, _ in enumerate(pool.map(one, _by_turns(files, workers)), start=1):
            if progress is not None:
                progress(done, len(files))
    return arrays


def _by_turns(files: Files, workers: int) -> Sequence[int]:
    """The order of decoding: files of several pictures are taken some at a time and by turns.

    So each worker unpacks another volume, where in the order of the rows one would do so while the others wait for it;
    and no more of them are open than memory allows.
    """
    runs: dict[Path, list[int]] = {}
    for row, (image, _) in enumerate(files):
        runs.setdefault(file_of(image), []).append(row)
    if len(runs) == len(files):
        return range(len(files))
    together = at_once({file_of(address) for pair in files for address in pair if address}, workers)
    ordered = list(runs.values())
    chunks = (ordered[start : start + together] for start in range(0, len(ordered), together))
    return [row for chunk in chunks for turn in zip_longest(*chunk) for row in turn if row is not None]


def mapped_masks(folder: Path, layout: Layout, mode: Literal["r", "r+"]) -> npt.NDArray[np.uint8]:
    """Map the masks of a store; an empty file cannot be mapped, so without masks it is an empty array."""
    if not layout.masked:
        return np.zeros(layout.masks, np.uint8)
    return np.memmap(folder / "masks.bin", np.uint8, mode, shape=layout.masks)


def _decode(arrays: _Arrays, row: int, image_file: str, mask_file: str | None, layout: Layout) -> None:
    image = read_image(image_file, layout.channels, at_least=layout.size, window=layout.window)
    height, width = image_size(image_file)
    arrays.images[row] = _at_depth(resize_image(image, layout.size), arrays.images.dtype)
    arrays.sizes[row] = height, width
    if mask_file is not None:
        _decode_mask(arrays, row, image_file, mask_file, (height, width), layout.size)


def _decode_mask(arrays: _Arrays, row: int, image_file: str, mask_file: str, shape: tuple[int, int], size: int) -> None:
    mask = read_mask(mask_file)
    height, width = shape
    if mask.shape != (height, width):
        raise DataError(
            f"{image_file} is {width} x {height} pixels and its mask {mask_file} is {mask.shape[1]} x "
            f"{mask.shape[0]}; a mask must have its image's size, so draw "
            "it anew or take the pair out"
        )
    if arrays.classes is None:
        _note_values(arrays, mask, mask_file)
        # Values above 255 end in an error once all masks were read, so what is stored for them is never used.
        indices = np.minimum(mask, 255).astype(np.uint8)
    else:
        indices = arrays.classes.encode(mask, mask_file)
    arrays.foreground[row] = np.count_nonzero(indices) / indices.size
    arrays.masks[row] = resize_mask(indices, size)


def _at_depth(image: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if image.dtype == dtype:
        return image
    if dtype == np.uint8:
        raise _DeepImageError
    return np.asarray(image.astype(dtype) * dtype.type(_EIGHT_TO_SIXTEEN))


def _note_values(arrays: _Arrays, mask: npt.NDArray[Any], file: str) -> None:
    present = np.flatnonzero(np.bincount(mask.ravel())) if mask.dtype == np.uint8 else np.unique(mask)
    for value in present.tolist():
        arrays.values.setdefault(value, file)


def _recognise(arrays: _Arrays, files: Files) -> MaskClasses:
    """Turn the values stored so far into class indices, now that all values are known."""
    classes = MaskClasses.infer(set(arrays.values), dict(arrays.values))
    for row, (_, file) in enumerate(files):
        assert file is not None
        arrays.masks[row] = classes.encode(arrays.masks[row], file)
    return classes


def _finish(folder: Path, arrays: _Arrays, layout: Layout, classes: MaskClasses | None) -> None:
    for array in (arrays.images, arrays.masks):
        if isinstance(array, np.memmap):
            array.flush()
    np.save(folder / "sizes.npy", arrays.sizes)
    np.save(folder / "foreground.npy", arrays.foreground)
    about = {"layout": asdict(layout), "classes": classes.to_dict() if classes else None}
    (folder / "store.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _summary(errors: list[str], count: int) -> str:
    """All that went wrong; what is said of a file of several pictures is said once."""
    different = list(dict.fromkeys(errors))
    if len(different) == 1:
        return different[0]
    listed = "".join(f"\n  {error}" for error in different[:10])
    more = f"\n  and {len(different) - 10} more" if len(different) > 10 else ""
    return f"{len(errors)} of {count} images or masks cannot be used:{listed}{more}"
