"""The words of a report: names and meanings of metrics, plain verdicts, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medgraft.errors import RecipeError, listing, suggest
from medgraft.scores import Interval, decimals

# Below this Dice the outline has to be redrawn by hand rather than corrected.
POOR = 0.7

_METRICS: dict[str, tuple[str, str]] = {
    "dice": ("Dice", "Overlap of predicted and reference area, from 0 (none) to 1 (identical)."),
    "jaccard": ("Jaccard (IoU)", "Shared area divided by the area covered by either; stricter than Dice."),
    "sensitivity": ("Sensitivity", "Share of the reference area that was found."),
    "specificity": ("Specificity", "Share of the background that was rightly left out."),
    "thresholded_jaccard": (
        "Thresholded Jaccard",
        "Jaccard that counts as 0 below 0.65, so that failures are not averaged away (ISIC challenge).",
    ),
    "hd95_px": (
        "HD95 (pixels)",
        "How far the outlines lie apart where they are worst, leaving out the worst 5%; lower is better. A miss counts "
        "as the image's diagonal.",
    ),
    "assd_px": (
        "Surface distance (pixels)",
        "How far the outlines lie apart on average (ASSD); lower is better. A miss counts as the image's diagonal.",
    ),
    "boundary_dice_px": ("Boundary Dice (2 pixels)", "Share of both outlines that lies within 2 pixels of the other."),
    "hd95_mm": (
        "HD95 (mm)",
        "How far the outlines lie apart where they are worst, leaving out the worst 5%; lower is better. A miss counts "
        "as the image's diagonal.",
    ),
    "assd_mm": (
        "Surface distance (mm)",
        "How far the outlines lie apart on average (ASSD); lower is better. A miss counts as the image's diagonal.",
    ),
    "boundary_dice_mm": ("Boundary Dice (2 mm)", "Share of both outlines that lies within 2 mm of the other."),
    "structure_f1": (
        "F1 of structures",
        "Separate structures found (IoU above 0.5) against those missed and those that are not there.",
    ),
    "loose_structure_f1": ("F1 of structures, loosely", "The same where an IoU above 0.1 is enough to be found."),
    "panoptic_quality": ("Panoptic quality", "F1 of structures times the mean IoU of those found."),
    "auc": ("AUC", "How often an image with the finding is ranked above one without: 0.5 is guessing, 1 is perfect."),
    "average_precision": (
        "Average precision",
        "Precision averaged over all recalls; guessing gives the share of images that have the finding.",
    ),
    "accuracy": ("Accuracy", "Share of images that are named rightly; large classes count most."),
    "balanced_accuracy": ("Balanced accuracy", "Share that is named rightly, averaged so that classes count the same."),
    "macro_recall": ("Macro recall", "Share of each class that is found, averaged over classes."),
    "macro_f1": ("Macro F1", "Harmonic mean of precision and recall, averaged over classes."),
    "kappa": ("Weighted kappa", "Agreement beyond chance, far misses weigh more (quadratic); for classes in an order."),
    "brier": ("Brier score", "Squared error of the probabilities: 0 is perfect, lower is better."),
    "ece": ("Expected calibration error", "How far probabilities lie from what comes true; lower is better."),
    "classwise_ece": ("Calibration error by class", "The same of each class's own probability, averaged over classes."),
    "nll": ("Log loss", "Negative log-likelihood of the truth: lower is better; sure mistakes cost most."),
    "ppv": ("PPV", "Of the images that are flagged, the share that have the finding."),
    "npv": ("NPV", "Of the images that are not flagged, the share that do not have it."),
    "recall": ("Recall", "Share of the images with the finding that are found."),
    "f1": ("F1", "Harmonic mean of precision and recall."),
}
_DISTANCES = ("hd95_", "assd_")
_SPLITS = {"train": "training", "val": "validation", "test": "test"}


def metric_name(metric: str) -> str:
    """A metric's name for a table: ``dice`` is "Dice", ``dice_nucleus`` is "Dice · nucleus"."""
    if metric in _METRICS:
        return _METRICS[metric][0]
    base, class_name = _of_class(metric)
    return f"{_METRICS[base][0]} · {class_name}" if base else metric.replace("_", " ")


def spoken(metric: str) -> str:
    """A metric's name inside a sentence: ``balanced accuracy``, ``AUC``."""
    name = metric_name(metric)
    return name if name[:2].isupper() or name[1:2].isdigit() else name[:1].lower() + name[1:]


def metric_meaning(metric: str) -> str:
    """What a metric says, in one line; empty for one that this report does not know."""
    if metric in _METRICS:
        return _METRICS[metric][1]
    base, class_name = _of_class(metric)
    return f"{_METRICS[base][0]} of the class {class_name} alone." if base else ""


def refuse_unknown_metric(metric: str | None) -> None:
    """Raise RecipeError for what is no score, overall or of one class (``auc_Edema``), before hours are spent on it."""
    if metric is not None and not metric_meaning(metric):
        raise RecipeError(f"metric: no score {metric!r}; there are {listing(_METRICS, 40)}.{suggest(metric, _METRICS)}")


def of_one_class(metric: str) -> bool:
    """Whether a metric is that of one class alone, as ``dice_nucleus``."""
    return metric not in _METRICS and bool(_of_class(metric)[0])


def is_distance(metric: str) -> bool:
    """Whether a metric is a length and not a share from 0 to 1."""
    return metric.startswith(_DISTANCES)


def _of_class(metric: str) -> tuple[str, str]:
    known = sorted(_METRICS, key=len, reverse=True)
    base = next((name for name in known if metric.startswith(name + "_")), "")
    return base, metric[len(base) + 1 :]


def split_name(split: str) -> str:
    """``val`` as "validation", and so on."""
    return _SPLITS.get(split, split)


def interval(value: Interval | Mapping[str, Any] | None) -> str:
    """A value with its interval, ``0.894 (0.873 to 0.912)``; "undefined" where there is none."""
    found = bounds(value)
    if not found:
        return "undefined"
    return f"{found[0]:.{decimals(*found)}f} ({ends(value) or 'no interval'})"


def signed_interval(value: Interval | Mapping[str, Any] | None) -> str:
    """A difference with its interval, ``+0.177 (+0.141 to +0.214)``, with a true minus sign."""
    found, limits = bounds(value), limits_of(value)
    if not found:
        return "undefined"
    places = decimals(*found)
    between = f"{limits[0]:+.{places}f} to {limits[1]:+.{places}f}" if limits else "no interval"
    return f"{found[0]:+.{places}f} ({between})".replace("-", "−")


def ends(value: Interval | Mapping[str, Any] | None) -> str:
    """The ends of an interval, ``0.873 to 0.912``; empty where there are none."""
    limits, found = limits_of(value), bounds(value)
    places = decimals(*(found or ()), *(limits or ()))
    return f"{limits[0]:.{places}f} to {limits[1]:.{places}f}" if limits else ""


def limits_of(value: Interval | Mapping[str, Any] | None) -> tuple[float, float] | None:
    """The ends of an interval as numbers; None where either is missing."""
    if value is None:
        return None
    low, high = (value.low, value.high) if isinstance(value, Interval) else (value.get("low"), value.get("high"))
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return None
    return float(low), float(high)


def decimal(value: float | None) -> str:
    """A score without an interval, ``0.894``; a dash where it is undefined."""
    return "–" if value is None or math.isnan(value) else f"{value:.{decimals(value)}f}"


def signed(value: float | None) -> str:
    """A difference, ``+0.017``, with a true minus sign; a dash where it is undefined."""
    return "–" if value is None or math.isnan(value) else f"{value:+.{decimals(value)}f}".replace("-", "−")


def p_value(value: float | None) -> str:
    """A p value as people read it: ``0.034``, ``< 0.001``."""
    if value is None or math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def bounds(value: Interval | Mapping[str, Any] | None) -> tuple[float, float, float] | None:
    """Value, low and high as numbers; None where the value is missing or not a number."""
    if value is None:
        return None
    raw = (
        (value.value, value.low, value.high)
        if isinstance(value, Interval)
        else (value.get("value"), value.get("low"), value.get("high"))
    )
    if raw[0] is None or math.isnan(raw[0]):
        return None
    middle = float(raw[0])
    low, high = (middle if end is None or math.isnan(end) else float(end) for end in raw[1:])
    return middle, low, high


def count(number: float | None) -> str:
    """A count as people read it: ``928``, ``4.1 M``; a dash where it is not known."""
    if number is None:
        return "–"
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= factor:
            return f"{number / (1e3 if unit == 'k' else factor):.1f} {unit}"
    return f"{number:,.0f}"


def duration(seconds: float | None) -> str:
    """A time as people read it: ``2.1 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds is None:
        return "–"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def rate(value: float | None) -> str:
    """A learning rate; a dash where a part does not learn."""
    return f"{value:.3g}" if value else "–"


def speed(ratio: float | None) -> str:
    """Seconds before over seconds after, in words: ``4.2× faster``, ``1.3× slower``."""
    if not ratio:
        return "–"
    return f"{ratio:.1f}× faster" if ratio >= 1 else f"{1 / ratio:.1f}× slower"


def agreement(dice: float) -> str:
    """One adverb for a mean Dice: very closely (0.9 and above), well (0.8), moderately (0.7), or poorly."""
    for limit, word in ((0.9, "very closely"), (0.8, "well"), (POOR, "moderately")):
        if dice >= limit:
            return word
    return "poorly"


def verdict(split: str, score: Interval | None, dice: Sequence[float]) -> str:
    """One sentence a clinician can act on: how well, on how many images, how sure, and how often not."""
    found = bounds(score)
    if score is None or found is None:
        return "This run has no Dice score yet, so nothing can be said of how well it outlines."
    images = f"{score.n} {split_name(split)} {'image' if score.n == 1 else 'images'}"
    sentence = (
        f"On {images} {part_in_training(split)}, the model's outlines match the reference outlines "
        f"{agreement(found[0])}: mean Dice {found[0]:.3f} (95% interval {found[1]:.3f} to {found[2]:.3f}; "
        "1 is a perfect match)"
    )
    poor = sum(value < POOR for value in dice)
    if not dice:
        return sentence + "."
    if poor == 0:
        return f"{sentence}, and none of them falls below {POOR}."
    which = "1 image" if poor == 1 else f"{poor} images"
    return f"{sentence}, but on {which} ({poor / len(dice):.0%}) it is below {POOR} and would need redrawing."


def part_in_training(split: str) -> str:
    """What a split's images had to do with training, as a clause."""
    return "that played no part in training" if split == "test" else _CAUTION.get(split, "")


_CAUTION = {
    "val": "that also chose when to stop, so the truth is likely a little worse",
    "train": "that it was trained on, so this says nothing about new images",
}
