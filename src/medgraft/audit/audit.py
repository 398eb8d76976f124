"""Audit: what an inspection says of a data set, and the file that keeps it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.audit.checks import run_checks
from medgraft.audit.examined import Examined
from medgraft.audit.findings import SEVERITIES, Finding, Severity
from medgraft.audit.remedy import exclusion
from medgraft.audit.summary import headline, summarise
from medgraft.errors import DataError
from medgraft.files import write_text
from medgraft.version import __version__

FORMAT = 1
"""Version of audit.json; a reader refuses a newer one."""


@dataclass(frozen=True)
class Audit:
    """What is there, what is wrong, and what to do.

    Attributes
    ----------
    summary : what the data holds, see :func:`medgraft.audit.summary.summarise`.
    findings : worst first.
    passed : what was looked at and found in order.
    notes : what was recognised when the data was opened.
    """

    summary: Mapping[str, Any]
    findings: tuple[Finding, ...]
    passed: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, examined: Examined) -> Audit:
        """Run every check."""
        checked = run_checks(examined)
        return cls(summarise(examined), checked.findings, checked.passed, examined.manifest.notes)

    @property
    def headline(self) -> str:
        """What is there, in one line."""
        return headline(dict(self.summary))

    @property
    def counts(self) -> dict[Severity, int]:
        """Number of findings of each severity."""
        return {severity: sum(f.severity == severity for f in self.findings) for severity in SEVERITIES}

    @property
    def exclusion(self) -> list[tuple[str, str]]:
        """Pairs (image, why) that a list of images to exclude holds; see :mod:`medgraft.audit.remedy`."""
        return exclusion(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Plain types that JSON can hold; :meth:`from_dict` reads them back."""
        return {
            "format": FORMAT,
            "medgraft": __version__,
            "kind": "inspection",
            "counts": self.counts,
            "summary": dict(self.summary),
            "findings": [finding.to_dict() for finding in self.findings],
            "passed": list(self.passed),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Audit:
        """Read what :meth:`to_dict` wrote; raises DataError where a newer version wrote it."""
        if int(raw["format"]) > FORMAT:
            raise DataError(f"this inspection was written by medgraft {raw['medgraft']}; upgrade medgraft to read it.")
        findings = tuple(map(Finding.from_dict, raw["findings"]))
        return cls(dict(raw["summary"]), findings, tuple(raw["passed"]), tuple(raw["notes"]))

    def save(self, path: str | Path) -> None:
        """Write ``audit.json``, whole or not at all."""
        write_text(path, self.to_json())

    def to_json(self) -> str:
        """The text of ``audit.json``; an undefined number is null, as JSON has no NaN."""
        return json.dumps(_defined(self.to_dict()), indent=2, allow_nan=False) + "\n"

    @classmethod
    def load(cls, path: str | Path) -> Audit:
        """Read ``audit.json``; raises DataError where it is none."""
        try:
            raw = json.loads(Path(path).read_text(encoding="utf-8"))
            if raw.get("kind") != "inspection":
                raise KeyError("kind")
            return cls.from_dict(raw)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"{path}: cannot be read as the result of an inspection ({error}).") from error


def _defined(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _defined(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_defined(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
