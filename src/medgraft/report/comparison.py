"""The page that sets runs side by side on the same images: scores, paired differences and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medgraft.errors import RunError
from medgraft.report.drawing import Chart
from medgraft.report.figures import gains, paired
from medgraft.report.folder import RunFolder, read_run_folder
from medgraft.report.label_comparison import label_comparison
from medgraft.report.overlay import Pixels
from medgraft.report.page import classes_of, legend
from medgraft.report.pictures import (
    Picture,
    draw_case,
    draw_truth,
    encoded,
    inlined,
    labelled,
    load_case,
    side_by_side,
)
from medgraft.report.rendering import write_bytes, write_page
from medgraft.report.tables import window_of
from medgraft.report.wording import bounds, of_one_class, signed_interval


def compare_report(run_folders: Sequence[str | Path], comparison: Mapping[str, Any], out: str | Path) -> Path:
    """Write one self-contained page that compares runs, and its pictures in ``figures/`` beside it.

    Parameters
    ----------
    run_folders : folders of the runs, in the order of ``comparison["names"]``.
    comparison : plain values (for classifiers also what :func:`~medgraft.report.label_comparison.label_comparison`
        names): ``names``; ``n`` (images in common); ``runs``, each with ``name``, ``minutes``, ``learned``,
        ``parameters``, ``strategy``, ``model``, ``encoder`` and ``scores`` (``{metric: {value,
        low, high, n}}``); ``differences``, each with ``name``, ``against``, ``metric``, ``value``, ``low``,
        ``high``, ``n``, ``better``, ``equal`` and ``worse``; ``synthetic``; and where known ``notes``
        (sentences to show) and ``attribution``, rows with ``label``, ``from``, ``to``, ``dice`` (interval of
        the change) and ``seconds_per_epoch_ratio`` (an epoch's seconds in ``from`` over those in ``to``: above
        1 where ``to`` is faster).
    out : the page to write (a name ending in ``.html``), or a folder that gets ``comparison.html``.

    Returns
    -------
    The path of the page.

    Raises
    ------
    RunError
        Where a run folder cannot be read, or folders and names differ in number.
    """
    runs = [read_run_folder(folder) for folder in run_folders]
    names = [str(name) for name in comparison["names"]]
    if len(runs) != len(names) or len(runs) < 2:
        raise RunError(f"a comparison takes two runs or more; got {len(runs)} folders and {len(names)} names.")
    tasks = sorted({run.task for run in runs})
    if len(tasks) > 1:
        raise RunError(f"runs of different tasks cannot be compared ({' and '.join(tasks)}); name runs of one task.")
    page = Path(out) if Path(out).suffix == ".html" else Path(out) / "comparison.html"
    synthetic = bool(comparison.get("synthetic", False)) or any(run.synthetic for run in runs)
    if tasks == ["classification"]:
        return label_comparison(runs, comparison, page, synthetic)
    return _segmentation_page(runs, comparison, page, synthetic)


def _segmentation_page(runs: Sequence[RunFolder], comparison: Mapping[str, Any], page: Path, synthetic: bool) -> Path:
    names = [str(name) for name in comparison["names"]]
    table = _common_rows(runs)
    charts = list(_charts(table, names, synthetic))
    for chart in charts:
        write_bytes(page.parent / "figures" / f"{chart.name}.png", chart.png)
    return write_page(
        "comparison.html",
        page,
        title=f"{names[-1]} against {names[0]}" if len(names) == 2 else f"{len(names)} runs compared",
        synthetic=synthetic,
        verdicts=[_verdict(row) for row in comparison["differences"] if row["metric"] == "dice"],
        runs=comparison["runs"],
        n=comparison["n"],
        metrics=_metrics(comparison["runs"]),
        shown=2,
        runs_lead=f"Means over the same {comparison['n']} images; in brackets the 95% interval.",
        differences=[row for row in comparison["differences"] if not of_one_class(row["metric"])],
        more_differences=[row for row in comparison["differences"] if of_one_class(row["metric"])],
        more_title="Each class",
        attribution=comparison.get("attribution") or [],
        notes=comparison.get("notes") or [],
        charts=charts,
        cases=list(_cases(runs, names, table, page.parent / "figures", synthetic)),
        legend=legend(classes_of(runs[0])),
        names=names,
    )


def _metrics(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(metric for run in runs for metric in run["scores"]))


def _verdict(row: Mapping[str, Any]) -> str:
    """One sentence on a paired difference of Dice that does not claim more than its interval shows."""
    found = bounds(row)
    if found is None:
        return f"{row['name']} and {row['against']} cannot be compared by Dice."
    value, low, high = found
    counts = f"better on {row['better']} of {row['n']} images, worse on {row['worse']}"
    if low <= 0 <= high:
        word = "shows no clear difference from"
    else:
        word = "outlines better than" if value > 0 else "outlines worse than"
    return f"{row['name']} {word} {row['against']}: Dice {signed_interval(row)}, {counts}."


def _common_rows(runs: Sequence[RunFolder]) -> pd.DataFrame:
    """The images that every run was scored on: ``id``, ``image``, ``target``, and Dice by run number."""
    split = runs[0].split
    tables = [run.rows(split) for run in runs]
    if any("dice" not in table for table in tables):
        return pd.DataFrame(columns=["id", "image", "target", *range(len(runs))])
    common = tables[0][["id", "image", "target"]]
    for number, table in enumerate(tables):
        common = common.merge(table[["id", "dice"]].rename(columns={"dice": number}), on="id")
    return common.dropna(subset=list(range(len(runs)))).reset_index(drop=True)


def _charts(table: pd.DataFrame, names: Sequence[str], synthetic: bool) -> Iterator[Chart]:
    note = "SYNTHETIC data" if synthetic else ""
    for number in range(1, len(names) if len(table) else 0):
        first, other = table[0].to_numpy(float), table[number].to_numpy(float)
        yield paired(first, other, names[0], names[number], f"comparison-paired-{number}", note)
    if len(table):
        gain = (table[len(names) - 1] - table[0]).to_numpy(float)
        yield gains(gain, names[0], names[-1], "comparison-gains", note)


def _cases(
    runs: Sequence[RunFolder], names: Sequence[str], table: pd.DataFrame, figures: Path, synthetic: bool
) -> Iterator[tuple[str, list[Picture]]]:
    """Pictures of the largest gain, the median and the largest loss of the last run against the first."""
    sources = [(run.path, classes_of(run)) for run in runs]
    for heading, key, row in _chosen(table, len(runs) - 1):
        case = load_case(row, sources, window=window_of(runs[0]))
        scores = [float(row[number]) for number in range(len(runs))]
        label = f"{heading} of {names[-1]} against {names[0]}" if len(runs) > 2 else heading
        title = f"{label}: Dice {scores[-1] - scores[0]:+.3f}, image {row['id']}".replace("-0.", "−0.")
        file = figures / f"comparison-{key}.png"
        if isinstance(case, str):
            file.unlink(missing_ok=True)
            yield title, [Picture("", "", problem=case)]
            continue
        drawn = [case.image, draw_truth(case), *(draw_case(case, number) for number in range(len(runs)))]
        panels = [labelled(pixels, synthetic) for pixels in drawn]
        write_bytes(file, encoded(side_by_side(panels), "png"))
        yield title, list(_panels(panels, names, scores, str(row["id"])))


def _panels(panels: Sequence[Pixels], names: Sequence[str], scores: Sequence[float], image: str) -> Iterator[Picture]:
    captions = [
        "Image",
        "Reference",
        *(f"{name}: Dice {s:.3f}" for name, s in zip(names, scores, strict=True)),
    ]
    alts = [
        f"Image {image} as it is",
        f"Image {image} with the reference outlined",
        *(f"Image {image} with reference and the prediction of {name} outlined" for name in names),
    ]
    for caption, alt, pixels in zip(captions, alts, panels, strict=True):
        yield Picture(caption, alt, inlined(pixels))


def _chosen(table: pd.DataFrame, last: int) -> Iterator[tuple[str, str, Mapping[Any, Any]]]:
    """The rows to show: largest gain, median and largest loss, no image twice."""
    if not len(table):
        return
    gains = table.assign(gain=table[last] - table[0]).sort_values(["gain", "id"], kind="stable")
    rows = gains.to_dict("records")
    lowest = "Largest loss" if rows[0]["gain"] < 0 else "Smallest gain"
    highest = "Largest gain" if rows[-1]["gain"] > 0 else "Smallest loss"
    yield highest, "gain", rows[-1]
    if len(rows) > 2:
        yield "Median", "median", rows[(len(rows) - 1) // 2]
    if len(rows) > 1:
        yield lowest, "loss", rows[0]
