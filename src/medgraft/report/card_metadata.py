"""The front matter of a model card, as the Hugging Face Hub reads it."""

from __future__ import annotations

import math
import re
from pathlib import PurePath
from typing import Any

import yaml

from medgraft.report.folder import RunFolder
from medgraft.report.wording import metric_name, split_name

_TASKS = {"classification": "image-classification", "segmentation": "image-segmentation"}

_LICENCES = frozenset(
    (
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "cc0-1.0"),
        *("cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0"),
        *("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0", "cc-by-nd-4.0", "openrail", "unlicense"),
    )
)
"""Licences that the Hub has a name for; the name is also its address of the text."""

_METRICS = {
    "classification": ("auc", "average_precision", "accuracy", "balanced_accuracy", "macro_f1", "brier"),
    "segmentation": ("dice", "jaccard", "sensitivity", "specificity"),
}
_TYPES = {"auc": "roc_auc", "macro_f1": "f1", "brier": "brier_score", "jaccard": "mean_iou"}
"""What the Hub calls a measure, where that is something else."""


def front_matter(run: RunFolder) -> str:
    """YAML between the dashes: licence, library, tags, what it was built on, and the scores."""
    task = _TASKS[run.task]
    told: dict[str, Any] = {
        **_licence(run),
        "library_name": "medgraft",
        "pipeline_tag": task,
        "tags": ["medgraft", "medical-imaging", "transfer-learning", task],
    }
    if base := _base_model(run):
        told["base_model"] = base
    if results := _results(run, task):
        told["model-index"] = [{"name": run.path.resolve().name, "results": [results]}]
    return str(yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=1000))


def data_name(run: RunFolder) -> str:
    """What the data is called; of data whose files tell who a patient is, not even that."""
    name, root = str(run.data.get("name") or "unnamed"), str(run.data.get("root", ""))
    # Where names of files are withheld, a run keeps the name in place of the path (see Manifest.withheld).
    return "images that are not named here" if root == name else PurePath(name).name


def _licence(run: RunFolder) -> dict[str, str]:
    """That of the pretrained weights, which what was made of them has to keep to."""
    weights = run.model.get("weights")
    named = str((weights or {}).get("licence") or "unknown")
    identifier = re.sub(r"[\s_]+", "-", named.strip().lower())
    if identifier in _LICENCES:
        return {"license": identifier}
    if identifier == "unknown":
        return {"license": "unknown"}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.-]+", "-", identifier).strip("-")}


def _base_model(run: RunFolder) -> str | None:
    """The Hub's id of the pretrained model, where the source of the weights names one."""
    source = str((run.model.get("weights") or {}).get("source") or "")
    found = re.search(r"(?:hf-hub:|\()([\w.-]+/[\w.-]+)\)?", source)
    return found[1] if found and "//" not in source else None


def _results(run: RunFolder, task: str) -> dict[str, Any] | None:
    scores = run.scores.get(run.split, {}) if run.split else {}
    metrics = [
        {
            "type": _TYPES.get(metric, metric),
            "name": metric_name(metric),
            "value": round(scores[metric].value, 6),
        }
        for metric in _METRICS[run.task]
        if metric in scores and not math.isnan(scores[metric].value)
    ]
    if not metrics:
        return None
    name = data_name(run)
    kind = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "data"
    dataset = {"name": name, "type": kind, "split": split_name(run.split or "test")}
    return {"task": {"type": task}, "dataset": dataset, "metrics": metrics}
