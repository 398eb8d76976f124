"""Runs side by side: their scores on the same images, and the page that shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medgraft.errors import RunError
from medgraft.evaluation import Comparison, compare
from medgraft.pipeline.assemble import millions
from medgraft.pipeline.tasks import SHOWN
from medgraft.report import compare_report
from medgraft.run import Run


def compare_runs(
    folders: Sequence[str | Path], out: str | Path, attribution: list[dict[str, Any]] | None = None
) -> tuple[Comparison, dict[str, Any], Path]:
    """Compare finished runs on their common test images and write the page.

    Parameters
    ----------
    folders : run folders; the first is the one that the others are compared with.
    out : the page's path, ``comparison.html`` or alike.
    attribution : rows of a table that says which change gave what, shown on the page.

    Returns
    -------
    The comparison, the same as plain values, and the page's path.
    """
    runs = [Run(folder) for folder in folders]
    names = _names(runs)
    if len({run.folder.resolve() for run in runs}) != len(runs):
        raise RunError("a run is named twice; a comparison needs different runs.")
    comparison = compare({name: run.predictions for name, run in zip(names, runs, strict=True)})
    plain = as_plain(comparison, dict(zip(names, runs, strict=True)))
    if attribution is not None:
        plain["attribution"] = attribution
    return comparison, plain, compare_report([run.folder for run in runs], plain, Path(out))


def as_plain(comparison: Comparison, runs: dict[str, Run]) -> dict[str, Any]:
    """The comparison with what is known of its runs, as values that JSON can hold."""
    return {
        "task": next(iter(runs.values())).task,
        "names": list(comparison.names),
        "n": len(comparison.ids),
        "notes": list(comparison.notes),
        "runs": [_describe(name, runs[name], comparison) for name in comparison.names],
        "differences": [
            {
                "name": name,
                "against": comparison.names[0],
                "metric": metric,
                **{key: getattr(difference.interval, key) for key in ("value", "low", "high", "n")},
                "better": difference.better,
                "equal": difference.equal,
                "worse": difference.worse,
            }
            for name, metrics in comparison.differences.items()
            for metric, difference in metrics.items()
        ],
        "delong": [
            {
                "name": name,
                "against": comparison.names[0],
                "metric": metric,
                "difference": test.value,
                "se": test.error,
                "p": test.p,
            }
            for name, tests in comparison.delong.items()
            for metric, test in tests.items()
        ],
        "synthetic": any(run.environment.get("data", {}).get("synthetic", False) for run in runs.values()),
    }


def _describe(name: str, run: Run, comparison: Comparison) -> dict[str, Any]:
    info, environment, recipe = run.model_info, run.environment, run.recipe
    (scores,) = comparison.scores[name].values()
    return {
        "name": name,
        "folder": str(run.folder),
        "minutes": learning_seconds(environment.get("time", {})) / 60,
        "seconds_per_epoch": seconds_per_epoch(run),
        "learned": info["trainable"],
        "parameters": info["parameters"],
        "strategy": recipe.strategy,
        "model": recipe.model,
        "encoder": info["spec"]["encoder"],
        "scores": {metric: asdict(interval) for metric, interval in scores.items()},
    }


def learning_seconds(time: dict[str, float]) -> float:
    """What a run took to learn: its training, and whatever was computed once so that it could be short."""
    return sum(time.get(part, 0.0) for part in ("statistics", "features", "head", "training"))


def seconds_per_epoch(run: Run) -> float:
    """Median over epochs of the seconds that an epoch took, validation included."""
    seconds = sorted(line["seconds"] for line in run.history if "penalty" not in line)
    return float(seconds[len(seconds) // 2]) if seconds else float("nan")


def _names(runs: Sequence[Run]) -> list[str]:
    """Folder names, and whole paths where two folders share a name."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.folder) for run in runs]


def comparison_table(plain: dict[str, Any]) -> str:
    """The comparison as text: a row a run, then the paired differences."""
    width = max(len("difference"), *(len(name) for name in plain["names"])) + 2
    shown = SHOWN[plain["task"]]
    head = f"{'':{width}}{''.join(f'{title:24}' for _, title in shown)}{'minutes':>8}{'learned':>11}"
    lines = [*plain["notes"], head]
    for run in plain["runs"]:
        scores = "".join(f"{_interval(run['scores'][metric]):24}" for metric, _ in shown)
        lines.append(f"{run['name']:{width}}{scores}{run['minutes']:8.1f}{millions(run['learned']):>11}")
    metric, title = shown[0]
    tests = {row["name"]: row["p"] for row in plain["delong"] if row["metric"] == metric and not math.isnan(row["p"])}
    for row in plain["differences"]:
        if row["metric"] == metric:
            better = f"better on {row['better']} of {row['n']} images"
            p = f", DeLong p = {tests[row['name']]:.2g}" if row["name"] in tests else ""
            lines.append(f"{row['name']} against {row['against']}: {title} {row['value']:+.3f} "
                         f"({row['low']:+.3f} to {row['high']:+.3f}), {better}{p}")  # fmt: skip
    return "\n".join(lines)


def _interval(interval: dict[str, float]) -> str:
    return f"{interval['value']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"
