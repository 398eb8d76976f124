"""evaluate: what a trained run is worth, on its own held-out images or on other data, and where it should decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.data import LabelClasses
from medgraft.errors import RunError
from medgraft.evaluation import PixelSample, label_scores, scores_table
from medgraft.evaluation.subgroup_values import By
from medgraft.evaluation.threshold_rule import ThresholdRule
from medgraft.inference import Windows
from medgraft.pipeline.evaluating.choices import Choices, choices_for, kept_choices, read_rule
from medgraft.pipeline.evaluating.columns import read_columns
from medgraft.pipeline.evaluating.data import Subject, find_subject, training_subject
from medgraft.pipeline.evaluating.distance import measure_distance
from medgraft.pipeline.evaluating.evidence import Evidence
from medgraft.pipeline.evaluating.findings import findings_of
from medgraft.pipeline.evaluating.overlap import overlap_notes
from medgraft.pipeline.evaluating.rows import LabelRows, MaskRows
from medgraft.pipeline.evaluating.text import lines
from medgraft.pipeline.evaluating.way import Array, Way, predictor_of, rows_of_files, rows_of_store
from medgraft.pipeline.evaluating.write import new_folder, put, refuse_other, update_run, write_evaluation
from medgraft.progress import Observer, Terminal
from medgraft.report import run_report
from medgraft.report.evaluation_folder import EVALUATION
from medgraft.report.evaluation_page import evaluation_report
from medgraft.run import Run
from medgraft.scores import Scores, read_predictions


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation left behind.

    Attributes
    ----------
    folder : with ``report.html``, ``evaluation.json``, ``predictions.csv`` and ``scores.json``.
    scores : by split and metric, with intervals.
    findings : ``evaluation.json``.
    """

    folder: Path
    scores: Scores
    findings: dict[str, Any]

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"


def evaluate_run(
    run: Run | str | Path,
    data: str | Path | None = None,
    *,
    threshold: str | float | None = None,
    by: Sequence[str] = (),
    split: str | None = None,
    tta: str = "none",
    windows: Windows | None = None,
    ensemble: Sequence[str | Path] = (),
    out: str | Path | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Evaluation:
    """Evaluate a run and write a report.

    Without ``data``, and one plain look at each image, the run itself is settled: a temperature is fitted on its
    validation images, a threshold chosen there where one is asked for, both are kept in its ``model.json``, and its
    predictions, scores and report are written anew with them. In all other cases nothing is fitted and the run is left
    as it is.

    Parameters
    ----------
    data : None for the run's own validation and test images, where the training found them; the place where they lie
        now, where they have moved; or other data, all of whose images are scored.
    threshold : ``youden``, ``f1``, ``sensitivity=0.9``, ``specificity=0.9``, for masks ``dice``, or a number; None
        keeps the run's own.
    by : columns of the data whose values make subgroups, such as ``sex``, or ``age=40,60``, where numbers are cut.
    split : of other data, the only split to score.
    tta, windows, ensemble : how images are looked at; see :func:`medgraft.inference.answerer_of`.
    out : the folder (default: ``evaluation`` in the run's, or ``evaluations/RUN-on-DATA``).
    options : of a recipe, on how other data is read.

    Raises
    ------
    MedgraftError
        For anything about the run, the data or the options that the caller can mend.
    """
    observer = observer or Terminal()
    try:
        opened = run if isinstance(run, Run) else Run(run)
        way = Way(tta, windows, tuple(Path(folder) for folder in ensemble))
        rule = None if threshold is None else read_rule(threshold, opened)
        _refuse_untrained(opened, data)
        subject = find_subject(opened, data, split, options, observer)
        return _Evaluating(opened, subject, way, rule, read_columns(subject, by), out, observer).run_all()
    finally:
        observer.close()


class _Evaluating:
    """The steps from a subject to a report, in order."""

    def __init__(
        self,
        run: Run,
        subject: Subject,
        way: Way,
        rule: ThresholdRule | None,
        by: tuple[By, ...],
        out: str | Path | None,
        observer: Observer,
    ) -> None:
        self.run, self.subject, self.way, self.rule, self.by, self.observer = run, subject, way, rule, by, observer
        self.settles = subject.own and way.plain and out is None
        self.folder = self._folder(out)
        refuse_other(self.folder)
        self.answerer = None if way.plain and not run.folds else way.answerer(run)

    def run_all(self) -> Evaluation:
        """Choose, score, measure, write, report."""
        choices = self._choices()
        with new_folder(self.run.folder if self.settles else self.folder.parent) as made:
            names = tuple(self.run.model_info["classes"]["names"])
            sample = {split: PixelSample(names) for split in self.subject.rows}
            table = self._table(made, choices, sample)
            scores, notes = self._scores(table, choices)
            findings = findings_of(self._evidence(table, scores, choices, sample, notes))
            write_evaluation(made, table, scores, findings)
            evaluation_report(made, self.subject.manifest.withheld_places)
            if self.settles:
                update_run(self.run, made, table, scores, choices.model_entries())
            else:
                put(made, self.folder, made.parent)
        if self.settles:
            run_report(self.run.folder, self.subject.manifest.withheld_places)
        found = Evaluation(self.folder, scores, findings)
        self.observer.close()
        for line in lines(findings, scores, choices.before[1]):
            self.observer.say(line)
        self.observer.say(str(found.report))
        return found

    def _folder(self, out: str | Path | None) -> Path:
        if out is not None:
            return Path(out)
        if self.settles:
            return self.run.folder / EVALUATION
        on = [] if self.subject.own else [f"on-{self.subject.name}"]
        return Path("evaluations") / "-".join([self.run.name, *on, *self.way.words])

    def _choices(self) -> Choices:
        """Fitted on the run's own validation images, where one model looks at them as it does in training."""
        if self.subject.own and self.way.plain:
            return choices_for(self.run, self.subject, self.rule, self.observer)
        return kept_choices(self.run, self.rule)

    def _table(self, made: Path, choices: Choices, sample: dict[str, PixelSample]) -> pd.DataFrame:
        watch = self._watch(sample)
        if self.run.task == "segmentation":
            score: LabelRows | MaskRows = MaskRows(self.subject, made, self.observer)
        else:
            score = LabelRows(self.subject, LabelClasses.from_dict(self.run.model_info["classes"]))
        if self.answerer is None:
            predictor = predictor_of(self.run, temperature=choices.temperature, threshold=choices.threshold)
            rows = rows_of_store(predictor, self.subject, score, watch, self.observer)
        else:
            answerer = replace(self.answerer, threshold=choices.threshold)
            rows = rows_of_files(answerer, self.subject, score, watch, self.observer)
        # Read back, so that scores computed anew from the file are the same to the last digit.
        pd.DataFrame(rows).to_csv(made / "predictions.csv", index=False)
        return read_predictions(made / "predictions.csv")

    def _watch(self, sample: dict[str, PixelSample]) -> Any:
        """Keeps pixels of images with masks, for the calibration."""
        store, manifest = self.subject.store, self.subject.manifest
        split_at = {int(place): split for split, rows in self.subject.rows.items() for place in rows}
        groups = manifest.table["group"].tolist() if manifest.has_groups else [None] * len(manifest)

        def watch(position: int, said: Array) -> None:
            if self.run.task == "segmentation":
                identity = str(manifest.table["id"].iloc[position])
                sample[split_at[position]].add(identity, said, store.masks[position], groups[position])

        return watch

    def _scores(self, table: pd.DataFrame, choices: Choices) -> tuple[Scores, tuple[str, ...]]:
        recipe = self.run.recipe
        if self.run.task == "segmentation":
            return scores_table(table, samples=recipe.bootstrap, seed=recipe.seed), ()
        classes = LabelClasses.from_dict(self.run.model_info["classes"])
        found = label_scores(
            table, classes.names, classes.multilabel, choices.threshold, recipe.bootstrap, seed=recipe.seed
        )
        return found.scores, found.notes

    def _evidence(
        self,
        table: pd.DataFrame,
        scores: Scores,
        choices: Choices,
        sample: dict[str, PixelSample],
        notes: Sequence[str],
    ) -> Evidence:
        said, distance = [*self.subject.cautions, *notes], None
        if not self.subject.own:
            training = training_subject(self.run, self.observer)
            said += overlap_notes(self.run, self.subject, training)
            distance = measure_distance(self.run, self.subject, training, self.observer)
        for other in map(Run, self.way.ensemble):
            said += overlap_notes(other, self.subject, training_subject(other, self.observer), other.name)
        return Evidence(
            self.run, self.subject, self.way, choices, table, scores, sample, self.by, tuple(said), distance
        )


def _refuse_untrained(run: Run, data: str | Path | None) -> None:
    if run.folds and data is None:
        raise RunError(
            f"{run.folder}: a cross-validation, each of whose images was scored by the fold that had not learned from "
            f"it: see its report.html. Settle the threshold of one fold by medgraft evaluate {run.folder / 'fold-1'}; "
            f"all folds answer together on other data: medgraft evaluate {run.folder} DATA."
        )
    for single in run.folds or [run]:
        if not (single.folder / "model.safetensors").is_file():
            raise RunError(
                f"{single.folder}: the run has no model.safetensors; its training has not ended. Go on with it by "
                "--resume."
            )
