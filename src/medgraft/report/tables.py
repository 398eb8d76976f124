"""The tables of a run's report: model, weights, time, data, recipe and machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import yaml

from medgraft.policy import POLICIES
from medgraft.report.folder import RunFolder
from medgraft.report.rendering import flattened
from medgraft.report.wording import count, duration, split_name
from medgraft.window import AUTO

_TIMES = {
    "store": "Reading and resizing images",
    "probe": "Choosing engine and precision",
    "features": "Computing features of the fixed encoder",
    "training": "Training",
    "evaluation": "Evaluation",
}
_TRAINING_TIMES = {
    "data": "of it waiting for data",
    "encoder": "of it in the fixed encoder",
    "learning": "of it learning",
    "validation": "of it scoring the validation images",
}


def model_table(run: RunFolder) -> dict[str, Any]:
    """The parts of the model with what was trained, and where its weights came from."""
    summary = [_part(row, run.history) for row in run.model.get("summary", [])]
    total, learning = run.model.get("parameters"), learned(run)
    part = learning / total if learning is not None and total else None
    share = "" if part is None else f" ({part:.{1 if 0 < part < 0.01 else 0}%})"
    trained = f"{count(learning)} of {count(total)} parameters{share} learned; the rest stayed as it was."
    weights = run.model.get("weights")
    rows = (
        [
            ("Source", weights.get("source", "–")),
            ("Licence", weights.get("licence") or "not stated by the source"),
            ("Digest (SHA-256)", weights.get("digest", "–")),
        ]
        if weights
        else [("Source", "none: the model learned from random weights")]
    )
    started = run.model.get("initialisation")
    if started:
        rows.insert(0, ("Started from", f"{started['name']}: {started['words']}"))
    return {
        "summary": summary,
        "trained": trained,
        "weights": rows,
    }


def _part(row: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A row of the model's table; ``trainable`` is a yes or no, or the number of parameters that learn."""
    total, trainable = row.get("parameters", 0), row.get("trainable", False)
    start = _first_epoch(row, history)
    partly = not isinstance(trainable, bool) and 0 < trainable < total
    trained = f"{count(trainable)} of it" if partly else "trained" if trainable else "fixed"
    if start > 1:
        trained = f"from epoch {start}"
    rates = [(line.get("lr") or {}).get(row.get("part"), 0.0) for line in history]
    rate = row.get("lr") if trainable else max(rates, default=0.0)
    return {
        "part": row.get("part", ""),
        "shape": " × ".join(str(side) for side in row.get("shape") or ()) or "–",
        "parameters": total,
        "trained": trained if total else "nothing to learn",
        "learns": bool(trainable) or start > 1,
        "lr": rate,
    }


def _first_epoch(row: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> int:
    """The epoch from which a part had a rate, as far as the history says; 0 where it never had."""
    part = row.get("part")
    return next((int(line["epoch"]) for line in history if (line.get("lr") or {}).get(part)), 0)


def learned(run: RunFolder) -> int | None:
    """How many parameters learned in some epoch: those that did from the start, and parts unfrozen later."""
    known = run.model.get("trainable")
    later = [
        row["parameters"]
        for row in run.model.get("summary", [])
        if not row.get("trainable") and _first_epoch(row, run.history)
    ]
    return None if known is None else int(known) + sum(later)


def time_table(run: RunFolder) -> dict[str, Any]:
    """Seconds by part, with those of training split further."""
    spent = {key: float(value) for key, value in run.environment.get("time", {}).items() if value is not None}
    inner = pd.DataFrame([line.get("time") or {} for line in run.history]).sum()
    rows: list[tuple[str, float, bool]] = []
    for key in [*(key for key in _TIMES if key in spent), *(key for key in spent if key not in _TIMES)]:
        rows.append((_TIMES.get(key, key), spent[key], False))
        if key == "training":
            rows += [(_TRAINING_TIMES.get(str(k), f"of it {k}"), float(v), True) for k, v in inner.items()]
    # A line with a penalty is a logistic regression solved whole, not an epoch.
    seconds = [float(line.get("seconds") or 0) for line in run.history if "penalty" not in line]
    return {
        "time": rows,
        "total": sum(spent.values()),
        "epochs": len(seconds),
        "epoch_seconds": sum(seconds) / len(seconds) if seconds else None,
        "penalties": len(run.history) - len(seconds),
        "features": features(run),
    }


def features(run: RunFolder) -> str:
    """A sentence on what was computed once instead of in every epoch; empty where nothing was."""
    found = run.environment.get("features")
    if not isinstance(found, Mapping):
        return ""
    views = found.get("views", 1)
    of_views = f" in {views} views each" if views != 1 else ""
    return (
        f"What the fixed encoder makes of {count(found.get('images'))} images{of_views} was computed once, by "
        f"{found.get('engine', 'an unknown engine')} in {duration(found.get('seconds'))} "
        f"({found.get('megabytes') or 0:.1f} MB), and learned from ever after."
    )


def data_table(run: RunFolder) -> dict[str, Any]:
    """What the run learned from, and the notes on how it was read."""
    data = run.data
    splits = " · ".join(f"{split_name(name)} {number}" for name, number in data.get("splits", {}).items())
    rows = [
        ("Name", data.get("name", "–")),
        ("Images", f"{count(data.get('images'))} ({splits})"),
        *([("Left out of training", count(data["unused"]))] if data.get("unused") else []),
        ("Mask values", data.get("rule", "–")) if run.task == "segmentation" else ("Classes", _classes(run.model)),
    ]
    for key, label in (("mean", "Mean by channel (0 to 1)"), ("std", "Spread by channel")):
        if data.get(key):
            rows.append((label, ", ".join(f"{float(value):.3f}" for value in data[key])))
    if run.synthetic:
        rows.insert(1, ("Origin", "SYNTHETIC: generated images"))
    return {"data": rows, "notes": [str(note) for note in data.get("notes") or []]}


def _classes(model: Mapping[str, Any]) -> str:
    """The classes in their order; of two that exclude each other the second is the positive one."""
    classes = model.get("classes") or {}
    names, several = [str(name) for name in classes.get("names", [])], bool(classes.get("multilabel"))
    numbered = [f"{index} = {name}" for index, name in enumerate(names)]
    if several:
        return f"{', '.join(numbered)}; an image may have several or none"
    return ", ".join(numbered) + (" (positive)" if len(names) == 2 else "")


def augmentation(run: RunFolder) -> str:
    """The augmentation policy in one sentence."""
    options = recipe_of(run).get("augment") or {}
    values = options if isinstance(options, Mapping) else {"policy": options}
    name = next((n for n, policy in POLICIES.items() if policy.model_dump() == dict(values)), "own policy")
    drawn = [f"{key.replace('_', ' ')} {value:g}" for key, value in values.items() if _is_on(value)]
    if not drawn:
        return f"{values.get('policy', 'none')}: training images are used as they are."
    together = " Image and mask move together." if run.task == "segmentation" else ""
    return f"{name}: {', '.join(drawn)}.{together}"


def _is_on(value: object) -> bool:
    return isinstance(value, int | float) and value != 0


def recipe_of(run: RunFolder) -> Mapping[str, Any]:
    """The recipe's options; empty where the file is no mapping."""
    try:
        raw = yaml.safe_load(run.recipe)
    except yaml.YAMLError:
        return {}
    return raw if isinstance(raw, Mapping) else {}


def window_of(run: RunFolder) -> str:
    """How measured values became grey levels in training (the option ``window``)."""
    return str(recipe_of(run).get("window", AUTO))


def environment_table(run: RunFolder) -> list[tuple[str, str]]:
    """Machine, versions and choices, a row each."""
    told = {key: value for key, value in run.environment.items() if key not in ("data", "time")}
    return list(flattened(told))
