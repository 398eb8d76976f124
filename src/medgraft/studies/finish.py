"""What a study leaves beside its cells: how far its images are from the pretraining images, and its report."""

from __future__ import annotations

from collections.abc import Callable

from medgraft.data import Manifest
from medgraft.progress import Observer
from medgraft.studies.distance import measure_distance
from medgraft.studies.folder import Study

Ending = Callable[[Study, Manifest, Observer], None]


def finish(study: Study, manifest: Manifest, observer: Observer) -> None:
    """Write ``distance.json`` where there is none, and ``report.html`` with ``report/``."""
    measure_distance(study, manifest, observer)
    study.report()
