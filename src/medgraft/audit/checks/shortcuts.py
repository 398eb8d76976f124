"""Shortcuts: whether the label can be guessed, in patients never seen, from things that are not anatomy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgraft.audit.examined import Examined
from medgraft.audit.findings import Checked, Finding

if TYPE_CHECKING:
    from medgraft.audit.shortcuts import Shortcut

STRONG = 0.65
"""AUC from which a shortcut is worth a warning; below, it is noted."""

_WHY = {
    "file size": "Compression differs between the classes: other software, another quality, or plainer pictures.",
    "dimensions": "The classes come in other sizes: other scanners or other sources. Resizing hides it only partly.",
    "format": "The classes come in other formats: other sources.",
    "border pixels": "A model may learn the scanner or the crop. Crop the border, or balance the sources.",
    "coarse layout": "Eight by eight cells of brightness hold some anatomy too; compare a model's score with this one.",
    "burned-in text": "Writing in the pictures goes with the label. Cover it.",
}


def check(examined: Examined) -> Checked:
    """Report the families of traits that beat chance; nothing to say where images have masks."""
    if examined.labels is None:
        return Checked()
    found = [_finding(shortcut) for shortcut in _strongest_first(examined) if shortcut.beyond_chance]
    judged = [shortcut for shortcut in examined.shortcuts if not shortcut.reason]
    fine = [shortcut.family for shortcut in judged if shortcut.features and not shortcut.beyond_chance]
    passed = (f"the label cannot be guessed from {', '.join(fine)}",) if fine else ()
    if examined.shortcuts and not judged:
        reason = examined.shortcuts[0].reason
        found.append(
            Finding(
                "shortcuts-not-judged",
                "note",
                "shortcuts",
                len(examined.shortcuts),
                f"shortcuts were not looked for: {reason}",
                "More images, or patients, of each class are needed.",
            )
        )
    return Checked(tuple(found), passed)


def _strongest_first(examined: Examined) -> list[Shortcut]:
    return sorted(examined.shortcuts, key=lambda shortcut: -shortcut.auc.value)


def _finding(shortcut: Shortcut) -> Finding:
    auc = shortcut.auc
    return Finding(
        f"shortcut-{shortcut.family.replace(' ', '-')}",
        "warning" if auc.value >= STRONG else "note",
        "shortcuts",
        1,
        f"the label can be guessed from {shortcut.family} (AUC {auc.value:.2f}, {auc.low:.2f} to {auc.high:.2f})",
        _WHY.get(shortcut.family, "A model may learn this in the place of what you mean it to."),
        figures={"auc": auc.value, "low": auc.low, "high": auc.high, "n": auc.n, "p": shortcut.p},
    )
