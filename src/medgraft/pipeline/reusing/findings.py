"""What is written down: all figures as plain types, and tables of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.pipeline.reusing.nearest import BlockNeighbours
from medgraft.pipeline.reusing.subject import AFTER, BEFORE, Reused
from medgraft.scores import Interval
from medgraft.transfer.reuse.cka import Similarity
from medgraft.transfer.reuse.movement import Distance, Movement
from medgraft.transfer.reuse.reading import BlockReading

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Robustness:
    """What the score loses.

    Attributes
    ----------
    score : of the trained model.
    put_back, redrawn : the loss by block; ``redrawn`` is empty where it was not asked for.
    together : the loss where all blocks that are read as reused are put back at once, and their numbers.
    """

    score: Interval
    put_back: Sequence[Interval]
    redrawn: Sequence[Interval]
    together: tuple[tuple[int, ...], Interval] | None


def similarity_findings(found: Similarity, singular: Floats | None) -> dict[str, Any]:
    """Values of all pairs of models, a row a block of the first; the interval of each block with itself."""
    models = list(dict.fromkeys(model for model, _ in found.names))
    places = {model: [i for i, (name, _) in enumerate(found.names) if name == model] for model in models}
    pairs = [(one, other) for i, one in enumerate(models) for other in models[i:]]
    return {
        "images": found.images,
        "batches": len(found.sums),
        "blocks": {model: [found.names[i][1] for i in places[model]] for model in models},
        "cka": [_pair(one, other, found.between(one, other)) for one, other in pairs],
        "svcca": None if singular is None else [
            _pair(one, other, singular[np.ix_(places[one], places[other])]) for one, other in pairs
        ],
        "kept": [
            {"block": found.names[a][1], "value": plain(float(found.values[a, b])), "interval": found.interval(a, b)}
            for a, b in zip(places[BEFORE], places[AFTER], strict=True)
        ],
    }  # fmt: skip


def movement_findings(moved: Sequence[Movement]) -> list[dict[str, Any]]:
    """A row a block."""
    return [
        {"block": each.block, "fixed": each.fixed}
        | {part: _distance(getattr(each, part)) for part in ("weights", "norms", "statistics")}
        for each in moved
    ]


def neighbour_findings(found: Sequence[BlockNeighbours]) -> list[dict[str, Any]]:
    """A row a block."""
    return [
        {"block": each.block, "known": each.known, "k": each.k}
        | {key: plain_interval(getattr(each, key)) for key in ("before", "after", "gained")}
        for each in found
    ]


def robustness_findings(reused: Reused, found: Robustness, metric: str, title: str) -> dict[str, Any]:
    """The score, and what is lost of it by block."""
    return {
        "metric": metric,
        "title": title,
        "score": plain_interval(found.score),
        "put_back": [plain_interval(each) for each in found.put_back],
        "redrawn": [plain_interval(each) for each in found.redrawn] or None,
        "together": None if found.together is None else {
            "blocks": list(found.together[0]), "loss": plain_interval(found.together[1]),
        },
    }  # fmt: skip


def reading_findings(readings: Sequence[BlockReading]) -> list[dict[str, Any]]:
    """A row a block with its verdict."""
    return [
        {
            "number": each.number,
            "block": each.evidence.block,
            "verdict": each.verdict,
            "cka": plain(each.evidence.alike),
        }
        for each in readings
    ]


def write_tables(folder: Path, found: Mapping[str, Any]) -> None:
    """The figures as CSV: ``blocks.csv``, a row a block, and ``similarity.csv``, a row a pair of blocks."""
    pd.DataFrame(_block_rows(found)).to_csv(folder / "blocks.csv", index=False)
    blocks, rows = found["similarity"]["blocks"], []
    for measure in ("cka", "svcca"):
        for pair in found["similarity"][measure] or ():
            one, other = pair["first"], pair["second"]
            rows += [
                {"measure": measure, "first": one, "first_block": a, "second": other, "second_block": b, "value": value}
                for a, line in zip(blocks[one], pair["values"], strict=True)
                for b, value in zip(blocks[other], line, strict=True)
            ]
    pd.DataFrame(rows).to_csv(folder / "similarity.csv", index=False)


def plain_interval(interval: Interval | None) -> dict[str, Any] | None:
    """As JSON holds it: undefined is null."""
    return None if interval is None else {key: plain(value) for key, value in asdict(interval).items()}


def plain(value: float) -> float | None:
    """A number, or None where there is none."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _block_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    robust, near = found["robustness"], found["neighbours"]
    for place, (read, moved) in enumerate(zip(found["reading"], found["movement"], strict=True)):
        row = {"number": read["number"], "block": read["block"], "verdict": read["verdict"], "cka": read["cka"]}
        for part in ("weights", "norms", "statistics"):
            row |= {f"{part}_{key}": moved[part][key] for key in ("count", "moved", "rms", "relative")}
        row |= _columns("loss_put_back", robust["put_back"][place])
        row |= _columns("loss_redrawn", robust["redrawn"][place] if robust["redrawn"] else None)
        for key in ("before", "after", "gained"):
            row |= _columns(f"neighbours_{key}", near[place][key])
        rows.append(row)
    return rows


def _columns(name: str, interval: Mapping[str, Any] | None) -> dict[str, Any]:
    keys = {"value": name, "low": f"{name}_low", "high": f"{name}_high"}
    return {column: None if interval is None else interval[key] for key, column in keys.items()}


def _pair(one: str, other: str, values: Floats) -> dict[str, Any]:
    return {"first": one, "second": other, "values": [[plain(float(v)) for v in row] for row in values]}


def _distance(distance: Distance) -> dict[str, Any]:
    return asdict(distance) | {"rms": distance.rms, "relative": distance.relative}
