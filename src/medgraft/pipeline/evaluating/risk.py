"""What would be left of the errors of an evaluation, were the least sure images given to a person."""

from __future__ import annotations

from typing import Any

from medgraft.errors import DataError
from medgraft.evaluation import as_plain
from medgraft.evaluation.risk_coverage import RiskCoverage, table_risk_coverage
from medgraft.pipeline.evaluating.choices import bootstrap_of
from medgraft.pipeline.evaluating.evidence import Evidence

MOST = 0.5
"""The largest share of images that a person is thought to take."""
DISAGREEMENT = "disagreement"
"""The column of ``predictions.csv`` with how far the answers of several models or views are apart."""
SHOWN = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares that a table shows."""

_NAMES = {"error": "share of wrong answers", "1 - dice": "mean of 1 − Dice"}


def risk_part(evidence: Evidence) -> dict[str, Any] | None:
    """The risk-coverage curve of the split that is spoken of; None where there is nothing to put in order.

    Returns
    -------
    ``what`` is averaged, by which ``uncertainty``; ``referred`` (shares of images that go to a person), ``risk``,
    ``low`` and ``high`` of the curve; ``rows`` of some of its points; ``aurc``, ``best``, ``excess``, ``gain`` and
    ``notes`` as :class:`~medgraft.evaluation.risk_coverage.RiskCoverage` has them.
    """
    rows, drawn = evidence.rows(), bootstrap_of(evidence.run)
    try:
        if evidence.masks:
            found = table_risk_coverage(rows, bootstrap=drawn)
        else:
            # To the threshold, as a close call is one there; of several classes there is none.
            how = "confidence" if evidence.classes.kind == "multiclass" else "margin"
            found = table_risk_coverage(rows, how, threshold=evidence.choices.threshold, bootstrap=drawn)
    except DataError:
        return None
    return _plain(found)


def disagreement_part(evidence: Evidence) -> dict[str, Any] | None:
    """The same, images being put in order by how much several models or views disagree; None where one alone looks."""
    rows = evidence.rows()
    if DISAGREEMENT not in rows:
        return None
    threshold = None if evidence.masks else evidence.choices.threshold
    try:
        found = table_risk_coverage(rows, DISAGREEMENT, threshold=threshold, bootstrap=bootstrap_of(evidence.run))
    except DataError:
        return None
    return _plain(found)


def _plain(found: RiskCoverage) -> dict[str, Any]:
    points = [(round(1 - point.coverage, 6), point.risk) for point in reversed(found.points)]
    kept = [(referred, risk) for referred, risk in points if referred <= MOST]
    told = as_plain(found)
    return {
        "what": _NAMES.get(found.risk, found.risk),
        "uncertainty": found.uncertainty,
        "referred": [referred for referred, _ in kept],
        "risk": [as_plain(risk.value) for _, risk in kept],
        "low": [as_plain(risk.low) for _, risk in kept],
        "high": [as_plain(risk.high) for _, risk in kept],
        "rows": [
            {"referred": referred, "n": risk.n, "risk": as_plain(risk)} for referred, risk in kept if referred in SHOWN
        ],
        **{name: told[name] for name in ("aurc", "best", "excess", "gain", "notes")},
    }
