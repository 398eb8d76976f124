"""What scores that need no training say of the sources of a study, from the training images of its cells alone."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from medgraft.errors import DataError, MedgraftError, RunError
from medgraft.evaluation.folded import FoldedMeasure
from medgraft.files import write_text
from medgraft.pipeline.transferability import look
from medgraft.progress import Observer
from medgraft.studies.cell import Cell
from medgraft.studies.desk import Desk
from medgraft.transfer.transferability import LabelledFeatures, Probed, deal_folds, hscore, knn, logme, nleep, probe

SCORES = {"probe": "linear probe", "knn": "k-NN", "logme": "LogME", "nleep": "NLEEP", "hscore": "H-score"}
"""The scores by their names in files, and what they are called; higher is better."""
FILE = "sources.json"
"""In a study's folder; a study that has it compares sources."""
FORMAT = 1

Entry = Mapping[str, Any]


def foretell(data: LabelledFeatures, seed: int = 0) -> dict[str, float]:
    """Every score of :data:`SCORES` for one encoder's features; probe and k-NN are AUC out of fold.

    Parameters
    ----------
    seed : of the folds and of the mixture behind NLEEP; the same for encoders that are compared.
    """
    folds = deal_folds(data, seed)
    ones = np.ones((data.group_count, 1))
    with threadpool_limits(1):  # small matrices: threads would wait for each other longer than they work
        probed = Probed(data, folds, probe(data, folds))
        near = knn(data, folds)
        found = {"logme": logme(data), "nleep": nleep(data, seed), "hscore": hscore(data)}
    areas = {
        name: float(FoldedMeasure(probed, values)(ones)["auc"][0])
        for name, values in (("probe", probed.probe.probabilities), ("knn", near))
    }
    return {name: value for name, value in (areas | found).items() if name in SCORES}


def foretell_cells(desk: Desk, cells: Sequence[Cell], known: Iterable[Entry], observer: Observer) -> list[Entry]:
    """Score the source of each cell on that very cell's training images; those of the same images once.

    Parameters
    ----------
    known : entries of earlier, which are kept.

    Returns
    -------
    A row a source and set of training images: ``encoder``, ``n``, ``seed``, ``fold``, ``images``, ``milliseconds`` that
    the features take an image, and ``scores`` by name; or ``problem``, where the source cannot be scored.
    """
    found = {_key(entry): entry for entry in known if "scores" in entry}
    wanted: dict[tuple[Any, ...], Cell] = {}
    for cell in cells:
        wanted.setdefault(_key_of(cell), cell)
    waiting = [cell for key, cell in wanted.items() if key not in found]
    for done, cell in enumerate(waiting):
        observer.working("transferability scores", done, len(waiting))
        found[_key_of(cell)] = _entry(desk, cell)
        keep_foretold(desk.study.folder, list(found.values()))  # what is measured stays, whatever stops the next one
    if waiting:
        observer.working("transferability scores", len(waiting), len(waiting))
    return [found[key] for key in wanted]


def _entry(desk: Desk, cell: Cell) -> Entry:
    start, place = time.perf_counter(), dict(zip(("encoder", "n", "seed", "fold"), _key_of(cell), strict=True))
    try:
        recipe = desk.recipe(cell, desk.plan.terms.rates[0])
        looked = look(desk.prepared(recipe), recipe, Observer())
        scores = foretell(looked.data, desk.plan.grid.seeds[0])
    except (MedgraftError, RuntimeError, ValueError, np.linalg.LinAlgError) as error:
        # A source that cannot be scored before training may still be trained: it lacks a prediction and no more.
        return place | {"problem": next(iter(str(error).splitlines()), type(error).__name__)}
    return place | {
        "images": len(looked.rows), "parameters": sum(each.numel() for each in looked.encoder.parameters()),
        "weights": looked.source, "milliseconds": round(1000 * looked.extraction, 3),
        "seconds": round(time.perf_counter() - start, 2),
        "scores": {name: value if math.isfinite(value) else None for name, value in scores.items()},
    }  # fmt: skip


def _key_of(cell: Cell) -> tuple[Any, ...]:
    """Which training images the source is scored on: all are the same for each seed."""
    return cell.encoder, cell.amount, None if cell.n is None else cell.seed, cell.fold


def _key(entry: Entry) -> tuple[Any, ...]:
    return entry["encoder"], entry["n"], entry["seed"], entry["fold"]


def keep_foretold(folder: Path, entries: Sequence[Entry]) -> None:
    """Write :data:`FILE` into a study's folder."""
    plain = {"kind": "sources", "format": FORMAT, "foretold": [dict(entry) for entry in entries]}
    write_text(folder / FILE, json.dumps(plain, indent=2, allow_nan=False) + "\n")


def kept_foretold(folder: Path) -> list[Entry]:
    """What :func:`keep_foretold` wrote; nothing where it never did.

    Raises
    ------
    RunError
        Where the file cannot be read.
    """
    path = folder / FILE
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if plain["format"] > FORMAT:
            raise RunError(f"{path} was written by a newer Medgraft; update this one.")
        entries: list[Entry] = plain["foretold"]
        for entry in entries:
            _key(entry)
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, DataError) as error:
        raise RunError(
            f"{path} cannot be read ({type(error).__name__}); take it away, and medgraft sources DATA --resume "
            "measures again."
        ) from None
    return entries
