"""reuse: which blocks of a run's encoder are reused, which are relearned, with the evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.errors import RecipeError, RunError
from medgraft.files import write_text
from medgraft.pipeline.evaluating.data import Subject, own_subject
from medgraft.pipeline.evaluating.write import new_folder, put
from medgraft.pipeline.reusing.alike import alike
from medgraft.pipeline.reusing.findings import (
    Robustness,
    movement_findings,
    neighbour_findings,
    reading_findings,
    robustness_findings,
    similarity_findings,
    write_tables,
)
from medgraft.pipeline.reusing.nearest import neighbours
from medgraft.pipeline.reusing.robustness import (
    TRAINED,
    Variants,
    losses,
    nothing_lost,
    score_variants,
    trained_variant,
)
from medgraft.pipeline.reusing.subject import InitialState, Reused, Rows, open_reused, scored_rows, similar_rows
from medgraft.pipeline.reusing.text import lines
from medgraft.pipeline.tasks import SHOWN
from medgraft.progress import Observer, Terminal
from medgraft.report.explanations import weights_digest
from medgraft.report.reuse_page import FILTERS, FINDINGS, KIND, REUSE, read_reuse, reuse_report
from medgraft.run import Run
from medgraft.scores import Interval
from medgraft.transfer.reuse.cka import Similarity
from medgraft.transfer.reuse.filters import first_filters
from medgraft.transfer.reuse.movement import Movement, movement
from medgraft.transfer.reuse.reading import (
    BlockEvidence,
    BlockReading,
    answer,
    at_once,
    read_blocks,
    reasons,
    together,
)
from medgraft.version import __version__

IMAGES = 1000
"""Images at most that features are compared on, unless told."""
SPLITS = ("val", "test")
GUESSING = 0.5
"""AUC of a model that tells nothing."""


@dataclass(frozen=True)
class Reuse:
    """What was written.

    Attributes
    ----------
    folder : with ``reuse.html``, ``reuse.json``, ``blocks.csv`` and ``similarity.csv``.
    findings : ``reuse.json``.
    """

    folder: Path
    findings: dict[str, Any]

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "reuse.html"


def reuse_run(
    run: Run | str | Path,
    against: Sequence[str | Path] = (),
    *,
    images: int = IMAGES,
    split: str = "val",
    svcca: bool = False,
    redraw: bool = True,
    data: str | Path | None = None,
    out: str | Path | None = None,
    initial_state: InitialState | None = None,
    observer: Observer | None = None,
) -> Reuse:
    """Find which blocks of a run's encoder are reused, and write figures and a page.

    Parameters
    ----------
    against : further runs, whose features are compared with the run's, on the run's images.
    images : how many images features are compared on at most: those of ``split``, then training images.
    split : the images that scores are taken on, ``val`` or ``test``.
    svcca : whether singular vector CCA is measured beside CKA.
    redraw : whether each block is drawn anew, too.
    data : where the run's images lie now, if they have moved.
    out : the folder (default: ``reuse`` in the run's).
    initial_state : gives the encoder's state before training, by default
        :func:`medgraft.transfer.initial_state.initial_state`.

    Raises
    ------
    MedgraftError
        For a run without an encoder or without trained weights, weights that are not at hand, too few images, and
        whatever else the caller can mend.
    """
    observer = observer or Terminal()
    try:
        opened = run if isinstance(run, Run) else Run(run)
        if split not in SPLITS:
            raise RecipeError(f"split: val or test (got {split!r}).")
        folder = Path(out) if out is not None else opened.folder / REUSE
        _refuse_other(folder)
        reused = open_reused(opened, against, initial_state or _rebuilt)
        subject = own_subject(opened, data, observer, "medgraft reuse {run} --data DIR")
        scored = scored_rows(subject, split)
        compared = similar_rows(subject, split, images, opened.recipe.seed)
        work = _Finding(reused, subject, split, scored, compared, observer)
        with new_folder(folder.parent) as made:
            found = work.run_all(svcca, redraw)
            _write(made, found, work)
            reuse_report(made)
            put(made, folder, made.parent)
        observer.close()
        for line in lines(found):
            observer.say(line)
        observer.say(str(folder / "reuse.html"))
        return Reuse(folder, found)
    finally:
        observer.close()


class _Finding:
    """The figures, one after the other, and what they say."""

    def __init__(
        self, reused: Reused, subject: Subject, split: str, scored: Rows, compared: Rows, observer: Observer
    ) -> None:
        self.reused, self.subject, self.split = reused, subject, split
        self.scored, self.compared, self.observer = scored, compared, observer
        self.metric, self.title = SHOWN[reused.run.task][0]
        self.seed, self.variants = reused.run.recipe.seed, Variants(reused, subject)

    def run_all(self, singular: bool, redraw: bool) -> dict[str, Any]:
        """All of ``reuse.json``."""
        moved = movement(self.reused.after, self.reused.initial)
        similar, correlated = alike(self.reused, self.subject, self.compared, singular, self.observer)
        near = neighbours(self.reused, self.subject, self.scored, self.seed, self.observer)
        robust, readings = self._robustness(moved, similar, redraw)
        told = None if robust.together is None else together(*robust.together, self.title)
        said = answer(readings)
        if robust.together is not None:
            said = f"{said} {at_once(robust.together[1])}".rstrip()
        return self._about(robust.score, redraw) | {
            "answer": said,
            "reasons": reasons(readings, self.title) + ([told] if told else []),
            "reading": reading_findings(readings),
            "similarity": similarity_findings(similar, correlated),
            "movement": movement_findings(moved),
            "neighbours": neighbour_findings(near),
            "robustness": robustness_findings(self.reused, robust, self.metric, self.title),
        }

    def _robustness(
        self, moved: Sequence[Movement], similar: Similarity, redraw: bool
    ) -> tuple[Robustness, list[BlockReading]]:
        blocks = range(len(moved))
        # A block that did not change is put back by leaving it alone.
        changed = [place for place in blocks if not moved[place].fixed]
        variants = {TRAINED: trained_variant} | {f"back {b}": self.variants.put_back(b) for b in changed}
        if redraw:
            variants |= {f"redrawn {b}": self.variants.redrawn(b) for b in blocks}
        tables = self._scored(variants, "putting blocks back")
        if len(tables) > 1:
            score, lost = losses(self.reused, tables)
        else:
            score, lost = losses(self.reused, tables | {"same": tables[TRAINED]})
        back = [lost.get(f"back {block}", nothing_lost(score)) for block in blocks]
        anew = [lost[f"redrawn {block}"] for block in blocks] if redraw else []
        tried: list[Interval | None] = [*anew] if redraw else [None] * len(moved)
        tells = not self._guesses(score)
        alike_by_block = np.diagonal(similar.between(*list(self.reused.models)[:2]))
        readings = read_blocks([
            BlockEvidence(each.block, each.fixed, loss, float(value), again, place < self.reused.pretrained, tells)
            for place, (each, loss, value, again) in enumerate(zip(moved, back, alike_by_block, tried, strict=True))
        ])  # fmt: skip
        return Robustness(score, back, anew, self._together(readings, tables)), readings

    def _together(self, readings: Sequence[BlockReading], tables: dict[str, Any]) -> Any:
        """The loss where all that are read as reused, and had learned, are put back at once; None below two."""
        numbers = tuple(each.number for each in readings if each.verdict == "reused")
        if len(numbers) < 2:
            return None
        variant = self.variants.put_back(*(number - 1 for number in numbers))
        found = self._scored({"together": variant}, "putting all reused blocks back")
        _, lost = losses(self.reused, {TRAINED: tables[TRAINED]} | found)
        return numbers, lost["together"]

    def _scored(self, variants: dict[str, Any], what: str) -> dict[str, Any]:
        return score_variants(self.reused, self.subject, self.scored, variants, what, self.observer)

    def _guesses(self, score: Interval) -> bool:
        return self.metric == "auc" and score.low <= GUESSING

    def _about(self, score: Interval, redraw: bool) -> dict[str, Any]:
        run, after = self.reused.run, self.reused.after
        data = run.environment.get("data", {})
        return {
            "format": 1, "kind": KIND, "medgraft": __version__, "run": run.name,
            "weights": weights_digest(run.folder), "start": self.reused.start,
            "pretrained": self.reused.pretrained, "strategy": run.recipe.strategy, "task": run.task,
            "encoder": after.name, "size": self.reused.predictor.size, "blocks": list(after.block_names),
            "models": list(self.reused.models), "split": self.split, "scored": len(self.scored),
            "data": str(data.get("name", self.subject.name)), "synthetic": bool(data.get("synthetic", False)),
            "grouped": self.subject.manifest.has_groups, "cautions": self._cautions(score, redraw),
        }  # fmt: skip

    def _cautions(self, score: Interval, redraw: bool) -> list[str]:
        found = [*self.subject.cautions]
        if self.split == "test":
            found.append("The test images were seen: no choice that rests on this page may be judged by them any more.")
        if self._guesses(score):
            found.append(
                "On these images the model is not surely better than guessing, so no block can be seen to matter."
            )
        if not redraw:
            found.append("Blocks were not drawn anew, so blocks that hardly matter may be among those called reused.")
        if len(self.reused.after.blocks) == 1:
            found.append(f"{self.reused.after.name} could not be cut into blocks, so it is judged as a whole.")
        return found


def _rebuilt(run: Run) -> Any:
    from medgraft.transfer.initial_state import initial_state

    return initial_state(run)


def _write(folder: Path, found: dict[str, Any], work: _Finding) -> None:
    write_text(folder / FINDINGS, json.dumps(found, indent=2, allow_nan=False) + "\n")
    write_tables(folder, found)
    filters = first_filters(work.reused.after, work.reused.initial)
    if filters is not None:
        np.savez(folder / FILTERS, before=filters[0], after=filters[1])


def _refuse_other(folder: Path) -> None:
    """Raise RunError where the folder holds anything but an earlier analysis."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir() or read_reuse(folder) is None:
        raise RunError(f"{folder} exists already and is no earlier reuse analysis, so it is not replaced. "
                       "Choose another with --out.")  # fmt: skip
