"""Charts of an inspection: classes, sizes, brightness, images a group, foreground, shortcuts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from medgraft.audit.checks.balance import class_counts
from medgraft.audit.examined import Examined
from medgraft.audit.findings import Topic
from medgraft.data import SPLITS
from medgraft.report.drawing import Chart, Palette, draw_chart, finish, legend, series_name, short

_MOST_CLASSES = 20
_BINS = 30


def charts_of(examined: Examined, note: str = "") -> Mapping[Topic, Sequence[Chart]]:
    """The charts of each section."""
    found: dict[Topic, list[Chart | None]] = {
        "balance": [_classes(examined, note)],
        "files": [_sizes(examined, note)],
        "pixels": [_brightness(examined, note)],
        "groups": [_groups(examined, note)],
        "masks": [_foreground(examined, note)],
        "shortcuts": [_shortcuts(examined, note)],
    }
    return {topic: [chart for chart in charts if chart is not None] for topic, charts in found.items()}


def _classes(examined: Examined, note: str) -> Chart | None:
    """Images of each class, in each split where there are splits."""
    total = class_counts(examined)
    if not total:
        return None
    names = sorted(total, key=lambda name: -total[name])[:_MOST_CLASSES] if len(total) > _MOST_CLASSES else list(total)
    splits = [split for split in SPLITS if examined.splits is not None and (examined.splits == split).any()]
    parts = {split: class_counts(examined, split) for split in splits} or {"": total}

    def draw(axes: Axes, palette: Palette) -> None:
        places, left = np.arange(len(names))[::-1], np.zeros(len(names))
        for (split, counts), colour in zip(parts.items(), palette.series, strict=False):
            widths = np.array([counts[name] for name in names], float)
            axes.barh(places, widths, left=left, color=colour, height=0.7, label=split)
            left += widths
        axes.set_yticks(places, [short(series_name(name), 22) for name in names], parse_math=False)
        finish(axes, palette, "images", "")
        axes.tick_params(axis="y", labelcolor=palette.ink)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        if splits:
            legend(axes, palette, loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=len(splits))

    listed = ", ".join(f"{name} {total[name]}" for name in names)
    more = f"; the {_MOST_CLASSES} largest of {len(total)}" if len(total) > len(names) else ""
    height = max(1.8, 0.34 * len(names) + 1.0)
    title = "Images of each class"
    return draw_chart("classes", title, f"{title}: {listed}{more}.", draw, note, (5.0, height))


def _sizes(examined: Examined, note: str) -> Chart | None:
    """Width against height, the larger a point the more images have that size."""
    read = examined.scan.images[examined.scan.readable]
    sizes = read[["width", "height"]].value_counts()
    if len(sizes) < 2:
        return None
    width, height = (sizes.index.get_level_values(name).to_numpy() for name in ("width", "height"))

    def draw(axes: Axes, palette: Palette) -> None:
        area = 12 + 220 * sizes.to_numpy() / sizes.max()
        axes.scatter(width, height, s=area, color=palette.first, alpha=0.55, lw=0)
        finish(axes, palette, "width, pixels", "height, pixels")
        axes.margins(0.12)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))

    alt = (
        f"{len(sizes)} different sizes, from {width.min()} to {width.max()} pixels wide and {height.min()} to "
        f"{height.max()} high; {int(sizes.iloc[0])} images are {width[0]} by {height[0]}."
    )
    return draw_chart("sizes", "Sizes (a larger point: more images)", alt, draw, note)


def _brightness(examined: Examined, note: str) -> Chart | None:
    """Mean brightness of the images, by class where there are few."""
    readable = examined.scan.readable
    if readable.sum() < 2:
        return None
    mean = examined.scan.means.mean(axis=1, dtype=np.float64)
    low, high = max(0.0, mean[readable].min() - 0.05), min(1.0, mean[readable].max() + 0.05)
    classes = examined.manifest.classes
    parts = {"": mean[readable]}
    if classes is not None and not classes.multilabel and 2 <= classes.count <= 6:
        labels = np.asarray(examined.manifest.labels)
        parts = {name: mean[readable & (labels == k)] for k, name in enumerate(classes.names)}

    def draw(axes: Axes, palette: Palette) -> None:
        edges = np.linspace(low, high, _BINS + 1).tolist()
        for (name, values), colour in zip(parts.items(), palette.series, strict=False):
            if len(values):
                weights = np.full(len(values), 1 / len(values))
                kind: Literal["step", "stepfilled"] = "stepfilled" if len(parts) == 1 else "step"
                axes.hist(values, edges, weights=weights, histtype=kind, color=colour, lw=2, label=series_name(name))
        finish(axes, palette, "mean brightness (0 black, 1 white)", "share of images")
        axes.set_xlim(low, high)
        if len(parts) > 1:
            legend(axes, palette, loc="best")

    values = mean[readable]
    spread = f"from {values.min():.2f} to {values.max():.2f}, median {np.median(values):.2f}"
    alt = f"Mean brightness of the images, {spread}"
    by = ", by class" if len(parts) > 1 else ""
    return draw_chart("brightness", f"Brightness of the images{by}", f"{alt}{by}.", draw, note)


def _groups(examined: Examined, note: str) -> Chart | None:
    """How many groups have one image, two, and so on."""
    if examined.groups is None:
        return None
    sizes = pd.Series(examined.groups).value_counts()
    if sizes.max() < 2 or len(sizes) < 2:
        return None

    def draw(axes: Axes, palette: Palette) -> None:
        largest = int(sizes.max())
        step = -(-largest // _BINS)
        edges = np.arange(0.5, largest + step + 0.5, step).tolist()
        axes.hist(sizes, edges, color=palette.first, rwidth=0.9)
        finish(axes, palette, "images of a group (patient)", "groups")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))

    alt = f"{len(sizes)} groups with 1 to {int(sizes.max())} images each, {sizes.median():g} in the median."
    return draw_chart("groups", "Images a group", alt, draw, note)


def _foreground(examined: Examined, note: str) -> Chart | None:
    """How much of the image the masks cover."""
    masks = examined.scan.masks
    if masks is None or not (masks["error"] == "").any():
        return None
    share = masks["foreground"][masks["error"] == ""].to_numpy(np.float64)

    def draw(axes: Axes, palette: Palette) -> None:
        axes.hist(share, np.linspace(0, 1, _BINS + 1).tolist(), color=palette.first, rwidth=0.92)
        finish(axes, palette, "share of the image that is outlined", "masks")
        axes.set_xlim(0, 1)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))

    spread = f"{share.min():.1%} to {share.max():.1%} of their images, {np.median(share):.1%} in the median"
    alt = f"The masks cover {spread}."
    return draw_chart("foreground", "Foreground of the masks", alt, draw, note)


def _shortcuts(examined: Examined, note: str) -> Chart | None:
    """How well the label can be guessed from each family of traits."""
    judged = sorted((s for s in examined.shortcuts if not s.reason), key=lambda s: s.auc.value)
    if not judged:
        return None

    def draw(axes: Axes, palette: Palette) -> None:
        for place, found in enumerate(judged):
            colour = palette.second if found.beyond_chance else palette.first
            axes.plot([found.auc.low, found.auc.high], [place, place], color=colour, lw=2.5, solid_capstyle="round")
            axes.plot([found.auc.value], [place], "o" if found.beyond_chance else "D", color=colour, ms=7)
        axes.axvline(0.5, color=palette.muted, lw=1, ls=":")
        axes.set_yticks(range(len(judged)), [found.family for found in judged], parse_math=False)
        finish(axes, palette, "AUC of guessing the label (0.5: chance)", "")
        axes.tick_params(axis="y", labelcolor=palette.ink)
        axes.set_xlim(min(0.4, *(found.auc.low for found in judged)) - 0.02, 1.02)
        axes.set_ylim(-0.6, len(judged) - 0.4)

    alt = "; ".join(f"{s.family} {s.auc.value:.2f} ({s.auc.low:.2f} to {s.auc.high:.2f})" for s in reversed(judged))
    height = max(1.8, 0.34 * len(judged) + 1.0)
    title = "What the label can be guessed from (round, orange: beyond chance)"
    return draw_chart("shortcuts", title, f"AUC of guessing the label from {alt}.", draw, note, (5.6, height))
