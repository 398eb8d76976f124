"""What a data set holds, in numbers: images, classes, groups, splits, formats, sizes, brightness, outlines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from medgraft.audit.checks.balance import class_counts
from medgraft.audit.examined import Examined
from medgraft.data import SPLITS
from medgraft.errors import counted


def summarise(examined: Examined) -> dict[str, Any]:
    """The numbers, as plain types; parts that the data does not have are left out."""
    manifest, scan = examined.manifest, examined.scan
    read = scan.images[scan.readable]
    found: dict[str, Any] = {
        "name": manifest.name,
        "root": manifest.name if manifest.withheld else str(manifest.root),
        "task": manifest.task,
        "images": len(manifest),
        "readable": int(scan.readable.sum()),
        "formats": _counts(read["format"]),
        "bits": _counts(read["bits"]),
        "colour": {"grey": int(read["grey"].sum()), "colour": int((~read["grey"].astype(bool)).sum())},
        "sizes": _sizes(read),
        "mean": _rounded(scan.channel_mean),
        "std": _rounded(scan.channel_std),
    }
    if examined.splits is not None:
        found["splits"] = {split: int((examined.splits == split).sum()) for split in SPLITS}
    if manifest.classes is not None:
        found["classes"] = class_counts(examined)
        found["multilabel"] = manifest.classes.multilabel
        if examined.splits is not None:
            found["classes_by_split"] = {split: class_counts(examined, split) for split in SPLITS}
    if examined.groups is not None:
        sizes = pd.Series(examined.groups).value_counts()
        found["groups"] = {
            "count": len(sizes),
            "median": float(sizes.median()),
            "largest": int(sizes.max()),
            "images_per_group": _counts(sizes),
        }
    if scan.masks is not None:
        found["masks"] = _masks(scan.masks)
    return found


def headline(summary: dict[str, Any]) -> str:
    """The first line of an inspection: images, classes, patients, depth and sizes."""
    parts = [counted(summary["images"], "image")]
    if summary["task"] == "segmentation":
        parts[0] += " with masks" if summary["images"] != 1 else " with a mask"
    classes = summary.get("classes", {})
    if classes:
        most = sorted(classes.items(), key=lambda pair: -pair[1])[:6] if len(classes) > 6 else list(classes.items())
        listed = ", ".join(f"{name} {count:,}" for name, count in most)
        more = f" and {len(classes) - 6} more" if len(classes) > 6 else ""
        parts.append(f"{counted(len(classes), 'class', 'classes')} ({listed}{more})")
    if "groups" in summary:
        parts.append(counted(summary["groups"]["count"], "patient"))
    if "splits" in summary:
        parts.append(", ".join(f"{count:,} {split}" for split, count in summary["splits"].items() if count))
    return " · ".join([*parts, *_pixels(summary)])


def _pixels(summary: dict[str, Any]) -> list[str]:
    if not summary["readable"]:
        return []
    bits = " and ".join(f"{bits}-bit" for bits in sorted(summary["bits"], key=int))
    colours = " and ".join(name for name, count in summary["colour"].items() if count)
    sizes = summary["sizes"]
    low, high = (" x ".join(map(str, sizes[end])) for end in ("smallest", "largest"))
    return [f"{bits} {colours}, {low if low == high else f'{low} to {high}'}"]


def _sizes(read: pd.DataFrame) -> dict[str, Any]:
    """Smallest and largest by area, as width and height; how many there are; and how often the commonest."""
    if read.empty:
        return {}
    sizes = read[["width", "height"]].value_counts()
    by_area = sorted(sizes.index, key=lambda size: (size[0] * size[1], size))
    most = [int(side) for side in sizes.index[0]]
    return {
        "smallest": [int(side) for side in by_area[0]],
        "largest": [int(side) for side in by_area[-1]],
        "different": len(sizes),
        "commonest": most,
        "of_commonest": int(sizes.iloc[0]),
    }


def _masks(masks: pd.DataFrame) -> dict[str, Any]:
    read = masks[masks["error"] == ""]
    share = read["foreground"].to_numpy(np.float64)
    values = sorted({int(value) for found in read["values"] for value in found})
    found: dict[str, Any] = {"readable": len(read), "empty": int((share == 0).sum()), "values": values}
    if len(share):
        found["foreground"] = dict(
            zip(
                ("min", "p25", "median", "p75", "max"),
                _rounded(np.quantile(share, (0, 0.25, 0.5, 0.75, 1))),
                strict=True,
            )
        )
    return found


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}


def _rounded(values: Any) -> list[float | None]:
    """Four digits; null where there is no number, as JSON has no NaN."""
    return [None if np.isnan(value) else round(float(value), 4) for value in values]
