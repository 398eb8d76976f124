"""The page of a comparison of sources: which one to take, which are as good, what foretold it; reads findings alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medgraft.report.rendering import write_bytes, write_page
from medgraft.report.sources_figures import ranking_chart
from medgraft.report.wording import metric_meaning

STANDINGS = {
    "best": "the best mean",
    "level": "not told from the best",
    "alone": "behind, if it were the one comparison",
    "behind": "behind beyond noise",
    "unknown": "cannot be said",
}
"""What a source's place means, in words."""
ABOUT = {
    "probe": "AUC of a linear classifier on the features, out of fold",
    "knn": "AUC of nearest neighbours by cosine, out of fold",
    "logme": "evidence of a Bayesian linear model (You et al. 2021)",
    "nleep": "how well clusters of the features predict the labels (Li et al. 2021)",
    "hscore": "share of the features' variance between classes (Bao et al. 2019)",
}


def write_sources_page(folder: Path, found: Mapping[str, Any]) -> Path:
    """Write ``report.html`` and ``report/figures/*.png`` into a study's folder.

    Parameters
    ----------
    found : the findings, as ``report/report.json`` holds them; an undefined number is None.
    """
    note = "SYNTHETIC data" if found["synthetic"] else ""
    charts = [
        chart
        for number, part in enumerate(found["parts"], start=1)
        if (chart := ranking_chart(part, found["title"], f"ranking-{number}", note)) is not None
    ]
    for chart in charts:
        write_bytes(folder / "report" / "figures" / f"{chart.name}.png", chart.png)
    return write_page(
        "sources.html",
        folder / "report.html",
        found=found,
        synthetic=found["synthetic"],
        meaning=metric_meaning(found["metric"]),
        charts=charts,
        facts=_facts(found),
        standings=STANDINGS,
        about=ABOUT,
    )


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The tiles: sources, training images, seeds, test images."""
    ranked = max((len(part["rows"]) for part in found["parts"]), default=0)
    images = [part["images"] for part in found["parts"] if part["images"]]
    groups = found["test"]["groups"]
    whole = f"in {groups} groups" if groups < found["test"]["images"] else "each on its own"
    seeds = len(found["seeds"])
    over = f"{seeds} seed{'s' if seeds != 1 else ''}" + (f", {found['folds']} folds" if found["folds"] else "")
    return [
        ("Sources ranked", f"{ranked} of {found['sources']}", f"strategy {found['strategy']}, {found['size']} px"),
        ("Training images", ", ".join(f"{number:,}" for number in images) or "–", "the same for every source"),
        ("Trainings finished", f"{found['finished']} of {found['cells']}", over),
        ("Test images", str(found["test"]["images"]), whole),
    ]
