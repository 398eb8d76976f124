"""Which file stands for a run: the one that was exported, unless the run has changed since."""

from __future__ import annotations

from pathlib import Path

from medgraft.errors import RunError

EXPORTED = Path("export") / "model.onnx"
"""Where in a run's folder its exported file lies."""


def exported_file(path: Path) -> Path | None:
    """The file to load for a run's folder or a file; None for a run that has still to be exported.

    A run's file is taken as long as it is not older than ``model.json`` and ``model.safetensors``, which hold the
    classes, the threshold and the weights. Raises RunError where there is neither a folder nor a file.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise RunError(f"{path}: no such run folder or exported file.")
    exported = path / EXPORTED
    sources = [source for name in ("model.json", "model.safetensors") if (source := path / name).is_file()]
    if exported.is_file() and all(source.stat().st_mtime <= exported.stat().st_mtime for source in sources):
        return exported
    return None
