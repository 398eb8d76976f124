"""explain: where a trained run looked, in images of its own or in others, with checks of the maps."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.data import MaskClasses
from medgraft.data.staging import staging
from medgraft.errors import DataError, RunError
from medgraft.evaluation.intervals import bootstrap_mean
from medgraft.explain import Explainer, Explanation, deepest_telling, mass_inside, sanity_check
from medgraft.explain.explainer import Case
from medgraft.explain.sanity import ALIKE
from medgraft.files import write_text
from medgraft.pipeline.explaining.cases import Look, given_looks, measured_looks, own_looks
from medgraft.pipeline.explaining.masks import MaskFolder, Masks, References
from medgraft.pipeline.explaining.pictures import save_pictures
from medgraft.pipeline.explaining.text import lead, lines, mass_sentence
from medgraft.pipeline.unread import unread
from medgraft.prediction import as_pixels
from medgraft.progress import Observer, Terminal
from medgraft.report import run_report
from medgraft.report.explanations import EXPLANATIONS, FINDINGS, weights_digest
from medgraft.report.folder import read_run_folder
from medgraft.run import Run
from medgraft.scores import Interval
from medgraft.version import __version__

CHECKED = {True: 12, False: 3}
"""Images at most of the sanity check, for quick methods and for others."""


@dataclass(frozen=True)
class Explained:
    """What was written.

    Attributes
    ----------
    folder : with ``explanations.json``, and for each image ``NAME.png`` and ``NAME-map.png``.
    findings : ``explanations.json``; ``failed`` in it are the images that could not be explained.
    report : the run's report, where it was written anew.
    images : how many there were, those included.
    """

    folder: Path
    findings: dict[str, Any]
    report: Path | None
    images: int

    def raise_failed(self) -> None:
        """Raise DataError that lists what could not be explained, if anything."""
        failed = [(entry["image"], entry["error"]) for entry in self.findings["failed"]]
        if failed:
            raise unread(failed, self.images, "explained")


def explain_run(
    run: Run | str | Path,
    images: Sequence[str | Path] = (),
    *,
    method: str = "gradcam",
    target: str | None = None,
    layer: str | None = None,
    sanity: bool = True,
    masks: str | Path | None = None,
    out: str | Path | None = None,
    observer: Observer | None = None,
) -> Explained:
    """Explain images, check the maps, and write pictures and findings.

    Parameters
    ----------
    images : files, folders and patterns. By default the run's own test images: those that it was surest of, wrongly
        and rightly, and the least certain; of a segmentation those with the worst, median and best Dice. The run's
        report then tells of them, too.
    method, target, layer : see :func:`medgraft.explain.explain`. Of a segmentation the layer is, where none is named,
        the deepest at which most maps have something in them; see :func:`medgraft.explain.deepest_telling`.
    sanity : whether the maps are made again with shuffled weights; see :func:`medgraft.explain.sanity_check`.
    masks : a folder of masks named as the images, to see how much of the maps lies inside; a segmentation has its
        references.
    out : the folder (default: ``explanations/METHOD`` in the run's; for given images ``explanations/RUN-METHOD``).

    Raises
    ------
    MedgraftError
        For anything about the run or the options that the caller can mend, and where no image can be explained. Of
        several images, those that cannot be are passed over; see :meth:`Explained.raise_failed`.
    """
    observer = observer or Terminal()
    try:
        opened = run if isinstance(run, Run) else Run(run)
        explainer = Explainer.of_run(opened, method, layer)
        folder = Path(out) if out is not None else _folder(opened, method, bool(images))
        _refuse_other(folder)
        shown, others = _looks(opened, explainer, images, folder)
        marked = _masks(opened, masks, [*shown, *others])
        if layer is None and opened.task == "segmentation":
            explainer = deepest_telling(explainer, list(_cases(explainer, shown, target)))
        work = _Explaining(opened, explainer, target, marked, observer)
        with _replacing(folder) as made:
            found = work.run_all(made, shown, others, sanity)
        own = not images and out is None
        report = run_report(opened.folder) if own else None
        observer.close()
        for line in lines(found):
            observer.say(line)
        observer.say(str(report or folder))
        return Explained(folder, found, report, work.images)
    finally:
        observer.close()


class _Explaining:
    """From images to findings."""

    def __init__(
        self, run: Run, explainer: Explainer, target: str | None, masks: Masks | None, observer: Observer
    ) -> None:
        self.run, self.explainer, self.target, self.masks, self.observer = run, explainer, target, masks, observer
        self.cases: list[Case] = []
        self.written: list[dict[str, Any]] = []
        self.shares: dict[str, tuple[float, float, str]] = {}
        self.failed: list[tuple[str, str]] = []
        self.images = 0

    def run_all(self, folder: Path, shown: Sequence[Look], others: Sequence[Look], sanity: bool) -> dict[str, Any]:
        """Explain, measure, check and write."""
        known = {look.id for look in shown}
        drawn = {look.id for look in others}
        todo = [*shown, *(look for look in others if look.id not in known and self._marked(look))]
        self.images = len(todo)
        for place, look in enumerate(todo, start=1):
            try:
                self._explain(look, folder)
            except DataError as error:
                self.failed.append((look.address, str(error)))
            self.observer.working("explaining", place, len(todo))
        if not self.written:
            raise unread(self.failed, len(todo), "explained")
        mass = self._mass({name: share for name, share in self.shares.items() if not others or name in drawn})
        found = self._findings(mass, self._checked() if sanity else None)
        write_text(folder / FINDINGS, json.dumps(found, indent=2, allow_nan=False) + "\n")
        return found

    def _explain(self, look: Look, folder: Path) -> None:
        predictor = self.explainer.predictor
        pixels = as_pixels(look.address, predictor.channels, predictor.window)
        found, case = self.explainer.explain_pixels(pixels, self.target)
        inside = None
        if self.masks is not None and self._marked(look):
            inside = self.masks.inside(look, found.target)
            if inside.shape != found.map.shape:
                raise DataError(
                    f"{look.address}: its mask has {inside.shape[0]} x {inside.shape[1]} pixels and the image "
                    f"{found.map.shape[0]} x {found.map.shape[1]}; a mask must have its image's size."
                )
            self.shares[look.id] = (mass_inside(found.map, inside), float(inside.mean()), look.group)
        if look.kind is None:
            return
        self.cases.append(case)
        stem = f"{len(self.cases):02d}-{look.id.replace('/', '_') if look.kind == 'given' else look.kind}"
        synthetic = bool(self.run.environment.get("data", {}).get("synthetic")) and look.kind != "given"
        files = save_pictures(folder, stem, look.address, predictor.window, found, inside, synthetic)
        self.written.append(self._entry(look, found) | files)

    def _entry(self, look: Look, found: Explanation) -> dict[str, Any]:
        caption, named = look.caption, getattr(found.prediction, "label", None)
        if look.kind == "given" or named != found.target:
            caption += f"\nexplained: {found.target}"
        if look.kind == "given":
            caption += _said(found)
        inside = self.shares.get(look.id, (math.nan, math.nan, ""))[0]
        if not math.isnan(inside):
            caption += f"\n{100 * inside:.0f}% of the map inside {self.masks.what if self.masks else ''}"
        return {
            "kind": look.kind, "id": look.id, "target": found.target, "caption": caption, "score": found.score,
            "flat": found.flat, "maximum": float(found.map.max()), "notes": list(found.notes),
            "mass_inside": None if math.isnan(inside) else inside,
        }  # fmt: skip

    def _marked(self, look: Look) -> bool:
        return self.masks is not None and self.masks.has(look)

    def _mass(self, shares: dict[str, tuple[float, float, str]]) -> dict[str, Interval] | None:
        if self.masks is None or not shares:
            return None
        inside, area, groups = zip(*shares.values(), strict=True)
        defined = np.where(np.isnan(inside), np.nan, area)
        recipe = self.run.recipe
        columns = {"inside": np.array(inside), "area": defined, "difference": np.array(inside) - defined}
        return {
            name: bootstrap_mean(values, list(groups), recipe.bootstrap, seed=recipe.seed)
            for name, values in columns.items()
        }

    def _checked(self) -> dict[str, Any]:
        most = CHECKED[self.explainer.method.quick]
        # Spread over the kinds of cases, which come one after the other.
        places = np.unique(np.linspace(0, len(self.cases) - 1, min(most, len(self.cases))).round().astype(int))
        check = sanity_check(self.explainer, [self.cases[place] for place in places], observer=self.observer)
        return {
            "passed": check.passed, "verdict": check.verdict(self.explainer.method.title),
            "images": len(check.spearman), "stages": list(check.stages), "alike": ALIKE,
            "spearman": check.spearman.tolist(), "ssim": check.ssim.tolist(),
        }  # fmt: skip

    def _findings(self, mass: dict[str, Interval] | None, check: dict[str, Any] | None) -> dict[str, Any]:
        explainer, what = self.explainer, self.masks.what if self.masks else ""
        return {
            "format": 1, "medgraft": __version__, "run": self.run.name, "weights": weights_digest(self.run.folder),
            "method": explainer.method.name, "title": explainer.method.title,
            "layer": None if explainer.layer is None else explainer.layer.block, "class": self.target,
            "lead": lead(explainer, self.target), "sentences": mass_sentence(mass, what),
            "mass": None if mass is None else {name: _plain(interval) for name, interval in mass.items()},
            "sanity": check, "cases": self.written,
            "failed": [{"image": image, "error": error} for image, error in self.failed],
        }  # fmt: skip


def _looks(run: Run, explainer: Explainer, images: Sequence[str | Path], folder: Path) -> tuple[list[Look], list[Look]]:
    """The images to show, and those that the mass inside masks is averaged over (none: the shown ones)."""
    if images:
        return given_looks(images, run.recipe.axis, folder), []
    shown, all_looks = own_looks(read_run_folder(run.folder))
    return shown, measured_looks(all_looks, explainer.method.quick)


def _masks(run: Run, masks: str | Path | None, looks: Sequence[Look]) -> Masks | None:
    if masks is not None:
        given = MaskFolder(Path(masks))
        given.refuse_strangers(looks)
        return given
    return References(MaskClasses.from_dict(run.model_info["classes"])) if run.task == "segmentation" else None


def _cases(explainer: Explainer, looks: Sequence[Look], target: str | None) -> Iterator[Case]:
    """The images that can be read; of the others it is told when they are explained."""
    predictor = explainer.predictor
    for look in looks:
        with suppress(DataError):
            yield explainer.case(as_pixels(look.address, predictor.channels, predictor.window), target)[0]


def _folder(run: Run, method: str, given: bool) -> Path:
    return Path(EXPLANATIONS) / f"{run.name}-{method}" if given else run.folder / EXPLANATIONS / method


def _refuse_other(folder: Path) -> None:
    """Raise RunError where the folder holds anything but earlier explanations."""
    if folder.is_dir() and ((folder / FINDINGS).is_file() or not any(folder.iterdir())):
        return
    if folder.exists():
        raise RunError(
            f"{folder} exists already and holds no explanations, so it is not replaced. Choose another --out."
        )


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Yield a new folder, which takes the place of ``folder`` at the end; where work is broken off, nothing is left."""
    there = folder.parent.exists()
    try:
        with staging(folder.parent) as place:
            made = place / "made"
            made.mkdir()
            yield made
            if folder.exists():
                folder.rename(place / "before")
            made.rename(folder)
    finally:
        if not there and folder.parent.exists() and not any(folder.parent.iterdir()):
            folder.parent.rmdir()


def _said(found: Explanation) -> str:
    """What the model says of a given image, where that is short."""
    label = getattr(found.prediction, "label", None)
    return "" if label is None else f"\npredicted: {found.prediction}"


def _plain(interval: Interval) -> dict[str, float | None]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(interval).items()}
