"""What is chosen on validation images and nowhere else: the temperature, and the threshold where one is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medgraft.data import LabelClasses, read_mask
from medgraft.errors import DataError, RecipeError, RunError
from medgraft.evaluation import Outcomes, PixelSample, TemperatureFit, as_plain, outcomes_of
from medgraft.evaluation.mask_threshold import PixelCounts, choose_mask_threshold
from medgraft.evaluation.operating_point import OperatingPoint, operating_point
from medgraft.evaluation.resampling import Bootstrap
from medgraft.evaluation.temperature import apply_temperature, temperature_of_probabilities
from medgraft.evaluation.threshold_rule import FIXED, LABEL_RULES, MASK_RULES, ThresholdRule
from medgraft.pipeline.evaluating.data import Subject
from medgraft.pipeline.evaluating.way import untempered
from medgraft.prediction import decide_mask
from medgraft.progress import Observer
from medgraft.run import Run

SPLIT = "val"


@dataclass(frozen=True)
class Choices:
    """Where decisions are made.

    Attributes
    ----------
    temperature, threshold : that predictions are made with.
    fit : how the temperature was fitted; None where it was not.
    point : how the threshold was chosen, or which number was given; None where the run's own is kept.
    before : temperature and threshold of the run until now.
    outcomes : labels alone: what was said of the validation images, at ``temperature``; None where nothing was fitted.
    notes : what a reader must know.
    """

    temperature: float
    threshold: float
    before: tuple[float, float]
    fit: TemperatureFit | None = None
    point: OperatingPoint | None = None
    outcomes: Outcomes | None = None
    notes: tuple[str, ...] = ()

    def model_entries(self) -> dict[str, Any]:
        """What ``model.json`` keeps of them."""
        told: dict[str, Any] = {"temperature": self.temperature, "threshold": self.threshold}
        if self.fit is not None:
            told["calibration"] = {"split": SPLIT} | as_plain(self.fit)
        if self.point is not None:
            told["threshold_choice"] = _chosen(self.point)
        return told


def read_rule(text: str | float, run: Run) -> ThresholdRule:
    """Read a rule; raises RecipeError for one that is none, or none for this run."""
    rule = ThresholdRule.parse(text)
    classes = run.model_info["classes"]
    if len(classes["names"]) > 2 and not classes.get("multilabel"):
        raise RecipeError(
            f"threshold: of the {len(classes['names'])} classes of {run.folder} the most probable is given, so there "
            "is no threshold to choose; leave --threshold out."
        )
    known = MASK_RULES if run.task == "segmentation" else LABEL_RULES
    if rule.name not in (*known, FIXED):
        what = "masks" if run.task == "segmentation" else "labels"
        raise RecipeError(f"threshold: {rule} is no rule for {what}; give {', '.join(known)}, or a number.")
    return rule


def kept_choices(run: Run, rule: ThresholdRule | None) -> Choices:
    """The run's own choices, where nothing may be fitted; a threshold that is a number is taken, as it fits nothing.

    Raises
    ------
    RecipeError
        Where a rule would have to be fitted.
    """
    before = _before(run)
    if rule is None:
        return Choices(*before, before)
    if rule.name != FIXED:
        raise RecipeError(
            f"threshold: {rule} is chosen on the run's own validation images, each looked at once: medgraft evaluate "
            f"{run.folder} --threshold {rule}. Here a number may be given, or nothing, which takes the run's threshold."
        )
    point = _given(rule)
    return Choices(before[0], point.threshold, before, point=point)


def choices_for(run: Run, subject: Subject, rule: ThresholdRule | None, observer: Observer) -> Choices:
    """Fit the temperature to the run's validation images, and choose the threshold on them by the rule.

    The fit is to the model at a temperature of 1, so that fitting again gives the same. Where no rule is given the
    threshold is kept with all that it decides: as probabilities change, its number changes with them, but for 0.5.

    Raises
    ------
    RunError
        Where a rule is to be fitted and there is no validation image.
    """
    before = _before(run)
    if SPLIT not in subject.rows:
        if rule is not None and rule.name != FIXED:
            raise RunError(
                f"{run.folder}: there is no validation image to choose a threshold on by {rule}; give a number."
            )
        note = "There are no validation images, so the probabilities are not calibrated and the threshold is as it was."
        point = None if rule is None else _given(rule)
        return Choices(before[0], before[1] if point is None else point.threshold, before, point=point, notes=(note,))
    if run.task == "segmentation":
        return _for_masks(run, subject, rule, before, observer)
    return _for_labels(run, subject, rule, before, observer)


def _given(rule: ThresholdRule) -> OperatingPoint:
    """A threshold that is a number, and rests on no image."""
    assert rule.wanted is not None
    return OperatingPoint(str(rule), rule.wanted, rule.wanted, rule.wanted, 0, {})


def _chosen(point: OperatingPoint) -> dict[str, Any]:
    """A choice in plain types; the split is that of the images which it was chosen or scored on."""
    told: dict[str, Any] = as_plain(point)
    return {"split": SPLIT if point.n else None} | told


def _before(run: Run) -> tuple[float, float]:
    info = run.model_info
    return float(info.get("temperature", 1.0)), float(info["threshold"])


def _for_labels(
    run: Run, subject: Subject, rule: ThresholdRule | None, before: tuple[float, float], observer: Observer
) -> Choices:
    classes = LabelClasses.from_dict(run.model_info["classes"])
    found = [(positions, said) for positions, said in untempered(run, subject, SPLIT, observer)]
    rows = [position for positions, _ in found for position in positions]
    probabilities, truth = np.concatenate([said for _, said in found]), subject.manifest.labels[rows]
    fit, notes = _fitted(lambda: temperature_of_probabilities(probabilities, truth, classes.kind))
    temperature = 1.0 if fit is None else fit.temperature
    # float32, as the predictor gives them: a threshold must decide the same here and there.
    cooled = apply_temperature(probabilities, temperature, classes.kind).astype(np.float32)
    plain = outcomes_of(cooled, truth, classes.kind)
    outcomes = Outcomes(classes.names, classes.multilabel, plain.truth, plain.decided, plain.probabilities)
    point = None
    if rule is not None:
        groups = subject.manifest.table["group"].to_numpy()[rows] if subject.manifest.has_groups else None
        point = operating_point(outcomes, rule, groups, bootstrap_of(run))
    threshold = rescaled(before[1], before[0], temperature) if point is None else point.threshold
    return Choices(temperature, threshold, before, fit, point, outcomes, notes)


def _for_masks(
    run: Run, subject: Subject, rule: ThresholdRule | None, before: tuple[float, float], observer: Observer
) -> Choices:
    """Pixels at working size for the temperature; whole masks at their own size for the threshold."""
    manifest, store = subject.manifest, subject.store
    sample = PixelSample(tuple(run.model_info["classes"]["names"]))
    groups = manifest.table["group"].tolist() if manifest.has_groups else [None] * len(manifest)
    for positions, said in untempered(run, subject, SPLIT, observer):
        for position, probability in zip(positions, said, strict=True):
            identity = str(manifest.table["id"].iloc[position])
            sample.add(identity, probability, store.masks[position], groups[position])
    fit, notes = _fitted(sample.temperature)
    temperature = 1.0 if fit is None else fit.temperature
    if rule is None:
        return Choices(temperature, rescaled(before[1], before[0], temperature), before, fit, notes=notes)
    counts = _counts(run, subject, temperature, observer)
    point = choose_mask_threshold(counts, rule, bootstrap_of(run))
    return Choices(temperature, point.threshold, before, fit, point, notes=notes)


def _counts(run: Run, subject: Subject, temperature: float, observer: Observer) -> PixelCounts:
    """How many pixels of each validation image reach each threshold."""
    counts, manifest, store = PixelCounts(), subject.manifest, subject.store
    classes = store.classes
    assert classes is not None
    for positions, said in untempered(run, subject, SPLIT, observer):
        cooled = apply_temperature(said.reshape(-1), temperature, "binary").astype(np.float32).reshape(said.shape)
        for position, probability in zip(positions, cooled, strict=True):
            entry = manifest.table.iloc[position]
            height, width = (int(side) for side in store.sizes[position])
            full = decide_mask(probability, height, width, classes, 0.5).probability
            truth = classes.encode(read_mask(entry["target"]), entry["target"])
            counts.add(full, truth, entry["group"] if manifest.has_groups else None)
    return counts


def _fitted(fit: Any) -> tuple[TemperatureFit | None, tuple[str, ...]]:
    """The fit, or why there is none: images of one class alone say nothing of how sure a model may be."""
    try:
        found: TemperatureFit = fit()
    except DataError as error:
        return None, (f"No temperature was fitted, the probabilities are as the model gives them: {error}",)
    return found, (f"Temperature: {found.note}",) if found.note else ()


def rescaled(threshold: float, before: float, after: float) -> float:
    """The threshold that decides at one temperature as ``threshold`` does at another."""
    if before == after:
        return threshold
    logit = math.log(threshold) - math.log1p(-threshold)
    return 1 / (1 + math.exp(-logit * before / after))


def bootstrap_of(run: Run) -> Bootstrap:
    """How the run's intervals are drawn."""
    return Bootstrap(run.recipe.bootstrap, seed=run.recipe.seed)


def told(choices: Choices) -> Mapping[str, Any]:
    """The choices in plain types, for ``evaluation.json``."""
    return {
        "temperature": {
            "value": choices.temperature,
            "fit": None if choices.fit is None else {"split": SPLIT} | as_plain(choices.fit),
        },
        "threshold": {
            "value": choices.threshold,
            "choice": None if choices.point is None else _chosen(choices.point),
        },
    }
