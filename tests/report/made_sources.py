"""A made-up comparison of sources: a made study of several encoders with weights, and what scores foretold of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from made_study import make_study

from medgraft.studies.folder import Study
from medgraft.studies.foretold import keep_foretold

SKILLS = {"good": 2.0, "twin": 2.0, "middling": 1.0, "poor": 0.1}
"""How well each source's models know the truth."""


def make_sources(
    folder: Path,
    *,
    skills: Mapping[str, float] = SKILLS,
    foretold: Mapping[str, float] | None = None,
    problems: Mapping[str, str] | None = None,
    parameters: Mapping[str, int] | None = None,
    **options: Any,
) -> Study:
    """Write a study of sources; ``foretold`` is what the probe said of each, half of it what k-NN said."""
    study = make_study(folder, skills={("WT", None): 0.0}, encoders=tuple(skills), by_encoder=skills, **options)
    told = dict(skills) if foretold is None else dict(foretold)
    entries: list[dict[str, Any]] = []
    for name in skills:
        entry: dict[str, Any] = {"encoder": name, "n": "all", "seed": None, "fold": 0}
        if problems and name in problems:
            entries.append(entry | {"problem": problems[name]})
        elif name in told:
            size = (parameters or {}).get(name, 4_000_000)
            entries.append(
                entry
                | {"images": 420, "parameters": size, "weights": f"ImageNet weights of {name}", "milliseconds": 5.0}
                | {"seconds": 1.0, "scores": {"probe": told[name], "knn": told[name] / 2, "logme": None}}
            )
    keep_foretold(study.folder, entries)
    return study
