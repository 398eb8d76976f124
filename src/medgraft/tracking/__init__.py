"""Where else a training is written down: TensorBoard, MLflow, Weights & Biases.

The run's folder stays the truth: what is written here is a copy for people who watch many runs in one place. A tool
that fails, at any time and in any way, costs one warning and nothing else. Nothing is sent that names an image, a
patient or a folder.

The tools themselves are loaded when a run is tracked and not before.
"""

from medgraft.tracking.figures import config_of, figures_of, nameless_options
from medgraft.tracking.journal import Journal
from medgraft.tracking.names import TRACKERS, checked_trackers, open_tracker, require_trackers
from medgraft.tracking.tracker import Place, Tracker

__all__ = [
    "TRACKERS",
    "Journal",
    "Place",
    "Tracker",
    "checked_trackers",
    "config_of",
    "figures_of",
    "nameless_options",
    "open_tracker",
    "require_trackers",
]
