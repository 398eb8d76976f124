"""What the report of an evaluation says in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from medgraft.errors import counted
from medgraft.evaluation.threshold_rule import FIXED, ThresholdRule
from medgraft.report.evaluation_folder import EXTERNAL, EvaluationFolder
from medgraft.report.headline import Fact, score_facts
from medgraft.report.label_table import group_word, label_table
from medgraft.report.label_wording import label_verdict, opening
from medgraft.report.wording import interval, metric_name, verdict
from medgraft.scores import Interval

_TIMES_AS_FAR = 2.0
"""From this many times the distance of held-out images on, other data is said to look different."""


def title(found: EvaluationFolder) -> str:
    """What was evaluated on what."""
    name, findings = found.findings["data"]["name"], found.findings
    if found.own:
        return f"Evaluation of {findings['run']}"
    return f"{findings['run']} on {name}"


def subtitle(found: EvaluationFolder) -> str:
    """The data and the way in which images were looked at, in one line."""
    findings, data = found.findings, found.findings["data"]
    what = (
        "the run's own held-out images"
        if found.own
        else "external validation: other data than the training's own held-out images"
    )
    parts = [f"data {data['name']}", what, *findings["way"]]
    model = findings["model"]
    parts += [str(model["spec"][key]) for key in ("encoder",) if model.get("spec", {}).get(key)]
    return " · ".join(parts)


def headline(found: EvaluationFolder) -> list[str]:
    """What a reader should know first: how well it does, with intervals."""
    run, split = found.run, found.split
    if run.task == "segmentation":
        return [_mask_verdict(found)]
    table, who = label_table(run, split), group_word(run)
    if found.own:
        start = opening(table, split, who)
    else:
        of = f" of {table.group_count} {who}" if table.grouped and len(table) else ""
        start = f"On {counted(len(table), 'image')}{of} of {found.findings['data']['name']}"
    return label_verdict(table, run.scores.get(split, {}), start, float(run.model["threshold"]))


def _mask_verdict(found: EvaluationFolder) -> str:
    rows, score = found.run.rows(found.split), found.run.score(found.split, "dice")
    sentence = verdict(found.split, score, [float(value) for value in rows["dice"].dropna()])
    _, comma, rest = sentence.partition(", the model's")
    if found.own or not comma:
        return sentence
    return f"On {counted(len(rows), 'image')} of {found.findings['data']['name']}{comma}{rest}"


def facts(found: EvaluationFolder) -> list[Fact]:
    """The tiles at the top."""
    scores = found.run.scores.get(found.split, {})
    names = [str(name) for name in found.run.model["classes"]["names"]]
    shown = shown_of_subgroups(found.run.model["classes"], found.run.task)
    called = {f"recall_{names[-1]}": "Sensitivity", f"recall_{names[0]}": "Specificity"} if len(names) == 2 else {}
    split = None if found.split == EXTERNAL else found.split
    tiles = score_facts([(called.get(m) or metric_name(m), scores.get(m)) for m in shown], split or "other data")
    error = _error(found)
    if error is not None:
        tiles.append(("Calibration error", f"{error.value:.3f}", _ends(error)))
    threshold = found.findings["threshold"]
    if len(names) == 2 or found.run.model["classes"].get("multilabel"):
        choice = threshold.get("choice")
        how = "as it was" if not choice else "as given" if is_number(choice) else f"by {choice['rule']}"
        tiles.append(("Threshold", f"{threshold['value']:.3g}", how))
    return tiles


def is_number(choice: Mapping[str, Any]) -> bool:
    """Whether a threshold was given as a number, and not chosen on images."""
    return ThresholdRule.parse(str(choice["rule"])).name == FIXED


def calibration_sentence(found: EvaluationFolder) -> str:
    """What the temperature did, in words."""
    part = next((each for each in found.findings["calibration"] if each["split"] == found.split), None)
    if part is None:
        return ""
    unit = "pixels" if found.run.task == "segmentation" else "images"
    before, after = (_ece(part[when]) for when in ("before", "after"))
    if part["temperature"] == 1:
        return (
            f"No temperature is in use. The expected calibration error is {interval(after)}, over {part['n']:,} {unit}."
        )
    word = "too sure of itself" if part["temperature"] > 1 else "not sure enough"
    fitted = (found.findings["temperature"].get("fit") or {}).get("n")
    of = f", fitted on {fitted:,} {unit} of the validation split" if fitted else ", as it is kept with the run"
    change = part["change"].get("ece")
    sure = ""
    if change and change["high"] is not None and change["low"] <= 0 <= change["high"]:
        sure = " The interval of the change holds 0: on these images neither is shown to be better."
    return (
        f"The model was {word}: its logits are divided by {part['temperature']:.3g}{of}. The expected calibration "
        f"error goes from {interval(before)} to {interval(after)}{_by_chance(part)}.{sure}"
    )


def _by_chance(part: Mapping[str, Any]) -> str:
    """How much of the error there would be with a perfect model and so few images."""
    excess = part["after"]["excess"]
    if excess is None or excess < 0.01:
        return ""
    return f"; about {excess:.3f} of it is there because images are few"


def risk_sentence(curve: Mapping[str, Any]) -> str:
    """What handing the least sure images to a person would gain."""
    rows = {round(row["referred"], 3): row["risk"] for row in curve["rows"]}
    start, tenth = rows.get(0.0), rows.get(0.1)
    if not start or not tenth or start["value"] is None or tenth["value"] is None:
        return ""
    return (
        f"{curve['what'][:1].upper()}{curve['what'][1:]} is {interval(start)} where the model decides all images, and "
        f"{interval(tenth)} on the others where the least sure 10% go to a person."
    )


def distance_sentences(distance: Mapping[str, Any] | None) -> list[str]:
    """How unlike the training images the data looks to the model's encoder."""
    if not distance:
        return []
    figure = f"{distance['value']:.3f}" + (f" ({_limits(distance)})" if distance["low"] is not None else "")
    if distance["against"] != "training":
        return [
            f"The training images are not at hand. From the images that the encoder's BatchNorms remember, these are "
            f"{figure} away (0 is the same; photographs that it was pretrained on come to about 0.06, noise to 0.73 or "
            "more)."
        ]
    said = [f"To the model's encoder these images are {figure} away from the training images; 0 is the same."]
    inside = distance.get("held_out")
    if inside:
        other = f"{inside['value']:.3f}" + (f" ({_limits(inside)})" if inside["low"] is not None else "")
        said.append(f"The run's own validation images are {other} away{_beside(distance['value'], inside['value'])}.")
    return said


def _beside(value: float, inside: float) -> str:
    """What a distance means beside that of held-out images of the training's own source."""
    nearer = ", which is no nearer" if inside >= value else ""
    if 0 < inside < value:
        nearer = f", a distance {value / inside:.1f} times smaller"
    if value > inside and value >= _TIMES_AS_FAR * inside:
        return (
            f"{nearer}: the images of this data look different, so believe the scores of these images, and not those "
            "of the training's own test images"
        )
    return f"{nearer}: the images of this data look much like the images that it learned from"


def shown_of_subgroups(classes: Mapping[str, Any], task: str) -> list[str]:
    """The metrics that a table of subgroups has room for; gaps are shown of the first."""
    names = [str(name) for name in classes["names"]]
    if task == "segmentation":
        return ["dice", "hd95_mm", "hd95_px", "structure_f1"]
    if len(names) == 2 and not classes.get("multilabel"):
        return ["auc", f"recall_{names[1]}", f"recall_{names[0]}"]
    return ["auc", "balanced_accuracy"] if classes.get("multilabel") else ["balanced_accuracy", "auc"]


def _error(found: EvaluationFolder) -> Interval | None:
    part = next((each for each in found.findings["calibration"] if each["split"] == found.split), None)
    ece = None if part is None else _ece(part["after"])
    return None if ece is None or ece.get("value") is None else _interval(ece)


def _ece(state: Mapping[str, Any]) -> Mapping[str, Any]:
    return state["scores"].get("ece") or {}


def _interval(raw: Mapping[str, Any]) -> Interval:
    value, low, high = (math.nan if raw.get(key) is None else float(raw[key]) for key in ("value", "low", "high"))
    return Interval(value, low, high, int(raw.get("n", 0)))


def _ends(found: Interval) -> str:
    return "no interval" if math.isnan(found.low) else f"{found.low:.3f} to {found.high:.3f}"


def _limits(distance: Mapping[str, Any]) -> str:
    return f"{distance['low']:.3f} to {distance['high']:.3f}"
