"""The report of one run: ``report.html``, a single file, and its pictures as PNG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medgraft.data.masks import MaskClasses
from medgraft.files import replacing
from medgraft.report.figures import Chart, curves, histogram
from medgraft.report.folder import PREFERRED_SPLITS, RunFolder, read_run_folder
from medgraft.report.overlay import Pixels
from medgraft.report.pictures import (
    Picture,
    choose_cases,
    class_colours,
    draw_case,
    encoded,
    inlined,
    load_case,
    stamped,
)
from medgraft.report.rendering import write_page
from medgraft.report.tables import (
    augmentation,
    data_table,
    environment_table,
    learned,
    model_table,
    recipe_of,
    time_table,
)
from medgraft.report.wording import count, duration, split_name, verdict

SYNTHETIC = "SYNTHETIC"


def run_report(run_folder: str | Path) -> Path:
    """Write ``report.html`` and ``figures/*.png`` into a run's folder.

    The page is one file that needs nothing from outside: charts and pictures lie in it. Images that are no
    longer where they were are named and left out; a missing test split is said, and the next best one shown.

    Parameters
    ----------
    run_folder : the folder that a training wrote.

    Returns
    -------
    The path of ``report.html``.

    Raises
    ------
    RunError
        Where the folder or one of its files is missing or cannot be read.
    """
    run = read_run_folder(run_folder)
    figures = run.path / "figures"
    charts = _charts(run)
    for chart in charts:
        write_bytes(figures / f"{chart.name}.png", chart.png)
    return write_page(
        "run.html",
        run.path / "report.html",
        title=f"Segmentation of {run.data.get('name') or run.path.name}",
        synthetic=run.synthetic,
        charts=charts,
        cases=list(_cases(run, figures)),
        legend=legend(classes_of(run)),
        recipe=run.recipe,
        environment=environment_table(run),
        augmentation=augmentation(run),
        **_headline(run),
        **_scores(run),
        **model_table(run),
        **time_table(run),
        **data_table(run),
    )


def classes_of(run: RunFolder) -> MaskClasses:
    """The mask classes that the run's model was trained on."""
    return MaskClasses.from_dict(run.model["classes"])


def legend(classes: MaskClasses) -> list[tuple[str, str, bool]]:
    """Rows (label, colour, dashed) that explain the outlines."""
    names = classes.names[1:]
    colours = [class_colours(len(names) > 1, index) for index in range(1, len(names) + 1)]
    if len(names) == 1:
        truth, prediction = (_hex(colour) for colour in colours[0])
        return [
            ("reference outline (solid)", truth, False),
            ("model's outline (dashed)", prediction, True),
        ]
    rows = [(name, _hex(first), False) for name, (first, _) in zip(names, colours, strict=True)]
    return [*rows, ("solid: reference", "#ffffff", False), ("dashed: model", "#ffffff", True)]


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def labelled(pixels: Pixels, synthetic: bool) -> Pixels:
    """The picture, with SYNTHETIC written on it where its image was generated."""
    return stamped(pixels, SYNTHETIC) if synthetic else pixels


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _dice(run: RunFolder) -> list[float]:
    rows = run.rows(run.split)
    return [float(value) for value in rows["dice"].dropna()] if "dice" in rows else []


def _charts(run: RunFolder) -> list[Chart]:
    note = "SYNTHETIC data" if run.synthetic else ""
    split = run.split or "test"
    found = (
        histogram(_dice(run), run.score(run.split, "dice"), split_name(split), note),
        curves(run.history, "dice", "Dice while training", note),
        curves(run.history, "loss", "Loss while training", note),
    )
    return [chart for chart in found if chart is not None]


def _cases(run: RunFolder, figures: Path) -> Iterator[tuple[str, list[Picture]]]:
    rows = run.rows(run.split)
    # A run keeps the predicted masks of test images only.
    if "dice" not in rows or not any((run.path / "predictions").rglob("*.png")):
        return
    chosen = choose_cases(rows)
    for key in ("best", "median", "worst"):
        pictures = [
            _picture(run, row, figures / f"{key}-{place}.png")
            for place, row in enumerate(chosen[key].to_dict("records"), start=1)
        ]
        if pictures:
            yield key.capitalize(), pictures


def _picture(run: RunFolder, row: Mapping[Any, Any], file: Path) -> Picture:
    caption = f"Dice {row['dice']:.3f} · {row['id']}"
    case = load_case(row, [(run.path, classes_of(run))])
    if isinstance(case, str):
        file.unlink(missing_ok=True)
        return Picture(caption, "", problem=case)
    pixels = labelled(draw_case(case), run.synthetic)
    write_bytes(file, encoded(pixels, "png"))
    alt = f"Image {row['id']}, reference outlined solid and prediction dashed, Dice {row['dice']:.3f}"
    return Picture(caption, alt, inlined(pixels))


def _headline(run: RunFolder) -> dict[str, Any]:
    split, recipe = run.split, recipe_of(run)
    score = run.score(split, "dice")
    jaccard = run.score(split, "jaccard")
    parts = [f"run {run.path.resolve().name}", f"strategy {recipe.get('strategy', 'unknown')}"]
    spec = run.model.get("spec", {})
    parts += [str(spec[key]) for key in ("model", "encoder") if spec.get(key)]
    if run.model.get("size"):
        parts.append(f"{run.model['size']} × {run.model['size']} pixels")
    training = run.environment.get("time", {}).get("training")
    facts = [
        (
            f"{name}, {split_name(split or 'test')}",
            f"{found.value:.3f}",
            f"{found.low:.3f} to {found.high:.3f}",
        )
        for name, found in (("Mean Dice", score), ("Mean Jaccard", jaccard))
        if found is not None
    ]
    images = run.data.get("splits", {})
    shares = ", ".join(f"{number} {split_name(name)}" for name, number in images.items())
    facts.append(("Images", count(run.data.get("images")), shares))
    facts.append(("Time to train", duration(training), f"on {run.environment.get('device', 'unknown')}"))
    of_all = f"of {count(run.model.get('parameters'))} parameters"
    facts.append(("Learned", count(learned(run)), of_all))
    return {
        "subtitle": " · ".join(parts),
        "verdict": verdict(split or "test", score, _dice(run)),
        "facts": facts,
        "split": split,
    }


def _scores(run: RunFolder) -> dict[str, Any]:
    splits = [split for split in PREFERRED_SPLITS if run.scores.get(split)]
    splits += [split for split in run.scores if split not in splits and run.scores[split]]
    metrics = list(dict.fromkeys(metric for split in splits for metric in run.scores[split]))
    return {"splits": splits, "metrics": metrics, "scores": run.scores}
