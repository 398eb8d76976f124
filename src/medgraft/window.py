"""What the option ``window`` may say: which measured values become black and which white."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

AUTO = "auto"
AUTO_PERCENTILES = (0.5, 99.5)
"""What ``percentile`` stands for, and ``auto`` where a file with measured values asks for no window of its own."""

SYNTAX = (
    "a window is auto, full, percentile, a range of percentiles (1-99), CENTRE/WIDTH in the file's units (40/400), or "
    "one of the windows that a DICOM file names, by number (2) or name (LUNG)"
)

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_CENTRE_WIDTH = re.compile(rf"({_NUMBER})\s*/\s*({_NUMBER})")
_PERCENTILES = re.compile(r"(\d+(?:\.\d+)?)%?\s*-\s*(\d+(?:\.\d+)?)%?")
_OWN_NUMBER = re.compile(r"#?([1-9]\d{0,3})")


@dataclass(frozen=True)
class WindowOption:
    """The option, read; all as it is by default is ``auto``.

    Attributes
    ----------
    centre_width : this centre and width, in the units of the values; the width is above 0.
    percentiles : from this percentile of a picture's values to that one.
    own : one of the windows that the file itself names, by number (from 1) or by name.
    full : all values that the file can hold.
    """

    centre_width: tuple[float, float] | None = None
    percentiles: tuple[float, float] | None = None
    own: int | str | None = None
    full: bool = False

    @classmethod
    def parse(cls, text: str) -> WindowOption:
        """Read ``auto``, ``full``, ``percentile``, ``1-99``, ``40/400``, ``2`` (or ``#2``) or ``LUNG``.

        Case does not matter. Raises ValueError, in one sentence, for anything else.
        """
        text = " ".join(text.split())
        word = text.lower()
        if word == AUTO:
            return cls()
        if word == "full":
            return cls(full=True)
        if word == "percentile":
            return cls(percentiles=AUTO_PERCENTILES)
        if (pair := _CENTRE_WIDTH.fullmatch(text)) and float(pair[2]) > 0:
            return cls(centre_width=(float(pair[1]), float(pair[2])))
        if (pair := _PERCENTILES.fullmatch(text)) and float(pair[1]) < float(pair[2]) <= 100:
            return cls(percentiles=(float(pair[1]), float(pair[2])))
        if own := _OWN_NUMBER.fullmatch(text):
            return cls(own=int(own[1]))
        if text[:1].isalpha() and "/" not in text:
            return cls(own=text)
        raise ValueError(SYNTAX)


def checked_window(value: Any) -> Any:
    """Return what was given for the option as text, raising ValueError where :class:`WindowOption` cannot read it.

    A bare number, as YAML reads ``window: 2``, is one of the file's own windows.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str):
        WindowOption.parse(text)
    return text
