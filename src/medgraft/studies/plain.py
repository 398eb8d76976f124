"""Findings of a study as plain values that JSON can hold, and what its cells know of their data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from medgraft.errors import RunError
from medgraft.studies.folder import Study


def finite(value: Any) -> Any:
    """The same with None for every number that JSON has no word for."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def is_synthetic(study: Study, cells: pd.DataFrame) -> bool:
    """Whether the images were generated, as the first finished cell knows of its data."""
    for name in cells.loc[cells["status"] == "finished", "id"]:
        try:
            return bool(study.run(str(name)).environment.get("data", {}).get("synthetic", False))
        except RunError:
            continue
    return False
