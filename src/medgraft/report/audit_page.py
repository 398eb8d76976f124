"""The page of an inspection: what was found, with pictures, charts and a contact sheet, in a single file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from medgraft.audit.audit import Audit
from medgraft.audit.examined import Examined
from medgraft.audit.findings import Finding, Topic
from medgraft.audit.wording import shown
from medgraft.errors import counted
from medgraft.report.audit_figures import charts_of
from medgraft.report.audit_pictures import Example, Pictures
from medgraft.report.drawing import Chart
from medgraft.report.rendering import write_page

MOST_NAMES = 200
"""Images, or pairs, that the page lists by name; audit.json has all."""

_TITLES: dict[Topic, tuple[str, str]] = {
    "files": ("Files", "Whether every file is there and can be read, and what formats, sizes and depths there are."),
    "leakage": ("Leakage", "Patients or pictures that are in two splits: a score would be of what was learned."),
    "duplicates": ("Duplicates", "The same pixels, or nearly the same picture (also resized, re-encoded or flipped)."),
    "masks": ("Masks", "Whether masks fit their images, and whether what they outline is plausible."),
    "balance": ("Labels", "How many images each class has."),
    "shortcuts": (
        "Shortcuts",
        "Whether the label can be guessed from things that are not anatomy, in patients that the guess never saw.",
    ),
    "groups": ("Patients", "Images of one patient are alike, so it is patients that count."),
    "pixels": ("Brightness", "Images that are blank, blown out, or unlike the rest."),
}
_SEVERITY = {"error": "Error", "warning": "Warning", "note": "Note"}


@dataclass(frozen=True)
class Told:
    """A finding as the page shows it."""

    severity: str
    word: str
    sentence: str
    advice: str
    topic: str
    example: Example
    names: tuple[str, ...]
    more: int


@dataclass(frozen=True)
class Section:
    """One topic with its findings and charts."""

    topic: Topic
    title: str
    lead: str
    findings: tuple[Told, ...]
    charts: Sequence[Chart]


def audit_page(audit: Audit, examined: Examined, path: Path, synthetic: bool = False) -> Path:
    """Write the page of ``audit`` to ``path``; pictures and charts lie in it, and it asks for nothing from outside.

    Parameters
    ----------
    examined : the data that was inspected, whose images are drawn.
    synthetic : whether the images are generated, which every picture and chart then says.
    """
    pictures = Pictures(examined, synthetic)
    examples = pictures.examples(audit.findings)
    told = [_told(finding, example) for finding, example in zip(audit.findings, examples, strict=True)]
    charts = charts_of(examined, "SYNTHETIC data" if synthetic else "")
    return write_page(
        "audit.html",
        path,
        title=f"Inspection of {shown(str(audit.summary['name']))}",
        synthetic=synthetic,
        subtitle=shown(audit.headline),
        verdict=verdict(audit),
        facts=_facts(audit.summary),
        told=told,
        passed=[shown(sentence) for sentence in audit.passed],
        sections=list(_sections(told, charts)),
        sheet=pictures.sheet(),
        masked=examined.scan.masks is not None,
        notes=[shown(note) for note in audit.notes],
        root=shown(str(audit.summary["root"])),
        leave_out=len(audit.exclusion),
    )


def verdict(audit: Audit) -> str:
    """The page's first sentence: how many errors and warnings, and what they mean."""
    counts = audit.counts
    errors, warnings = counted(counts["error"], "error"), counted(counts["warning"], "warning")
    if counts["error"]:
        rest = f" and {warnings}" if counts["warning"] else ""
        return f"{errors}{rest}: mend the errors first, or no training begins, or no score of it can be believed."
    if counts["warning"]:
        return f"No errors, {warnings}: look at them before you believe a score."
    return "No errors and no warnings."


def _told(finding: Finding, example: Example) -> Told:
    names = [f"{first}  ~  {second}" for first, second in finding.pairs] or list(finding.images)
    reasons = finding.figures.get("reasons", {})
    listed = [f"{name}: {reasons[name]}" if name in reasons else name for name in names[:MOST_NAMES]]
    return Told(
        finding.severity,
        _SEVERITY[finding.severity],
        shown(finding.sentence),
        shown(finding.advice),
        finding.topic,
        example,
        tuple(map(shown, listed)),
        max(0, len(names) - MOST_NAMES),
    )


def _sections(told: Sequence[Told], charts: Mapping[Topic, Sequence[Chart]]) -> Any:
    """Every topic that has something to show, in the order of the titles."""
    assert set(_TITLES) == set(get_args(Topic))
    for topic, (title, lead) in _TITLES.items():
        findings = tuple(item for item in told if item.topic == topic)
        if findings or charts.get(topic):
            yield Section(topic, title, lead, findings, charts.get(topic, ()))


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The tiles at the top."""
    splits = ", ".join(f"{count:,} {split}" for split, count in summary.get("splits", {}).items() if count)
    facts = [("Images", f"{summary['images']:,}", splits or "no splits yet")]
    if "classes" in summary:
        classes = summary["classes"]
        several = "an image may have several" if summary["multilabel"] else "an image has one"
        facts.append(("Classes", str(len(classes)), several))
    if "masks" in summary and "foreground" in summary["masks"]:
        share = summary["masks"]["foreground"]
        facts.append(("Foreground", f"{share['median']:.1%}", f"median; {share['min']:.1%} to {share['max']:.1%}"))
    groups = summary.get("groups")
    told = f"{groups['median']:g} images each in the median, {groups['largest']} at most" if groups else "not known"
    facts.append(("Patients", f"{groups['count']:,}" if groups else "–", told))
    if summary["readable"]:
        sizes = summary["sizes"]
        common = " × ".join(map(str, sizes["commonest"]))
        others = f"{sizes['of_commonest']:,} of them; {sizes['different']:,} different sizes"
        facts.append(("Pixels", common, others if sizes["different"] > 1 else "all of one size"))
        kinds = ", ".join(summary["formats"])
        facts.append(("Depth", " and ".join(f"{bits}-bit" for bits in sorted(summary["bits"], key=int)), kinds))
    return facts
