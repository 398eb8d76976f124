"""Whether the probabilities of an evaluation are right, and what other thresholds would do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from medgraft.errors import MedgraftError
from medgraft.evaluation import Outcomes, apply_temperature, as_plain, calibration, kind_of
from medgraft.evaluation.decisions import DECISION_SCORES, decision_scores
from medgraft.evaluation.operating_point import operating_point
from medgraft.evaluation.resampling import Bootstrap
from medgraft.pipeline.evaluating.choices import bootstrap_of
from medgraft.pipeline.evaluating.evidence import Evidence

RULES = ("youden", "f1", "sensitivity=0.9", "specificity=0.9")
"""The rules that are shown beside the threshold in use."""
USUAL = "0.5"


def calibration_parts(evidence: Evidence) -> list[dict[str, Any]]:
    """The calibration of each split before and after the temperature.

    Where several models or views answer there is no before: what each of them says is at a temperature of its own.
    """
    single = evidence.way.plain and not evidence.run.folds
    temperature = evidence.choices.temperature if single else 1.0
    parts = []
    for split in evidence.subject.rows:
        if evidence.masks:
            sample = evidence.pixels[split]
            outcomes, groups = sample.outcomes(), sample.groups
        else:
            outcomes, groups = evidence.outcomes(split), evidence.groups(split)
        found = calibration(_before(outcomes, temperature), temperature, groups, bootstrap_of(evidence.run))
        parts.append({"split": split} | as_plain(found))
    return parts


def _before(outcomes: Outcomes, temperature: float) -> Outcomes:
    """What was said at a temperature, as it would have been at 1."""
    if temperature == 1:
        return outcomes
    found = apply_temperature(outcomes.probabilities, 1 / temperature, kind_of(outcomes))
    return replace(outcomes, probabilities=found)


def operating_points(evidence: Evidence) -> list[dict[str, Any]]:
    """How the threshold in use does on the images that are spoken of, and how those of other rules would.

    Thresholds are chosen on the validation images, where these are at hand; of classes of which the most probable is
    given there are none.
    """
    classes, choices = evidence.classes, evidence.choices
    if classes.kind == "multiclass":
        return []
    point = choices.point
    name = point.rule if point is not None else _kept(evidence)
    found = {name: choices.threshold}
    if choices.outcomes is not None:
        for rule in RULES if choices.threshold == float(USUAL) else (USUAL, *RULES):
            try:
                chosen = operating_point(choices.outcomes, rule, bootstrap=Bootstrap(1))
            except MedgraftError:  # one kind of image is not among them
                continue
            found.setdefault(rule, chosen.threshold)
    return [_point(evidence, rule, threshold, rule == name) for rule, threshold in found.items()]


def _kept(evidence: Evidence) -> str:
    """What the threshold in use is called where it was not chosen now."""
    before = evidence.run.model_info.get("threshold_choice") or {}
    return str(before.get("rule") or "as trained")


def _point(evidence: Evidence, rule: str, threshold: float, current: bool) -> dict[str, Any]:
    outcomes = evidence.outcomes(threshold=threshold)
    scores = decision_scores(outcomes, evidence.groups(), bootstrap_of(evidence.run))
    return {
        "rule": rule,
        "threshold": threshold,
        "current": current,
        "scores": {metric: as_plain(scores[metric]) for metric in DECISION_SCORES if metric in scores},
    }
