"""What an inspection found: how bad, how often, on which images, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
"""error: a training refuses it, or its scores would be wrong; warning: look at it; note: good to know."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

Topic = Literal["files", "pixels", "balance", "groups", "masks", "duplicates", "leakage", "shortcuts"]
"""The sections of the page, and its anchors."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes
    ----------
    kind : what it is, for programs; the same text in every version.
    severity : error, warning or note.
    topic : the section that it belongs to.
    count : how many of what the sentence is about: images, pairs, patients, classes.
    sentence : what was found, in one line, with its numbers.
    advice : what to do.
    images : all images that it is about, as a list for ``fit --exclude`` names them.
    pairs : pairs of images, where it is about pairs.
    figures : its numbers, for programs and charts.
    leave_out : what a list of images to exclude takes out for its sake; see :mod:`medgraft.audit.remedy`.
    """

    kind: str
    severity: Severity
    topic: Topic
    count: int
    sentence: str
    advice: str
    images: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain types that JSON can hold; :meth:`from_dict` reads them back."""
        plain = asdict(self)
        return plain | {
            "images": list(self.images),
            "pairs": [list(pair) for pair in self.pairs],
            "figures": dict(self.figures),
            "leave_out": list(self.leave_out),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Finding:
        """Read what :meth:`to_dict` wrote."""
        pairs = tuple((str(first), str(second)) for first, second in raw["pairs"])
        return cls(**{**raw, "images": tuple(raw["images"]), "pairs": pairs, "leave_out": tuple(raw["leave_out"])})


@dataclass(frozen=True)
class Checked:
    """What one check says: what it found, and in few words what it looked at and found in order."""

    findings: tuple[Finding, ...] = ()
    passed: tuple[str, ...] = ()


def worst_first(findings: list[Finding]) -> list[Finding]:
    """Errors, then warnings, then notes, each in the order they came."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
