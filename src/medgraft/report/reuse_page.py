"""The page on feature reuse: the answer first, then its evidence; reads the folder that ``medgraft reuse`` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medgraft.errors import RunError, counted
from medgraft.report.pictures import encoded, labelled
from medgraft.report.rendering import write_bytes, write_page
from medgraft.report.reuse_figures import colour_scale, heat_map, loss_chart, movement_chart, neighbours_chart
from medgraft.report.reuse_filters import filter_pictures

REUSE = "reuse"
"""The folder in a run's."""
FINDINGS = "reuse.json"
FILTERS = "filters.npz"
KIND = "reuse"

VERDICTS = {
    "fixed": "fixed",
    "reused": "reused",
    "changed": "changed without need",
    "relearned": "relearned",
    "unused": "hardly matters",
    "undecided": "undecided",
}
_FROM_RANDOM = {"fixed": "stayed random", "reused": "no need to learn", "relearned": "had to learn"}


def read_reuse(folder: Path) -> dict[str, Any] | None:
    """``reuse.json`` of a folder; None where there is none, or it is of something else."""
    try:
        found = json.loads((folder / FINDINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("kind") == KIND else None


def reuse_report(folder: Path) -> Path:
    """Write ``reuse.html`` and ``figures/*.png`` into the folder; returns the page's path.

    Raises
    ------
    RunError
        Where the folder holds no such analysis.
    """
    found = read_reuse(folder)
    if found is None:
        raise RunError(f"{folder}: no reuse analysis in this folder; medgraft reuse writes one.")
    note = "SYNTHETIC data" if found["synthetic"] else ""
    similar, blocks = found["similarity"], found["blocks"]
    loss, moved = loss_chart(found["robustness"], blocks, note), movement_chart(found["movement"], blocks, note)
    near = neighbours_chart(found["neighbours"], blocks, note)
    main, others = _heat_maps(similar, "cka", "CKA", note), _heat_maps(similar, "svcca", "SVCCA", note)
    for chart in (loss, moved, near, *main, *others):
        if chart is not None:
            write_bytes(folder / "figures" / f"{chart.name}.png", chart.png)
    pictures = []
    for name, pixels, picture in filter_pictures(folder / FILTERS):
        write_bytes(folder / "figures" / f"{name}.png", encoded(labelled(pixels, found["synthetic"]), "png"))
        pictures.append(picture)
    return write_page(
        "reuse.html",
        folder / "reuse.html",
        found=found,
        synthetic=found["synthetic"],
        facts=_facts(found),
        rows=[_row(found, place) for place in range(len(blocks))],
        loss=loss,
        moved=moved,
        near=near,
        maps=main,
        singular=others,
        scale=colour_scale(),
        filters=pictures,
        by="drawing whole groups (patients)" if found["grouped"] else "drawing single images, as no groups are known",
    )


def _heat_maps(similar: Mapping[str, Any], measure: str, title: str, note: str) -> list[Any]:
    """The pairs of different models first, in the order of the models."""
    pairs = sorted(similar[measure] or [], key=lambda pair: pair["first"] == pair["second"])
    return [
        heat_map(
            pair, similar["blocks"][pair["first"]], similar["blocks"][pair["second"]], f"{measure}-{n}", title, note
        )
        for n, pair in enumerate(pairs, start=1)
    ]


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The tiles: how the model does, how many blocks need what they learned, how many images."""
    score, count = found["robustness"]["score"], len(found["blocks"])
    value = "undefined" if score["value"] is None else f"{score['value']:.3f}"
    ends = "no interval" if score["low"] is None else f"{score['low']:.3f} to {score['high']:.3f}"
    kept = sum(each["verdict"] in ("fixed", "reused") for each in found["reading"][: found["pretrained"] or None])
    learned = sum(each["verdict"] == "relearned" for each in found["reading"])
    split = {"val": "validation", "test": "test"}[found["split"]]
    # Of a run that began with some blocks pretrained, those alone can be reused.
    some = found["pretrained"] not in (0, count)
    of = f"of {counted(found['pretrained'], 'pretrained block')}" if some else f"of {count} blocks"
    return [
        (f"{found['robustness']['title']}, {split}", value, ends),
        ("Reused" if found["pretrained"] else "No need to learn", str(kept), f"{of}, fixed ones included"),
        ("Relearned" if found["pretrained"] == count else "Had to learn", str(learned), f"of {count} blocks"),
        ("Images", str(found["scored"]), f"{split} images for scores; {found['similarity']['images']} for similarity"),
    ]


def _row(found: Mapping[str, Any], place: int) -> dict[str, Any]:
    robust, read = found["robustness"], found["reading"][place]
    words = VERDICTS if place < found["pretrained"] else VERDICTS | _FROM_RANDOM
    return {
        "read": read,
        "said": words[read["verdict"]],
        "moved": found["movement"][place],
        "kept": found["similarity"]["kept"][place],
        "back": robust["put_back"][place],
        "redrawn": robust["redrawn"][place] if robust["redrawn"] else None,
        "near": found["neighbours"][place],
    }
