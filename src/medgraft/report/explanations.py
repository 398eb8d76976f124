"""The part of a run's report on where the model looked, read from the folder ``explanations`` of the run."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from medgraft.report.drawing import Chart, Palette, draw_chart, finish, legend
from medgraft.report.folder import RunFolder
from medgraft.report.heat import gradient
from medgraft.report.pictures import Picture, inlined
from medgraft.report.rendering import write_bytes

EXPLANATIONS = "explanations"
"""The folder in a run's, with a folder a method."""
FINDINGS = "explanations.json"

CAUTION = (
    "A map shows where in the image the answer would change, by one method's measure. It is no proof of reasoning: a "
    "model may look at the right place for a wrong reason, and a plausible map makes no answer more likely to be right."
)
HEADINGS = {
    "wrong": "Wrong, and sure of it",
    "right": "Right, and sure of it",
    "unsure": "The least certain",
    "best": "Best",
    "median": "Median",
    "worst": "Worst",
    "given": "Images",
}
_STALE = (
    "These maps were made from other weights than the run has now: run medgraft explain again, or remove the folder "
    "{folder}."
)


@dataclass(frozen=True)
class ExplanationPart:
    """What one method found.

    Attributes
    ----------
    name, title : of the method, for addresses and for people.
    lead : what a bright place says, and of which layer.
    cases : heading and pictures of each kind of case.
    sentences : on the mass inside masks.
    chart : of the sanity check, or None where none was made.
    verdict, passed : of that check.
    warning : where the maps are not of this model.
    """

    name: str
    title: str
    lead: str
    cases: list[tuple[str, list[Picture]]]
    sentences: list[str]
    chart: Chart | None
    verdict: str
    passed: bool | None
    warning: str


def weights_digest(run_folder: Path) -> str:
    """What tells the weights of a run from others: the SHA-256 of their file; empty where there is none."""
    path = run_folder / "model.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def explanations(run: RunFolder) -> dict[str, Any]:
    """What the template wants: the parts, in the order of their names, with caution and legend."""
    folders = sorted(path.parent for path in (run.path / EXPLANATIONS).glob(f"[!.]*/{FINDINGS}"))
    digest = weights_digest(run.path) if folders else ""
    parts = [part for folder in folders if (part := _part(folder, digest, run)) is not None]
    return {"parts": parts, "caution": CAUTION, "gradient": gradient()}


def _part(folder: Path, digest: str, run: RunFolder) -> ExplanationPart | None:
    try:
        found = json.loads((folder / FINDINGS).read_text(encoding="utf-8"))
        check = found["sanity"]
        return ExplanationPart(
            name=folder.name,
            title=str(found["title"]),
            lead=str(found["lead"]),
            cases=list(_cases(found, folder)),
            sentences=[str(each) for each in found["sentences"]],
            chart=_curve(check, folder, run) if check and check["images"] else None,
            verdict=str(check["verdict"]) if check else "",
            passed=check["passed"] if check else None,
            warning="" if found["weights"] == digest else _STALE.format(folder=folder),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        return _unreadable(folder, error)


def _unreadable(folder: Path, error: Exception) -> ExplanationPart:
    why = f"{folder / FINDINGS} cannot be read ({error}): run medgraft explain again."
    return ExplanationPart(folder.name, folder.name, "", [], [], None, "", None, why)


def _cases(found: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, list[Picture]]]:
    cases = found["cases"]
    for kind in dict.fromkeys(case["kind"] for case in cases):
        yield HEADINGS.get(kind, kind), [_picture(case, folder) for case in cases if case["kind"] == kind]


def _picture(case: Mapping[str, Any], folder: Path) -> Picture:
    caption = "\n".join([case["caption"], *case["notes"]])
    file = folder / Path(case["picture"]).name
    try:
        with Image.open(file) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except OSError:
        return Picture(caption, "", problem=f"The picture {file.name} is not there any more.")
    alt = f"{case['id']}: the image, and beside it the map for {case['target']}; {caption}".replace("\n", "; ")
    return Picture(caption, alt, inlined(pixels))


def _curve(check: Mapping[str, Any], folder: Path, run: RunFolder) -> Chart:
    stages = ["trained", *map(str, check["stages"])]
    order, structure = ([1.0, *_means(check[name])] for name in ("spearman", "ssim"))

    def draw(axes: Axes, palette: Palette) -> None:
        places = range(len(stages))
        for each in check["spearman"]:
            axes.plot(places, [1.0, *each], color=palette.first, lw=0.7, alpha=0.35)
        axes.plot(places, order, color=palette.first, lw=2.2, marker="o", ms=4, label="order of values (Spearman)")
        axes.plot(
            places, structure, color=palette.second, lw=1.8, ls="--", marker="s", ms=3.5, label="structure (SSIM)"
        )
        axes.axhline(float(check["alike"]), color=palette.muted, lw=1, ls=":")
        axes.set_xticks(list(places), stages, rotation=40, ha="right", fontsize=8)
        axes.set_ylim(min(-0.25, *order, *structure) - 0.03, 1.05)
        legend(axes, palette, fontsize=8, loc="upper right")
        finish(axes, palette, "shuffled, on top of all before", "similarity with the original map")

    said = ", ".join(f"{stage} {value:.2f}" for stage, value in zip(stages, order, strict=True))
    chart = draw_chart(
        f"sanity-{folder.name}",
        "Maps while the weights are shuffled",
        f"Mean rank correlation with the original map by stage: {said}.",
        draw,
        "SYNTHETIC data" if run.synthetic else "",
        (6.4, 3.6),
    )
    write_bytes(run.path / "figures" / f"{chart.name}.png", chart.png)
    return chart


def _means(rows: list[list[float]]) -> list[float]:
    return [math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]
