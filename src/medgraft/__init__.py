"""Medgraft: transfer learning for medical images.

The public names are loaded when they are first used, so that the command line answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgraft.lazy import lazy_names
from medgraft.version import __version__

if TYPE_CHECKING:
    from medgraft import data, losses, models
    from medgraft.data import Manifest
    from medgraft.data import open_data as open
    from medgraft.errors import MedgraftError
    from medgraft.pipeline import advise, fit
    from medgraft.pipeline import compare_runs as compare
    from medgraft.pipeline.evaluate import evaluate_run as evaluate
    from medgraft.pipeline.inspect import inspect
    from medgraft.recipe import Recipe
    from medgraft.run import Run
    from medgraft.studies import Study, sources, study
    from medgraft.transfer import Strategy

_PLACES = {
    "Manifest": "medgraft.data:Manifest",
    "MedgraftError": "medgraft.errors:MedgraftError",
    "Recipe": "medgraft.recipe:Recipe",
    "Run": "medgraft.run:Run",
    "Strategy": "medgraft.transfer:Strategy",
    "Study": "medgraft.studies:Study",
    "advise": "medgraft.pipeline:advise",
    "compare": "medgraft.pipeline:compare_runs",
    "data": "medgraft.data",
    "evaluate": "medgraft.pipeline.evaluate:evaluate_run",
    "fit": "medgraft.pipeline:fit",
    "inspect": "medgraft.pipeline.inspect:inspect",
    "losses": "medgraft.losses",
    "models": "medgraft.models",
    "open": "medgraft.data:open_data",
    "sources": "medgraft.studies:sources",
    "study": "medgraft.studies:study",
}

__all__ = [
    "Manifest",
    "MedgraftError",
    "Recipe",
    "Run",
    "Strategy",
    "Study",
    "__version__",
    "advise",
    "compare",
    "data",
    "evaluate",
    "fit",
    "inspect",
    "losses",
    "models",
    "open",
    "sources",
    "study",
]

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
