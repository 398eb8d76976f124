"""The checks: each looks at what is known of a data set and says what it found, and what was in order."""

from __future__ import annotations

from medgraft.audit.checks import balance, duplicates, files, groups, leakage, masks, pixels, shortcuts
from medgraft.audit.examined import Examined
from medgraft.audit.findings import Checked, worst_first

CHECKS = (
    files.check,
    leakage.check,
    duplicates.check,
    masks.check,
    balance.check,
    shortcuts.check,
    groups.check,
    pixels.check,
)
"""In the order in which their findings are told, within a severity."""


def run_checks(examined: Examined) -> Checked:
    """All findings, worst first, and all that was in order."""
    said = [check(examined) for check in CHECKS]
    findings = worst_first([finding for checked in said for finding in checked.findings])
    return Checked(tuple(findings), tuple(sentence for checked in said for sentence in checked.passed))
