"""What the values of a mask mean: an explicit rule from values to classes, shown to the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.errors import DataError, RecipeError, listing

_LARGEST = 65535


@dataclass(frozen=True)
class MaskClasses:
    """Classes of a mask and the values that stand for each.

    Attributes
    ----------
    names : class names; index 0 is the background.
    ranges : ``(low, high, class index)``, both ends included, none overlapping; at least one for each class.
    """

    names: tuple[str, ...]
    ranges: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.names) <= 256 or len(set(self.names)) != len(self.names):
            raise RecipeError(f"mask values: between 2 and 256 different classes are wanted, got {self.names}.")
        if {index for _, _, index in self.ranges} != set(range(len(self.names))):
            raise RecipeError("mask values: every class needs at least one value.")
        ordered = sorted(self.ranges)
        for low, high, _ in ordered:
            if not 0 <= low <= high <= _LARGEST:
                raise RecipeError(f"mask values: {low}-{high} is no range within 0 to {_LARGEST}.")
        for (_, high, _), (low, _, _) in pairwise(ordered):
            if low <= high:
                raise RecipeError(f"mask values: {low} is given twice.")

    @classmethod
    def from_option(cls, mapping: Mapping[str, str]) -> MaskClasses:
        """Read the option ``mask_values``: ``{"0": "background", "255": "lesion"}``, ranges as ``"0-127"``.

        Classes keep the order of their first mention, after the background: the class of that name, or else
        the one that holds the value 0. Raises RecipeError where neither exists or a value is malformed.
        """
        spans = [(*_span(key), name) for key, name in mapping.items()]
        names = list(dict.fromkeys(mapping.values()))
        zero = [name for low, high, name in spans if low <= 0 <= high]
        if "background" not in names and not zero:
            raise RecipeError("mask values: which is the background? Name one class background, or map the value 0.")
        background = "background" if "background" in names else zero[0]
        names.sort(key=lambda name: name != background)
        return cls(tuple(names), tuple((low, high, names.index(name)) for low, high, name in spans))

    @classmethod
    def infer(cls, values: set[int], example_of: Mapping[int, str | Path]) -> MaskClasses:
        """Recognise binary masks of 0/255 or 0/1; anything else has to be said.

        Parameters
        ----------
        values : all values found in all masks.
        example_of : for each value, a file that holds it (named in the error).

        Raises
        ------
        DataError
            When the values are neither within {0, 255} nor within {0, 1}, or lack the background 0.
        """
        found = {int(value) for value in values}
        if 0 in found and found <= {0, 255}:
            return cls(("background", "foreground"), ((0, 0, 0), (255, 255, 1)))
        if found == {0, 1}:
            return cls(("background", "foreground"), ((0, 0, 0), (1, 1, 1)))
        seen = listing(f"{value} ({Path(example_of[value]).name})" for value in sorted(found))
        raise DataError(
            f"the masks hold the values {seen}, which are neither 0/255 nor 0/1, so their meaning has to be "
            f"said. Map them, for example --mask-values {_example(sorted(found))}"
        )

    @property
    def count(self) -> int:
        """Number of classes, background included."""
        return len(self.names)

    @property
    def outputs(self) -> int:
        """Logits a pixel: 1 for a single structure on its background, else one a class."""
        return 1 if self.count == 2 else self.count

    @property
    def rule(self) -> str:
        """The rule in words, as ``0 = background, 255 = foreground``."""
        spans = (f"{low}-{high}" if low < high else str(low) for low, high, _ in self.ranges)
        return ", ".join(f"{span} = {self.names[i]}" for span, (_, _, i) in zip(spans, self.ranges, strict=True))

    def encode(self, mask: npt.NDArray[Any], path: str | Path) -> npt.NDArray[np.uint8]:
        """Return class indices for the values of ``mask``, same shape; ``path`` is named in the DataError."""
        low, high = (int(mask.min()), int(mask.max())) if mask.size else (0, 0)
        indices = self._table[mask] if low >= 0 and high < len(self._table) else None
        if indices is not None and (indices >= 0).all():
            return np.asarray(indices, np.uint8)
        strangers = [int(v) for v in np.unique(mask) if not any(lo <= v <= hi for lo, hi, _ in self.ranges)]
        raise DataError(
            f"{path}: nobody mapped the mask values {listing(strangers)} (the rule is {self.rule}). "
            f"Map them, for example --mask-values {self._option(strangers)}"
        )

    def decode(self, indices: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a mask to save, with one value for each class.

        That is the lowest value of the background's first range and the highest of any other class's. uint8,
        or uint16 where one of these values is above 255; ``encode`` gives the indices back.
        """
        values = [0] * self.count
        for low, high, index in reversed(self.ranges):
            values[index] = high if index else low
        table = np.array(values, np.uint8 if max(values) <= 255 else np.uint16)
        return np.asarray(table[indices])

    def to_dict(self) -> dict[str, Any]:
        """Plain types that JSON can hold; :meth:`from_dict` reads them back."""
        return {"names": list(self.names), "ranges": [list(span) for span in self.ranges]}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> MaskClasses:
        """Read what :meth:`to_dict` wrote."""
        ranges = tuple((int(low), int(high), int(index)) for low, high, index in raw["ranges"])
        return cls(tuple(raw["names"]), ranges)

    @cached_property
    def _table(self) -> npt.NDArray[np.int16]:
        """Class index by value; -1 where nothing is mapped."""
        table = np.full(max(256, max(high for _, high, _ in self.ranges) + 1), -1, np.int16)
        for low, high, index in self.ranges:
            table[low : high + 1] = index
        return table

    def _option(self, strangers: list[int]) -> str:
        known = [
            f"{low}-{high}={self.names[i]}" if low < high else f"{low}={self.names[i]}" for low, high, i in self.ranges
        ]
        return ",".join([*known, *(f"{value}={self.names[-1]}" for value in strangers[:3])])


def _span(key: str) -> tuple[int, int]:
    low, dash, high = str(key).strip().partition("-")
    try:
        return int(low), int(high if dash else low)
    except ValueError:
        raise RecipeError(f"mask values: {key!r} is neither a value (255) nor a range (0-127).") from None


def _example(values: list[int]) -> str:
    """Grey levels all over suggest a lossy binary mask; few values suggest classes."""
    if len(values) > 8:
        return "0-127=background,128-255=foreground"
    rest = [value for value in values if value != 0]
    names = [f"{v}=foreground" for v in rest] if len(rest) == 1 else [f"{v}=class{i}" for i, v in enumerate(rest, 1)]
    return ",".join(["0=background", *names])
