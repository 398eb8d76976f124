"""fit: from data and a recipe to a run that is trained, evaluated and reported; also where one broke off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medgraft.data import Manifest
from medgraft.pipeline.advising import follow
from medgraft.pipeline.crossval import cross_validate
from medgraft.pipeline.folders import default_folder, refuse_existing, reopen, settle
from medgraft.pipeline.one_run import OneRun, Transform
from medgraft.pipeline.plan import check_before_work
from medgraft.pipeline.prepare import complete, open_for
from medgraft.progress import Observer, Terminal
from medgraft.recipe import Recipe
from medgraft.run import Run


def fit(
    data: str | Path | Manifest,
    recipe: Recipe | str | Path | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    augmentation: Transform | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Run:
    """Train a model on ``data``, evaluate it on images it never saw, and write the report.

    Parameters
    ----------
    data : a folder, a CSV, or a Manifest.
    recipe : a Recipe or the path of a YAML file; default: the defaults (on resume: the run's own).
    out : the run's folder (default ``runs/DATA-STRATEGY-SIZE``); it must not hold a run already, unless ``resume``.
    resume : go on from the last checkpoint in ``out``. The result is that of an unbroken run.
    augmentation : any callable ``(image, mask) -> (image, mask)`` on uint8 arrays, or an albumentations Compose, run
        after the recipe's own augmentation. It is code, so the recipe cannot hold it: pass it again on resume.
    observer : who is told of the progress; default: a bar on standard error.
    options : single options of the recipe, by name.

    Returns
    -------
    Run
        The folder, opened.

    Raises
    ------
    MedgraftError
        For anything about the data, the recipe or the folder that the caller can mend.

    Examples
    --------
    >>> run = fit("lesions/", strategy="frozen", size=128)  # doctest: +SKIP
    """
    observer = observer or Terminal()
    try:
        if resume:
            run = reopen(data, recipe, out, options)
            if run.finished:
                observer.say(f"{run.folder} is finished; nothing is left to resume.")
                return run
        else:
            run = None
        settled = run.recipe if run else settle(recipe, options)
        manifest = open_for(data, settled, observer)
        if settled.strategy == "auto":
            if out and not run:
                refuse_existing(Path(out))  # before the data is measured
            manifest, settled = follow(manifest, settled, observer)
        settled = complete(settled, manifest)
        folder = run.folder if run else Path(out) if out else default_folder(manifest, settled)
        check_before_work(settled, manifest)
        if settled.folds:
            return cross_validate(manifest, settled, folder, bool(run), augmentation, observer)
        return OneRun(manifest, settled, run, folder, augmentation, observer).run_all()
    finally:
        observer.close()
