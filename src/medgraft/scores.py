"""Intervals and scores: what an evaluation says, and how it is written and read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.errors import RunError
from medgraft.files import write_text

LOWER_IS_BETTER: tuple[str, ...] = ("brier", "hd95_px", "assd_px", "hd95_mm", "assd_mm")


def lower_is_better(metric: str) -> bool:
    """Whether a metric, overall or of one class (``hd95_mm_liver``), is the better the lower it is."""
    return metric.startswith(tuple(f"{name}_" for name in LOWER_IS_BETTER)) or metric in LOWER_IS_BETTER


def decimals(*values: float) -> int:
    """How many decimals a value and its interval are shown with: 3, of ten or more 2, of a hundred or more 1."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 3 if largest < 10 else 2 if largest < 100 else 1


@dataclass(frozen=True)
class Interval:
    """A value with its interval and the number of images (or groups) behind it.

    Attributes
    ----------
    value : the mean over images, or a difference of means.
    low, high : the ends of the interval at ``level``; NaN where one image or group alone gives none.
    n : how many images the value rests on.
    level : confidence level, 0.95 unless told.
    """

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95

    def __str__(self) -> str:
        if math.isnan(self.value):
            return f"undefined (n={self.n})"
        if math.isnan(self.low) or math.isnan(self.high):
            return f"{self.brief()} (no interval, n={self.n})"
        return f"{self.brief()[:-1]}, n={self.n})"

    def brief(self) -> str:
        """The value and its interval, without n; the value alone where there is no interval."""
        places = decimals(self.value, self.low, self.high)
        if math.isnan(self.low) or math.isnan(self.high):
            return "undefined" if math.isnan(self.value) else f"{self.value:.{places}f}"
        return f"{self.value:.{places}f} ({self.low:.{places}f} to {self.high:.{places}f})"

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class Scores(Mapping[str, Mapping[str, Interval]]):
    """``{split: {metric: Interval}}``, with the splits as attributes too (``scores.test["dice"]``)."""

    splits: Mapping[str, Mapping[str, Interval]]

    def __getitem__(self, split: str) -> Mapping[str, Interval]:
        return self.splits[split]

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __len__(self) -> int:
        return len(self.splits)

    def __getattr__(self, split: str) -> Mapping[str, Interval]:
        if split.startswith("_") or split not in self.splits:
            raise AttributeError(f"no scores for the split {split!r}")
        return self.splits[split]

    def save(self, path: str | Path) -> None:
        """Write ``scores.json``; an undefined value is written as null, as JSON has no NaN."""
        plain = {s: {m: _plain(i) for m, i in metrics.items()} for s, metrics in self.splits.items()}
        write_text(path, json.dumps(plain, indent=2, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Scores:
        """Read ``scores.json``; raises RunError where it is not one."""
        try:
            raw = json.loads(Path(path).read_text(encoding="utf-8"))
            splits = {s: {m: _interval(v) for m, v in metrics.items()} for s, metrics in raw.items()}
        except FileNotFoundError:
            raise RunError(f"{path} is missing: its training has not ended. Go on with it by --resume.") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunError(f"{path} cannot be read as scores ({error}); train again with another --out.") from error
        return cls(splits)


def _plain(interval: Interval) -> dict[str, float | None]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(interval).items()}


def _interval(raw: Mapping[str, Any]) -> Interval:
    value, low, high = (math.nan if raw[key] is None else float(raw[key]) for key in ("value", "low", "high"))
    return Interval(value, low, high, int(raw["n"]), float(raw.get("level", 0.95)))


_TEXT = ("id", "image", "target", "group", "split", "predicted")


def read_predictions(path: Path) -> pd.DataFrame:
    """Read predictions.csv: columns of text as they stand (a patient may be called NA), the others as numbers.

    Raises
    ------
    OSError, ValueError
        Where the file cannot be read or is no such table.
    """
    numbers = [name for name in pd.read_csv(path, nrows=0).columns if name not in _TEXT]
    missing = {name: ["", "nan", "NaN"] for name in numbers}
    return pd.read_csv(path, dtype=dict.fromkeys(_TEXT, str), keep_default_na=False, na_values=missing)
