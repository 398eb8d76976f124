"""The top of a report: what was run, its main figures, and which splits were scored."""

from __future__ import annotations

import math
from collections.abc import Iterable

from medgraft.report.folder import PREFERRED_SPLITS, RunFolder
from medgraft.report.tables import learned, recipe_of
from medgraft.report.wording import count, duration, split_name
from medgraft.scores import Interval

# A tile at the top of a page: what it is, the figure, and a line below it.
Fact = tuple[str, str, str]


def subtitle(run: RunFolder) -> str:
    """Run, strategy, model, encoder and size in one line."""
    parts = [f"run {run.path.resolve().name}", f"strategy {recipe_of(run).get('strategy', 'unknown')}"]
    spec = run.model.get("spec", {})
    parts += [str(spec[key]) for key in ("model", "encoder") if spec.get(key)]
    if run.model.get("size"):
        parts.append(f"{run.model['size']} × {run.model['size']} pixels")
    return " · ".join(parts)


def score_facts(scores: Iterable[tuple[str, Interval | None]], split: str | None) -> list[Fact]:
    """A tile for each score that there is, with its interval."""
    return [
        (
            f"{name}, {split_name(split or 'test')}",
            "undefined" if math.isnan(found.value) else f"{found.value:.3f}",
            "no interval" if math.isnan(found.low) else f"{found.low:.3f} to {found.high:.3f}",
        )
        for name, found in scores
        if found is not None
    ]


def general_facts(run: RunFolder) -> list[Fact]:
    """Images by split, time to train, and how much of the model learned."""
    images = run.data.get("splits", {})
    shares = ", ".join(f"{number} {split_name(name)}" for name, number in images.items())
    training = run.environment.get("time", {}).get("training")
    return [
        ("Images", count(run.data.get("images")), shares),
        ("Time to train", duration(training), f"on {run.environment.get('device', 'unknown')}"),
        ("Learned", count(learned(run)), f"of {count(run.model.get('parameters'))} parameters"),
    ]


def scored_splits(run: RunFolder) -> list[str]:
    """The splits that have scores: test first, then validation and training, then any other."""
    splits = [split for split in PREFERRED_SPLITS if run.scores.get(split)]
    return splits + [split for split in run.scores if split not in splits and run.scores[split]]
