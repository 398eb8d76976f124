"""Cross-validation: a run a fold, each image tested once, and one report of all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.data import Manifest, PixelStore, assign_folds
from medgraft.errors import RunError
from medgraft.evaluation import label_scores, scores_table
from medgraft.files import replacing, write_text
from medgraft.pipeline.folders import refuse_existing
from medgraft.pipeline.one_run import OneRun, Transform
from medgraft.pipeline.prepare import open_store
from medgraft.pipeline.tasks import TargetTask, headline, label_counts, task_of
from medgraft.pipeline.tracked import ENTRY, tracked
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.report import run_report
from medgraft.run import Run
from medgraft.scores import Scores
from medgraft.training import accelerator_for


def cross_validate(
    manifest: Manifest,
    recipe: Recipe,
    folder: Path,
    resume: bool,
    augmentation: Transform | None,
    observer: Observer,
) -> Run:
    """Train a run for each fold in ``folder/fold-1`` and so on, pool their test images, and report all together.

    The decoded images and the features of fixed blocks are shared by all folds. Folds that are finished are kept on
    resume, and the one that broke off goes on.

    Returns
    -------
    Run
        ``folder``: predictions.csv holds the test rows of all folds, scores.json the pooled scores and each fold's.
    """
    accelerator = accelerator_for(recipe.device)
    main = bool(accelerator.is_main_process)
    observer = observer if main else Observer()
    if main and not resume:
        refuse_existing(folder)
    with accelerator.main_process_first():
        store = open_store(manifest, recipe, observer)
    foreground = store.foreground if manifest.classes is None else None
    folds = assign_folds(manifest, recipe.folds, recipe.ratios, recipe.seed, foreground)
    if main and not resume:
        Run.create(folder, recipe)
    single = recipe.model_copy(update={"folds": 0})
    for number, fold in enumerate(folds, start=1):
        place = folder / f"fold-{number}"
        observer.say(f"\n[fold {number}/{recipe.folds}]")
        begun = Run(place) if (place / "recipe.yaml").is_file() else None
        if begun is None or not begun.finished:
            OneRun(fold, single, begun, place, augmentation, observer).run_all()
        elif begun.environment["data"]["store"] != store.path.name:
            raise RunError(
                f"{place}: the data has changed since this fold was trained, so the others cannot be added to it. "
                "Train again with another --out."
            )
    if main:
        conclude(folder, manifest, store, observer)
    accelerator.wait_for_everyone()
    return Run(folder)


def conclude(folder: Path, manifest: Manifest, store: PixelStore, observer: Observer) -> None:
    """Pool what the folds' runs found into ``folder``."""
    run = Run(folder)
    folds = run.folds
    table = pd.concat([_tested(fold.predictions, k) for k, fold in enumerate(folds, start=1)], ignore_index=True)
    with replacing(folder / "predictions.csv") as temporary:
        table.to_csv(temporary, index=False)
    task = task_of(manifest, store)
    scores, notes = _scores(run, task)
    parts = {f"fold {k}": fold.scores["test"] for k, fold in enumerate(folds, start=1)}
    _record(run, folds, manifest, notes)
    history = [line | {"fold": k} for k, fold in enumerate(folds, start=1) for line in fold.history]
    write_text(folder / "history.jsonl", "".join(json.dumps(line) + "\n" for line in history))
    Scores(dict(scores) | parts).save(folder / "scores.json")
    report = run_report(folder, manifest.withheld_places)
    tracked(run, observer).close()
    observer.say(f"\nall {len(folds)} folds\n{headline(scores, task)}")
    observer.say(str(report))


def _tested(predictions: pd.DataFrame, fold: int) -> pd.DataFrame:
    return predictions[predictions["split"] == "test"].assign(fold=fold)


def _scores(run: Run, task: TargetTask) -> tuple[Scores, tuple[str, ...]]:
    recipe = run.recipe
    if task.name == "segmentation":
        return scores_table(run.predictions, samples=recipe.bootstrap, seed=recipe.seed), ()
    record = task.record()
    found = label_scores(
        run.predictions, record["names"], record["multilabel"], recipe.threshold, recipe.bootstrap, seed=recipe.seed
    )
    return found.scores, found.notes


def _record(run: Run, folds: list[Run], manifest: Manifest, notes: tuple[str, ...]) -> None:
    """model.json and environment.json of the whole: the first fold's, with times added up and every image tested."""
    info = {key: value for key, value in folds[0].model_info.items() if key not in ("format", "medgraft", "task")}
    run.save_model_info(**info, folds=len(folds))
    parts = [{key: value for key, value in fold.environment.items() if key != ENTRY} for fold in folds]
    times = [part.get("time", {}) for part in parts]
    parts_of_time = dict.fromkeys(key for time in times for key in time)
    seconds = {key: round(sum(time.get(key, 0.0) for time in times), 3) for key in parts_of_time}
    # What is of one fold's training images alone is not of the whole.
    own = ("mean", "std", "unused")
    data: dict[str, Any] = {key: value for key, value in parts[0]["data"].items() if key not in own}
    data |= {"images": len(manifest), "splits": {"test": len(manifest)}}
    if manifest.classes is not None:
        data["labels"] = {"test": label_counts(manifest)}
        data["groups"] = {"test": int(manifest.table["group"].nunique())} if manifest.has_groups else {}
    shared = [note for note in data["notes"] if all(note in part["data"]["notes"] for part in parts)]
    data["notes"] = [*shared, f"{len(folds)} folds: every image is tested by the one model that never saw it", *notes]
    peak = max(part["peak_rss_mb"] for part in parts)
    run.update_environment(**parts[0] | {"data": data, "time": seconds, "peak_rss_mb": peak})
