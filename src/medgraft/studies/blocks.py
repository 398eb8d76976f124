"""Which blocks were reused: what ``medgraft reuse`` found of a study's cells, or the command that finds it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from medgraft.studies.folder import Study
from medgraft.studies.scored import Scored, Way

_STARTS = ("ST", "RI")
"""What a pretrained cell is best held against."""


def reused_blocks(study: Study, scored: Scored) -> list[Mapping[str, Any]]:
    """For each model that began from pretrained weights: a cell of its most images, and what is known of it.

    Each has ``cell``; ``answer``, the sentence of ``medgraft reuse``, or None where nobody has asked; and ``command``,
    which asks, as it is typed in the study's folder. The first cell that was asked is taken, else the first there is.
    """
    found: list[Mapping[str, Any]] = []
    models = dict.fromkeys((way.encoder, way.strategy) for way in scored.ways if way.init == "WT")
    for encoder, strategy in models:
        ways = [way for way in scored.ways if way[:2] == (encoder, strategy) and way.init == "WT"]
        cells = [(way, cell) for way in reversed(ways) for cell in _finished(scored, way)]
        asked = next((pair for pair in cells if _answer(study, pair[1]["id"]) is not None), None)
        if cells and strategy != "frozen":
            way, cell = asked or cells[0]
            found.append({
                "encoder": encoder, "strategy": strategy, "cell": cell["id"], "answer": _answer(study, cell["id"]),
                "command": _command(scored, way, cell),
            })  # fmt: skip
    return found


def _finished(scored: Scored, way: Way) -> list[Mapping[str, Any]]:
    cells = scored.of(way)
    return [
        {str(name): value for name, value in row.items()}
        for row in cells[cells["status"] == "finished"].to_dict("records")
    ]


def _command(scored: Scored, way: Way, cell: Mapping[str, Any]) -> str:
    """With the other starts of the same seed and fold beside it."""
    others = [
        other["id"]
        for init in _STARTS
        for other in _finished(scored, way._replace(init=init))
        if (other["seed"], other["fold"]) == (cell["seed"], cell["fold"])
    ]
    against = "".join(f" cells/{name}" for name in others)
    return f"medgraft reuse cells/{cell['id']}" + (f" --against{against}" if others else "")


def _answer(study: Study, name: str) -> str | None:
    try:
        plain = json.loads((study.folder / "cells" / name / "reuse" / "reuse.json").read_text(encoding="utf-8"))
        return str(plain["answer"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
