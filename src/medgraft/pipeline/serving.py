"""From run folders to the exported files that a server loads."""

from __future__ import annotations

from pathlib import Path

from medgraft.pipeline.export import export_run
from medgraft.progress import Observer
from medgraft.serving.files import EXPORTED


def export_for_serving(run: Path, observer: Observer) -> Path:
    """Export a run as ONNX into its own folder, as :func:`~medgraft.pipeline.export.export_run` does; return the file.

    Raises RunError where the run has no trained model, and EngineError where the file would not say the same.
    """
    observer.say(f"{run}: is exported first, as it is not yet or has changed since")
    exported = export_run(run, form="onnx", out=run / EXPORTED, observer=observer)
    for note in exported.notes:
        observer.say(f"{run}: {note}")
    return exported.path
