"""What a classification report says in words: the verdict and the cautions beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from medgraft.errors import listing
from medgraft.report.label_table import LabelTable
from medgraft.report.wording import part_in_training, split_name
from medgraft.scores import Interval

# Fewer images than this say little, whatever the score; of one class, or in all.
FEW_OF_A_CLASS = 10
FEW_IMAGES = 50

_UNKNOWN = Interval(math.nan, math.nan, math.nan, 0)


def headline_metric(table: LabelTable) -> str:
    """The score that a verdict speaks of: balanced accuracy for more than two exclusive classes, else AUC."""
    return "balanced_accuracy" if table.classes.kind == "multiclass" else "auc"


def opening(table: LabelTable, split: str, who: str) -> str:
    """On how many images of how many groups a verdict rests, and what those had to do with training."""
    images = f"{len(table)} {split_name(split)} {'image' if len(table) == 1 else 'images'}"
    of = f" of {table.group_count} {who}" if table.grouped and len(table) else ""
    return f"On {images}{of} {part_in_training(split)}"


def label_verdict(table: LabelTable, scores: Mapping[str, Interval], start: str, threshold: float) -> list[str]:
    """One sentence or two a clinician can act on.

    Parameters
    ----------
    scores : of the split that the table holds, by metric.
    start : how the first sentence begins; see :func:`opening`.
    threshold : probability from which an image counts as positive.
    """
    metric = headline_metric(table)
    score = scores.get(metric, _UNKNOWN)
    if not len(table):
        return ["This run has no scored images yet, so nothing can be said of how well it classifies."]
    if math.isnan(score.value):
        return [f"{start}, the scores are undefined: images of every class are needed to say how well it classifies."]
    words = {"binary": _binary, "multiclass": _multiclass, "multilabel": _multilabel}[table.classes.kind]
    return words(table, scores, start, score, threshold)


def _binary(
    table: LabelTable, scores: Mapping[str, Interval], start: str, score: Interval, threshold: float
) -> list[str]:
    other, finding = table.classes.names
    found, spared = (_recall(table, scores, name) for name in (finding, other))
    alarms = Interval(1 - spared.value, 1 - spared.high, 1 - spared.low, spared.n)
    return [
        f"{start}, the model gives an image with {finding} a higher probability than one without it in "
        f"{_hundred(score.value)} of 100 pairs (AUC {_bracketed(score)}).",
        f"At the threshold of {threshold:.3g} it finds {_of_hundred(found)} images with {finding} and wrongly flags "
        f"{_of_hundred(alarms)} without it ({other}).",
    ]


def _multiclass(
    table: LabelTable, scores: Mapping[str, Interval], start: str, score: Interval, threshold: float
) -> list[str]:
    names = table.classes.names
    sentences = [
        f"{start}, the model names the right class for {_hundred(score.value)} of 100 images where every class counts "
        f"the same (balanced accuracy {_bracketed(score)}); guessing gives {_hundred(1 / len(names))}."
    ]
    recalls = {name: _recall(table, scores, name).value for name in names if name not in table.missing()}
    if len(recalls) > 1 and min(recalls.values()) < max(recalls.values()):
        best, worst = max(recalls, key=recalls.__getitem__), min(recalls, key=recalls.__getitem__)
        index = names.index(worst)
        taken = table.decided[table.truth[:, index]].sum(axis=0)
        taken[index] = 0
        sentences.append(
            f"It finds {best} most often ({_hundred(recalls[best])} of 100) and {worst} least "
            f"({_hundred(recalls[worst])} of 100), which it mostly takes for {names[int(taken.argmax())]}."
        )
    return sentences


def _multilabel(
    table: LabelTable, scores: Mapping[str, Interval], start: str, score: Interval, threshold: float
) -> list[str]:
    names = table.classes.names
    known = {name: scores.get(f"auc_{name}", _UNKNOWN).value for name in names}
    known = {name: value for name, value in known.items() if not math.isnan(value)}
    sentences = [
        f"{start}, the model gives an image with a label a higher probability than one without it in "
        f"{_hundred(score.value)} of 100 pairs, averaged over {len(names)} labels (AUC {_bracketed(score)})."
    ]
    ranks = ""
    if len(known) > 1:
        best, worst = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
        ranks = f"It ranks {best} best (AUC {known[best]:.3f}) and {worst} worst ({known[worst]:.3f}). "
    share = _hundred(float(table.outcomes.correct.mean()))
    return [*sentences, f"{ranks}At the threshold of {threshold:.3g} all labels are right on {share} of 100 images."]


def cautions(table: LabelTable, scores: Mapping[str, Interval], split: str) -> list[str]:
    """What a reader must bear in mind before believing the verdict."""
    kind, images = split_name(split), len(table)
    said = []
    if missing := table.missing():
        said.append(f"No {kind} image has {listing(missing)}: nothing is known of how well that is found.")
    counts = {name: int(n) for name, n in zip(table.classes.names, table.truth.sum(axis=0), strict=True)}
    few = {name: count for name, count in counts.items() if 0 < count < FEW_OF_A_CLASS}
    if few:
        who = listing(f"{name} ({count})" for name, count in few.items())
        least = 100 / max(few.values())
        said.append(f"Few {kind} images have {who}: one image moves its recall by {least:.0f} points of 100 or more.")
    if 0 < images < FEW_IMAGES:
        said.append(f"Only {images} images were scored: go by the intervals, not by the values alone.")
    score = scores.get(headline_metric(table), _UNKNOWN)
    chance = 1 / table.classes.count if table.classes.kind == "multiclass" else 0.5
    if score.low <= chance <= score.high:
        said.append(f"The interval holds {chance:.2g}, as guessing scores: nothing shows that the model does better.")
    elif score.high < chance:
        said.append("The model does worse than guessing: are the classes swapped?")
    return said


def _recall(table: LabelTable, scores: Mapping[str, Interval], name: str) -> Interval:
    """The score where it was computed, else the share that the predictions show."""
    if f"recall_{name}" in scores:
        return scores[f"recall_{name}"]
    index = table.classes.names.index(name)
    have = table.truth[:, index]
    value = float(np.mean(table.decided[have, index])) if have.any() else math.nan
    return Interval(value, math.nan, math.nan, int(have.sum()))


def _hundred(share: float) -> str:
    return "an unknown number" if math.isnan(share) else f"{100 * share:.0f}"


def _of_hundred(share: Interval) -> str:
    """``82 of 100 (74 to 89)``."""
    if math.isnan(share.low) or math.isnan(share.high):
        return f"{_hundred(share.value)} of 100"
    return f"{_hundred(share.value)} of 100 ({_hundred(share.low)} to {_hundred(share.high)})"


def _bracketed(score: Interval) -> str:
    """Value and interval for use inside brackets."""
    if math.isnan(score.low) or math.isnan(score.high):
        return f"{score.value:.3f}, without an interval"
    return f"{score.value:.3f}, 95% interval {score.low:.3f} to {score.high:.3f}"
