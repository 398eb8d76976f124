"""The demonstration: three models on one data set, and a table that says which change gave what."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medgraft.data import Manifest, generate, open_data
from medgraft.errors import RunError
from medgraft.evaluation import compare
from medgraft.pipeline import compare_runs, fit
from medgraft.pipeline.compare import comparison_table, seconds_per_epoch
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.run import Run

IMAGES = 300
SIDE = 256
SETTINGS: dict[str, Any] = {"size": 64, "epochs": 8, "batch_size": 16, "patience": 0}
"""Small, so that three trainings end within minutes on two cores."""


@dataclass(frozen=True)
class Stage:
    """One of the three trainings."""

    name: str
    title: str
    options: dict[str, Any]


STAGES = (
    Stage("unet-scratch", "U-Net from scratch", {"model": "unet", "strategy": "scratch"}),
    Stage("encoder-random", "the encoder's architecture, random weights", {"strategy": "scratch"}),
    Stage("encoder-frozen", "the same, pretrained and frozen", {"strategy": "frozen"}),
)

QUESTIONS = (
    ("the architecture", "unet-scratch", "encoder-random"),
    ("pretraining and freezing", "encoder-random", "encoder-frozen"),
    ("all of it", "unet-scratch", "encoder-frozen"),
)
"""What lies between two of the runs."""


def demo(data: str | Path | None, out: str | Path, observer: Observer, **options: Any) -> Path:
    """Train the three models, compare them, and return the path of the comparison page.

    Parameters
    ----------
    data : the user's folder or CSV; None generates a set that is labelled SYNTHETIC wherever it is shown.
    out : the folder for the generated images, the three runs and the page; runs that are finished there are kept.
    options : options of the recipe for all three trainings, instead of :data:`SETTINGS`.
    """
    out = Path(out)
    manifest = _data(data, out, observer)
    folders = []
    for number, stage in enumerate(STAGES, start=1):
        observer.say(f"\n[{number}/{len(STAGES)}] {stage.title}")
        folder = out / stage.name
        recipe = Recipe.make(**(SETTINGS | options | stage.options))
        fit(manifest, recipe, out=folder, resume=_begun(folder, manifest), observer=observer)
        folders.append(folder)
    attribution = attribute({folder.name: Run(folder) for folder in folders})
    _, plain, page = compare_runs(folders, out / "comparison.html", attribution)
    observer.say(f"\n{comparison_table(plain)}\n\n{attribution_table(attribution)}")
    return page


def attribute(runs: dict[str, Run]) -> list[dict[str, Any]]:
    """For each question: the paired difference of test Dice, and how many times faster an epoch became."""
    rows = []
    for label, before, after in QUESTIONS:
        pair = compare({name: runs[name].predictions for name in (before, after)})
        difference = pair.differences[after]["dice"].interval
        ratio = seconds_per_epoch(runs[before]) / seconds_per_epoch(runs[after])
        rows.append(
            {"label": label, "from": before, "to": after, "dice": asdict(difference), "seconds_per_epoch_ratio": ratio}
        )
    return rows


def attribution_table(rows: list[dict[str, Any]]) -> str:
    """The same as text."""
    lines = [f"{'what it gave':28}{'test Dice':30}an epoch is"]
    for row in rows:
        dice, ratio = row["dice"], row["seconds_per_epoch_ratio"]
        speed = f"{ratio:.1f}x faster" if ratio >= 1 else f"{1 / ratio:.1f}x slower"
        change = f"{dice['value']:+.3f} ({dice['low']:+.3f} to {dice['high']:+.3f})"
        lines.append(f"{row['label']:28}{change:30}{speed}")
    return "\n".join(lines)


def _data(data: str | Path | None, out: Path, observer: Observer) -> Manifest:
    if data is not None:
        return open_data(data)
    folder = out / "data"
    generate(folder, IMAGES, SIDE, progress=lambda done, total: observer.working("drawing images", done, total))
    observer.say(f"SYNTHETIC: {IMAGES} drawn images that resemble dermoscopy, in {folder}; not patients, not evidence")
    return open_data(folder)


def _begun(folder: Path, manifest: Manifest) -> bool:
    """Whether a run of an earlier demo is to be gone on with; anything else in its place is an error."""
    if not folder.exists() or not any(folder.iterdir()):
        return False
    if not (folder / "recipe.yaml").is_file():
        raise RunError(f"{folder} exists and is no run; choose another folder with --out.")
    if (folder / "environment.json").is_file():
        root = Run(folder).environment["data"]["root"]
        if root != str(manifest.root):
            raise RunError(f"{folder} is a run on {root}, not on {manifest.root}; choose another folder with --out.")
    return True
