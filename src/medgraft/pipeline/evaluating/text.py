"""What an evaluation found, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from medgraft.errors import counted
from medgraft.report.evaluation_wording import is_number, shown_of_subgroups
from medgraft.report.wording import interval, metric_name, split_name
from medgraft.scores import Scores

_SHOWN = {
    "segmentation": ("dice", "hd95_mm", "hd95_px", "structure_f1"),
    "classification": ("auc", "balanced_accuracy"),
}


def lines(found: Mapping[str, Any], scores: Scores, before: float) -> Iterator[str]:
    """All that is to be said, the scores before the warnings; ``before`` is the threshold that the run had."""
    yield _about(found)
    yield from _choices(found, before)
    yield _scores(found, scores)
    yield from _calibration(found)
    yield from _distance(found)
    for block in found["subgroups"]:
        yield from _subgroups(found, block)
    for sentence in found["cautions"]:
        yield f"! {sentence}"


def _about(found: Mapping[str, Any]) -> str:
    data = found["data"]
    counts = ", ".join(f"{n} {split_name(split)}" for split, n in data["splits"].items())
    groups = sum(data["groups"].values())
    of = f" of {counted(groups, 'patient')}" if groups else ""
    way = f" · {', '.join(found['way'])}" if found["way"] else ""
    return f"{found['run']} on {data['name']}: {counts} images{of}{way}"


def _choices(found: Mapping[str, Any], before: float) -> Iterator[str]:
    temperature, threshold = found["temperature"], found["threshold"]
    if temperature["fit"] is not None:
        unit = "pixels" if found["task"] == "segmentation" else "images"
        yield f"temperature {temperature['value']:.3g}, fitted on {temperature['fit']['n']:,} validation {unit}"
    if not _decides(found):
        return
    choice = threshold["choice"]
    if choice is not None:
        told = ", ".join(
            f"{metric_name(metric)} {interval(score)}"
            for metric, score in choice["scores"].items()
            if metric in ("sensitivity", "specificity", "dice")
        )
        how = ", as given;" if is_number(choice) else f" by {choice['rule']}"
        on = f" on {choice['n']} validation images: {told}" if choice["n"] else ""
        yield f"threshold {threshold['value']:.4g}{how if on else how.rstrip(';')}{on}"
    elif threshold["value"] != before:
        yield (
            f"threshold {threshold['value']:.4g}: decides as {before:.4g} did before the temperature "
            "(--threshold chooses another)"
        )
    else:
        yield f"threshold {threshold['value']:.4g}, kept (--threshold chooses another)"


def _decides(found: Mapping[str, Any]) -> bool:
    """Whether there is a threshold at all."""
    classes = found["model"]["classes"]
    return len(classes["names"]) == 2 or bool(classes.get("multilabel"))


def _scores(found: Mapping[str, Any], scores: Scores) -> str:
    metrics = scores[found["split"]]
    shown = [metric for metric in _SHOWN[found["task"]] if metric in metrics]
    told = " · ".join(f"{metric_name(metric)} {metrics[metric].brief()}" for metric in shown)
    return f"{split_name(found['split'])}   {told} · n = {metrics[shown[0]].n}"


def _calibration(found: Mapping[str, Any]) -> Iterator[str]:
    for part in found["calibration"]:
        if part["split"] != found["split"]:
            continue
        before, after = (interval(part[when]["scores"].get("ece")) for when in ("before", "after"))
        arrow = f"{before} before, {after} after" if part["temperature"] != 1 else after
        yield f"expected calibration error   {arrow}"


def _distance(found: Mapping[str, Any]) -> Iterator[str]:
    distance = found["distance"]
    if distance is None:
        return
    of = "the training images" if distance["against"] == "training" else "what the encoder's BatchNorms remember"
    inside = distance.get("held_out")
    more = f" (the run's own validation images: {inside['value']:.3f})" if inside else ""
    yield f"distance from {of}   {interval(distance)}{more}"


def _subgroups(found: Mapping[str, Any], block: Mapping[str, Any]) -> Iterator[str]:
    groups = block["subgroups"]
    metric = shown_of_subgroups(found["model"]["classes"], found["task"])[0]
    width = max(len(each["name"]) for each in groups)
    yield f"by {block['column']}   {metric_name(metric)}"
    for each in groups:
        few = f"   {each['small']}" if each["small"] else ""
        yield f"  {each['name']:<{width}}  {interval(each['scores'].get(metric))}, n = {each['images']}{few}"
