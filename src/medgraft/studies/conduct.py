"""study: from data and a grid to a folder of runs that differ in what the grid says and in nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medgraft.catalog.claim import claimed
from medgraft.data import Manifest
from medgraft.errors import MedgraftError, counted
from medgraft.pipeline.folders import refuse_existing
from medgraft.pipeline.folders import settle as settled_recipe
from medgraft.pipeline.plan import check_before_work
from medgraft.pipeline.prepare import open_for
from medgraft.progress import Observer, Terminal
from medgraft.recipe import Recipe
from medgraft.report.wording import refuse_unknown_metric
from medgraft.studies.cell import Cell
from medgraft.studies.choices import settle
from medgraft.studies.desk import Desk
from medgraft.studies.finish import Ending, finish
from medgraft.studies.folder import Plan, Study
from medgraft.studies.grid import Grid
from medgraft.studies.plan import Asked, continued_plan, default_place, new_plan
from medgraft.studies.row import Row, kept_row
from medgraft.studies.runner import Runner
from medgraft.studies.splits import write_splits
from medgraft.studies.summary import told_by
from medgraft.studies.underway import Underway
from medgraft.studies.workforce import workforce


def study(
    data: str | Path | Manifest,
    recipe: Recipe | str | Path | None = None,
    *,
    encoder: Sequence[str] | str | None = None,
    init: Sequence[str] | str | None = None,
    strategy: Sequence[str] | str | None = None,
    n: Sequence[int | str] | int | str | None = None,
    seeds: int | Sequence[int] | None = None,
    lr_grid: Sequence[float] | None = None,
    lr_trials: int | None = None,
    metric: str | None = None,
    jobs: int = 1,
    ray: str | None = None,
    ray_cpus: int | None = None,
    ray_gpus: float | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    runner: Runner | None = None,
    ending: Ending = finish,
    observer: Observer | None = None,
    **options: Any,
) -> Study:
    """Train every combination of encoder, initialisation, strategy, number of images and seed, on equal terms.

    All cells share one split, which is made once: their test images are the same. Fewer training images are contained
    in more of the same seed. Each cell tries the same learning rates and keeps the best by validation; all encoder
    blocks learn at one rate unless ``decay`` or ``encoder_lr`` says otherwise.

    Parameters
    ----------
    data : a folder, a CSV, or a Manifest.
    recipe : a Recipe or the path of a YAML file, for all that cells do not differ in.
    encoder : names, each perhaps with its own weights as ``NAME@WEIGHTS`` (default: that of the recipe).
    init : initialisations (default: RI, ST and WT).
    strategy : default: full.
    n : numbers of training images, or ``all`` (default: all).
    seeds : how many, counted from the recipe's seed, or which (default: 3).
    lr_grid : learning rates to try (default: 1e-4, 3e-4 and 1e-3, or the recipe's ``lr`` where that is given).
    lr_trials : try so many rates between the least and the greatest of ``lr_grid`` instead, found by optuna (with the
        extra ``study``).
    metric : the score that table and report are told by, as ``kappa``; remembered in the folder (default: AUC, or Dice
        of masks). It chooses nothing in training.
    jobs : processes that train cells at the same time.
    ray : train cells on a Ray cluster (with the extra ``study``): the ``HOST:PORT`` of its head, or ``auto`` for one
        that runs on this machine, else one that is started here for this study.
    ray_cpus, ray_gpus : what a cell asks of a node of that cluster (default: a GPU where there are any, else a CPU).
    out : the study's folder (default ``studies/DATA``).
    resume : go on with the study in that folder. Cells may be added; all else is as it was.
    runner : who trains the cells, in place of ``jobs`` and ``ray``.
    ending : what is done when all are trained, still under the claim on the folder.
    observer : who is told of the progress; default: a bar on standard error.
    options : single options of the recipe, by name.

    Returns
    -------
    Study
        The folder, opened, with its report. Cells that failed are in ``study.failed`` with the reason.

    Raises
    ------
    MedgraftError
        For anything about the data, the recipe or the folder that the caller can mend; not for a cell that fails.

    Examples
    --------
    >>> found = study("xrays/", init=["RI", "WT"], n=[50, "all"], seeds=3, size=128)  # doctest: +SKIP
    """
    refuse_unknown_metric(metric)
    observer = observer or Terminal()
    asked = Asked(
        settled_recipe(recipe, options), _several(encoder), _several(init), _several(strategy), _several(n),
        seeds if seeds is None or isinstance(seeds, int) else tuple(seeds),
        None if lr_grid is None else tuple(lr_grid), lr_trials, metric,
    )  # fmt: skip
    try:
        # A cluster that is not there is found out before anything is made.
        with workforce(jobs, ray, ray_cpus, ray_gpus, observer.say) as hired:
            begun, manifest = _begin(data, asked, Path(out) if out else None, resume, observer)
            with claimed(begun.folder, "at work on this study"):
                begun = _conduct(begun, manifest, runner or hired, observer)
                ending(begun, manifest, observer)
                return begun
    finally:
        observer.close()


def _several(values: Any) -> tuple[Any, ...] | None:
    if values is None:
        return None
    return (values,) if isinstance(values, str | int) else tuple(values)


def _begin(
    data: str | Path | Manifest, asked: Asked, folder: Path | None, resume: bool, observer: Observer
) -> tuple[Study, Manifest]:
    """Make the study's folder with its split, or take the one to go on with; nothing is trained yet."""
    if folder is None:
        folder = default_place(open_for(data, asked.recipe, observer))
    _refuse_wrong_folder(folder, resume)
    # The data of a study that goes on is read as it was when it began.
    manifest = open_for(data, Study(folder).plan.recipe if resume else asked.recipe, observer)
    if resume:
        begun = Study(folder)
        plan = continued_plan(asked, begun, manifest)
        begun.change(plan)
    else:
        plan = new_plan(asked, manifest)
        _refuse_hopeless(plan, manifest)
        begun = Study.create(folder, plan)
    try:
        write_splits(begun, manifest, plan.recipe, asked.recipe.split_file, observer)
    except BaseException:
        if not resume:  # it was made above, and a study without a split is none
            shutil.rmtree(folder)
        raise
    return begun, manifest


def _refuse_wrong_folder(folder: Path, resume: bool) -> None:
    if resume:
        Study(folder)
    else:
        refuse_existing(folder)


def _refuse_hopeless(plan: Plan, manifest: Manifest) -> None:
    """Raise what stops the first kind of cell where something stops every kind; one that can be is worth beginning."""
    first: MedgraftError | None = None
    for cell in _kinds(plan.grid):
        try:
            check_before_work(plan.recipe_of(cell, plan.terms.rates[0]), manifest)
            return
        except MedgraftError as error:
            first = first or error
    if first is not None:
        raise first


def _kinds(grid: Grid) -> list[Cell]:
    """A cell for each encoder, initialisation and strategy."""
    return list({(cell.encoder, cell.init, cell.strategy): cell for cell in grid.cells()}.values())


def _conduct(begun: Study, manifest: Manifest, runner: Runner, observer: Observer) -> Study:
    name = str(begun.plan.data["name"])
    Underway(begun).clear()  # of a driver that was killed
    rows = {cell: kept_row(begun.place(cell)) or Row(cell, name) for cell in begun.plan.grid.cells()}
    waiting = [cell for cell, row in rows.items() if row.status != "finished"]
    observer.say(_announced(begun, len(rows), len(waiting)))
    begun.write_cells(rows.values())
    if not waiting:
        return begun
    choices = settle(Desk(begun, manifest), observer.working)
    begun.change(replace(begun.plan, choices={**begun.plan.choices, **choices}))
    finished = len(rows) - len(waiting)

    def done(row: Row) -> None:
        nonlocal finished
        finished += 1
        rows[row.cell] = row
        begun.write_cells(rows.values())
        observer.say(_told(row, begun))
        observer.working("cells", finished, len(rows))

    observer.working("cells", finished, len(rows))
    try:
        runner.run(begun, manifest, waiting, done)
    except KeyboardInterrupt:
        observer.say(f"stopped after {finished} of {len(rows)} cells; go on with --out {begun.folder} --resume")
        raise
    return begun


def _announced(begun: Study, cells: int, waiting: int) -> str:
    plan, grid = begun.plan, begun.plan.grid
    axes = {
        "encoder": len(grid.encoders), "initialisation": len(grid.inits), "strategy": len(grid.strategies),
        "number of images": len(grid.sizes), "seed": len(grid.seeds), "fold": grid.folds,
    }  # fmt: skip
    plurals = {"strategy": "strategies", "number of images": "numbers of images"}
    product = " x ".join(counted(count, what, plurals.get(what, "")) for what, count in axes.items() if count)
    left = "" if waiting == cells else f", {waiting} of them not finished"
    return f"{plan.data['name']}: {counted(cells, 'cell')} ({product}){left}\n  {plan.terms.sentence()}"


def _told(row: Row, begun: Study) -> str:
    if row.status == "failed":
        return f"{row.cell.id}: failed: {row.error}"
    column, title = told_by(begun.plan)
    metric = column.removeprefix("test_")
    test, val = row.metrics["test"][metric], row.metrics["val"][metric]
    rate = "" if row.lr is None else f", rate {row.lr:g}"
    return f"{row.cell.id}: {title} {test:.3f} on test, {val:.3f} on val{rate}, {row.seconds:.1f} s"
