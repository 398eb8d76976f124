"""The report of one run: ``report.html``, a single file, and its pictures as PNG; here that of a segmentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.data.masks import MaskClasses
from medgraft.errors import RunError
from medgraft.report.drawing import Chart
from medgraft.report.explanations import explanations
from medgraft.report.figures import curves, histogram
from medgraft.report.folder import RunFolder, read_run_folder
from medgraft.report.headline import general_facts, score_facts, scored_splits, subtitle
from medgraft.report.label_page import label_report
from medgraft.report.model_card import write_model_card
from medgraft.report.pictures import (
    Picture,
    choose_cases,
    class_colours,
    draw_case,
    encoded,
    inlined,
    labelled,
    load_case,
)
from medgraft.report.rendering import write_bytes, write_page
from medgraft.report.tables import (
    augmentation,
    data_table,
    environment_table,
    model_table,
    time_table,
    window_of,
)
from medgraft.report.wording import of_one_class, split_name, verdict


def run_report(run_folder: str | Path, places: pd.DataFrame | None = None) -> Path:
    """Write ``report.html``, ``figures/*.png`` and the model card (``README.md``) into a run's folder.

    The page is one file that needs nothing from outside: charts and pictures lie in it. Images that are no
    longer where they were are named and left out; a missing test split is said, and the next best one shown.

    Parameters
    ----------
    run_folder : the folder that a training wrote.
    places : where the images lie, where the run does not keep it (see :meth:`RunFolder.with_files`).

    Returns
    -------
    The path of ``report.html``.

    Raises
    ------
    RunError
        Where the folder or one of its files is missing or cannot be read, or the run has a task that this version
        does not know.
    """
    run = read_run_folder(run_folder)
    if places is not None:
        run = run.with_files(places)
    return write_report(run)


def write_report(run: RunFolder) -> Path:
    """The same from what was read of a run, into the folder that it names."""
    if run.task not in ("classification", "segmentation"):
        raise RunError(f"{run.path}: reports know no task {run.task!r}; upgrade medgraft to read this run.")
    report = label_report(run) if run.task == "classification" else _segmentation_report(run)
    write_model_card(run)
    return report


def _segmentation_report(run: RunFolder) -> Path:
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
        explained=explanations(run),
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
    case = load_case(row, [(run.path, classes_of(run))], window=window_of(run))
    if isinstance(case, str):
        file.unlink(missing_ok=True)
        return Picture(caption, "", problem=case)
    pixels = labelled(draw_case(case), run.synthetic)
    write_bytes(file, encoded(pixels, "png"))
    alt = f"Image {row['id']}, reference outlined solid and prediction dashed, Dice {row['dice']:.3f}"
    return Picture(caption, alt, inlined(pixels))


def _headline(run: RunFolder) -> dict[str, Any]:
    split = run.split
    score = run.score(split, "dice")
    scores = (("Mean Dice", score), ("Mean Jaccard", run.score(split, "jaccard")))
    return {
        "subtitle": subtitle(run),
        "verdict": verdict(split or "test", score, _dice(run)),
        "facts": [*score_facts(scores, split), *general_facts(run)],
        "split": split,
    }


def _scores(run: RunFolder) -> dict[str, Any]:
    splits = scored_splits(run)
    metrics = list(dict.fromkeys(metric for split in splits for metric in run.scores[split]))
    return {
        "splits": splits,
        "metrics": [metric for metric in metrics if not of_one_class(metric)],
        "class_metrics": [metric for metric in metrics if of_one_class(metric)],
        "scores": run.scores,
    }
