"""Findings as plain dicts, lists, numbers and texts, which JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def as_plain(value: Any) -> Any:
    """Return a finding in the types of JSON: dataclasses and mappings become dicts, sequences and arrays lists.

    A number that is undefined (NaN) or infinite becomes None, as JSON has neither; so an interval looks as it does in
    ``scores.json``.

    Raises
    ------
    TypeError
        For a value that is no finding, such as an open file.
    """
    if isinstance(value, np.generic | np.ndarray):
        return as_plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no plain form")
