"""The model card of a run: ``README.md`` in the format of the Hugging Face Hub, filled from what the run knows.

It is made to be handed on with the weights, so it holds no name of a file, a patient or a machine, and of subgroups
only those that are large enough to hide in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medgraft.files import write_text
from medgraft.report.card_limits import limits
from medgraft.report.card_metadata import data_name, front_matter
from medgraft.report.evaluation_folder import EVALUATION, read_findings
from medgraft.report.evaluation_wording import is_number, shown_of_subgroups
from medgraft.report.folder import RunFolder
from medgraft.report.label_tables import groups_by_split
from medgraft.report.tables import recipe_of
from medgraft.report.wording import count, metric_name, split_name
from medgraft.scores import Interval

CARD = "README.md"
_GROUP = "group"
FEWEST = 10
"""Images that a subgroup must have to be named in a card, as a smaller one may tell who was in it."""
MOST_SUBGROUPS = 20
"""Of a column with more values than this nothing is told: it may name patients."""


def write_model_card(run: RunFolder) -> Path:
    """Write ``README.md`` into the run's folder, whole or not at all; returns its path."""
    path = run.path / CARD
    write_text(path, model_card(run))
    return path


def model_card(run: RunFolder) -> str:
    """The card's text: YAML front matter, then Markdown."""
    findings = read_findings(run.path / EVALUATION) or {}
    parts = [
        _opening(run),
        _section("How to use it", _use(run)),
        _section("Data", _data(run)),
        _section("Scores", _scores(run)),
        _section("Subgroups", _subgroups(run, findings)),
        _section("Threshold and calibration", _decisions(run, findings)),
        _section("Pretrained weights and training", _training(run)),
        _section("Limits", "\n".join(f"- {sentence}" for sentence in limits(run))),
    ]
    return f"---\n{front_matter(run)}---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _opening(run: RunFolder) -> str:
    spec, size = run.model.get("spec", {}), run.model.get("size")
    what = "Outlines structures in images" if run.task == "segmentation" else "Names the class of images"
    names = [str(name) for name in run.model.get("classes", {}).get("names", [])]
    names = names[1:] if run.task == "segmentation" else names
    built = ", ".join(str(spec[key]) for key in ("model", "encoder") if spec.get(key))
    return (
        f"# {run.path.resolve().name}\n\n"
        "**Research use only. This is not a medical device: not for diagnosis or treatment.**\n\n"
        f"{what}: {', '.join(names)}. Built as {built}; works on images of {size} × {size} pixels. "
        f"Trained with Medgraft {run.model.get('medgraft', '')}."
    )


def _use(run: RunFolder) -> str:
    answer = "mask" if run.task == "segmentation" else "label"
    return (
        "Preprocessing, classes, threshold and temperature travel with the weights in `model.json`.\n\n"
        "```python\nimport medgraft as mg\n\n"
        f'found = mg.Run("{run.path.resolve().name}").predict("image.png")\nprint(found.{answer})\n```'
    )


def _data(run: RunFolder) -> str:
    images: Mapping[str, int] = run.data.get("splits") or {}
    groups = groups_by_split(run)
    labels: Mapping[str, Mapping[str, int]] = run.data.get("labels") or {}
    names = [str(name) for name in run.model.get("classes", {}).get("names", [])] if labels else []
    header = ["Split", "Images", *(["Patients (groups)"] if groups else []), *names]
    rows = [
        [
            split_name(split),
            str(number),
            *([str(groups.get(split, "–"))] if groups else []),
            *(str(labels.get(split, {}).get(name, 0)) for name in names),
        ]
        for split, number in images.items()
        if number
    ]
    origin = "Generated images (SYNTHETIC), no patients." if run.synthetic else f"Data: {data_name(run)}."
    by = "No patient is in two splits." if groups else "Patients are not known, so the split is by image."
    return f"{origin} {by}\n\n{_table(header, rows)}"


def _scores(run: RunFolder) -> str:
    scores: Mapping[str, Interval] = run.scores.get(run.split, {}) if run.split else {}
    if not scores:
        return "The model has not been scored."
    rows = [[metric_name(metric), _interval(found), str(found.n)] for metric, found in scores.items()]
    of = "95% bootstrap interval" + (", of recall Wilson's" if run.task == "classification" else "")
    return f"On the {split_name(run.split or 'test')} images; in brackets the {of}.\n\n" + _table(
        ["Measure", "Value", "n"], rows
    )


def _subgroups(run: RunFolder, findings: Mapping[str, Any]) -> str:
    """A table a column; of small subgroups, of patients, and of columns with very many values nothing is told."""
    tables = []
    shown = shown_of_subgroups(run.model["classes"], run.task)
    for block in findings.get("subgroups") or []:
        kept = [each for each in block["subgroups"] if each["images"] >= FEWEST]
        if (
            not kept
            or len(block["subgroups"]) > MOST_SUBGROUPS
            or block["column"] in (_GROUP, recipe_of(run).get(_GROUP))
        ):
            continue
        metrics = [metric for metric in shown if any(metric in each["scores"] for each in kept)]
        rows = [
            [each["name"], str(each["images"]), *(_interval(each["scores"].get(metric)) for metric in metrics)]
            for each in kept
        ]
        tables.append(_table([str(block["column"]), "Images", *map(metric_name, metrics)], rows))
    return "\n\n".join(tables)


def _decisions(run: RunFolder, findings: Mapping[str, Any]) -> str:
    threshold, choice = run.model.get("threshold"), run.model.get("threshold_choice") or {}
    by = "as it was set before training"
    if choice.get("rule"):
        chosen = f"chosen on {choice.get('n')} validation images by the rule {choice['rule']}"
        by = "given as a number" if is_number(choice) else chosen
    sentences = [f"Threshold {float(threshold):.4g}, {by}."] if threshold is not None and _has_threshold(run) else []
    temperature, fitted = run.model.get("temperature"), run.model.get("calibration") or {}
    unit = "pixels" if run.task == "segmentation" else "images"
    if temperature is None or not fitted:
        sentences.append("The probabilities are not calibrated.")
    else:
        sentences.append(
            f"Temperature {float(temperature):.3g}, fitted on {fitted['n']} validation {unit}: logits are "
            "divided by it before they become probabilities."
        )
    for part in findings.get("calibration") or []:
        before, after = (_interval(part[when]["scores"].get("ece")) for when in ("before", "after"))
        sentences.append(
            f"Expected calibration error on the {split_name(part['split'])} images: {before} before, {after} after."
        )
    return " ".join(sentences)


def _has_threshold(run: RunFolder) -> bool:
    classes = run.model.get("classes") or {}
    return len(classes.get("names", [])) == 2 or bool(classes.get("multilabel"))


def _training(run: RunFolder) -> str:
    weights = run.model.get("weights")
    source = (
        f"- Source: {weights.get('source', 'unknown')}\n- Licence: {weights.get('licence') or 'unknown'}\n"
        f"- Digest (SHA-256): `{weights.get('digest', 'unknown')}`"
        if weights
        else "- None: the model learned from random weights"
    )
    started = run.model.get("initialisation")
    if started:
        source += f"\n- Start: {started['name']}, {started['words']}"
    recipe = recipe_of(run)
    keys = ("strategy", "loss", "lr", "encoder_lr", "epochs", "batch_size", "seed")
    told = ", ".join(f"{key} {recipe[key]}" for key in keys if recipe.get(key) is not None)
    learning = f"{count(run.model.get('trainable'))} of {count(run.model.get('parameters'))} parameters learn"
    return f"{source}\n- Training: {told}; {learning}. `recipe.yaml` has every option."


def _interval(found: Interval | Mapping[str, Any] | None) -> str:
    if found is None:
        return "–"
    if isinstance(found, Interval):
        return found.brief()
    value, low, high = (math.nan if found.get(key) is None else float(found[key]) for key in ("value", "low", "high"))
    return Interval(value, low, high, int(found.get("n", 0))).brief()


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    """A class may be called anything; a bar or a line's end would break the table."""
    return " ".join(text.replace("|", "\\|").split())
