"""A cell, from its recipe to its row: trained at each rate, the best by validation kept, evaluated."""

from __future__ import annotations

import json
import shutil
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.errors import EngineError, MedgraftError, WeightsError
from medgraft.files import write_text
from medgraft.pipeline.extraction import solves
from medgraft.pipeline.one_run import OneRun
from medgraft.pipeline.tracked import tracked
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.run import Run
from medgraft.studies.cell import Cell
from medgraft.studies.desk import Desk
from medgraft.studies.row import Row, keep_row, kept_row, metrics_of
from medgraft.studies.search import next_rate
from medgraft.training.standing import WORST, Standing, standing

_TRIAL = "trial.json"
_ERROR = "error.txt"


def run_cell(desk: Desk, cell: Cell, place: Path | None = None) -> Row:
    """Train and evaluate a cell in its folder, and return its row; a failure is a row as well.

    A cell that is finished is left alone, and one that broke off goes on: rates that were tried are not tried again.

    Parameters
    ----------
    place : another folder to train it in.
    """
    place = place or desk.study.place(cell)
    start = time.perf_counter()
    try:
        return kept_row(place) or _run(desk, cell, place)
    except Exception as error:
        row = failed(cell, desk, sentence_of(error) + _remedy(error, cell), time.perf_counter() - start)
        place.mkdir(parents=True, exist_ok=True)
        write_text(place / _ERROR, traceback.format_exc())
        return row


def failed(cell: Cell, desk: Desk, sentence: str, seconds: float = 0.0) -> Row:
    """The row of a cell that came to nothing."""
    return Row(cell, str(desk.plan.data["name"]), "failed", error=sentence, seconds=seconds)


def sentence_of(error: BaseException) -> str:
    """What went wrong, in one line; of an error of ours the first, as what to do next is said of single runs."""
    if isinstance(error, MedgraftError):
        return next(iter(str(error).splitlines()), "").strip()
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "not enough memory" in text or "out of memory" in text:
        return f"memory ran out: a smaller batch_size, size or number of jobs may do ({text[:200]})"
    return f"{type(error).__name__}: {text[:300]}"


def _remedy(error: BaseException, cell: Cell) -> str:
    """What a study does about weights that are not at hand; the error's own advice is on a single run."""
    if isinstance(error, WeightsError) and cell.weights is None:
        return f" Name a file of weights with the encoder: --encoder {cell.encoder}@FILE."
    return ""


def _run(desk: Desk, cell: Cell, place: Path) -> Row:
    if (place / _ERROR).is_file():  # it failed before: from nothing
        shutil.rmtree(place)
    start = time.perf_counter()
    first = desk.recipe(cell, desk.plan.terms.rates[0])
    several = desk.plan.terms.budget > 1 and _learns(first)
    tried = _tried(desk, cell, place / "trials") if several else [_trial(desk, first, place)]
    best = max(tried, key=lambda trial: _standing(trial.found))
    if several:
        _promote(place, _place_of(place / "trials", best.found["lr"]))
    recipe = desk.recipe(cell, best.found["lr"])
    if several and recipe.track:
        Run(place).recipe.model_copy(update={"track": recipe.track}).save(place / "recipe.yaml")
    run = _evaluated(desk, recipe, place, None if several else best.one)
    _tidy(place)
    # What was tried before this process began took its time as well.
    before = sum(trial.found["seconds"] for trial in tried if trial.one is None)
    row = Row(
        cell,
        str(desk.plan.data["name"]),
        "finished",
        lr=best.found["lr"] if _learns(recipe) else None,
        seconds=round(time.perf_counter() - start + before, 3),
        images=len(desk.prepared(recipe).rows["train"]),
        epochs=best.found["epochs"],
        tried=tuple(trial.found for trial in tried),
        metrics=metrics_of(run.scores),
    )
    keep_row(place, row)
    return row


def _evaluated(desk: Desk, recipe: Recipe, place: Path, one: OneRun | None) -> Run:
    """Score the cell's run on validation and test images; ``one`` has trained it in this process, or nobody has."""
    if one is None:
        one = _one_run(desk, recipe, Run(place), place)
        one.observer = tracked(Run(place), one.observer)
    try:
        return one.evaluate()
    finally:
        one.observer.close()  # who tracks the run is told of its end


def _learns(recipe: Recipe) -> bool:
    """Whether anything learns by a rate: a head that is solved at once has none."""
    return not (recipe.strategy == "frozen" and solves(recipe))


def _standing(line: Mapping[str, Any]) -> Standing:
    found = standing(line["val"], line["monitor"])
    return WORST if found is None else found


@dataclass(frozen=True)
class _Trial:
    """What one rate gave: ``found`` as it is kept, and who trained it where that was in this process."""

    found: Mapping[str, Any]
    one: OneRun | None


def _tried(desk: Desk, cell: Cell, folder: Path) -> list[_Trial]:
    """Train at one rate after the other, as the study's terms allow."""
    tried: list[_Trial] = []
    # Who tracks runs is told of the cell, when its rate is known: trials are no runs that anybody looks for.
    while (rate := next_rate(desk.plan.terms, cell.seed, [trial.found for trial in tried])) is not None:
        recipe = desk.recipe(cell, rate)
        untracked = recipe.model_copy(update={"track": ()}) if recipe.track else recipe
        tried.append(_trial(desk, untracked, _place_of(folder, rate)))
    return tried


def _place_of(trials: Path, rate: float) -> Path:
    return trials / f"lr-{rate:g}"


def _trial(desk: Desk, recipe: Recipe, folder: Path) -> _Trial:
    """Train at the rate of a recipe, and look at validation images alone; what was tried before is read."""
    done = folder / _TRIAL
    if done.is_file():
        return _Trial(json.loads(done.read_text(encoding="utf-8")), None)
    start = time.perf_counter()
    one = _trained(desk, recipe, folder)
    lines = Run(folder).history
    best = max((line for line in lines if line.get("chosen", True)), key=_standing)
    found = {
        "lr": recipe.lr, "monitor": best["monitor"], "val": best["val"], "epochs": len(lines),
        "seconds": round(time.perf_counter() - start, 3),
    }  # fmt: skip
    write_text(done, json.dumps(found) + "\n")
    return _Trial(found, one)


def _trained(desk: Desk, recipe: Recipe, folder: Path) -> OneRun:
    begun = Run(folder) if (folder / "checkpoint" / "last.pt").is_file() else None
    if begun is None and folder.exists():
        shutil.rmtree(folder)
    one = _one_run(desk, recipe, begun, folder)
    try:
        _train(one)
    except EngineError:
        if desk.plan.recipe.engine != "auto":
            raise
        # The engine was measured with other weights; with these it is not exact enough, and PyTorch always is.
        shutil.rmtree(folder, ignore_errors=True)
        one = _one_run(desk, recipe.model_copy(update={"engine": "torch"}), None, folder)
        _train(one)
    return one


def _train(one: OneRun) -> None:
    try:
        one.train()
    except BaseException:
        one.observer.close()  # who tracks the run is told that it broke off
        raise


def _one_run(desk: Desk, recipe: Recipe, begun: Run | None, folder: Path) -> OneRun:
    return OneRun(desk.manifest, recipe, begun, folder, None, Observer(), desk.prepared(recipe))


def _promote(place: Path, best: Path) -> None:
    """Make the best trial the cell's own run; what was moved before a kill stays moved."""
    for path in sorted(best.iterdir(), key=lambda path: path.name == "recipe.yaml"):
        if path.name != _TRIAL:
            path.replace(place / path.name)


def _tidy(place: Path) -> None:
    """Take away what only a training that goes on needs, and the weights of rates that were not kept."""
    shutil.rmtree(place / "checkpoint", ignore_errors=True)
    for trial in (place / "trials").glob("lr-*"):
        shutil.rmtree(trial / "checkpoint", ignore_errors=True)
        (trial / "model.safetensors").unlink(missing_ok=True)
