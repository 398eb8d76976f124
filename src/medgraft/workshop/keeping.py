"""Trainings that a notebook does once, however often its cells are run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def kept(folder: str | Path, **options: Any) -> dict[str, Any]:
    """The options, and with them where ``mg.fit`` or ``mg.study`` is to keep what it makes of them.

    The same options get the same folder, in which a finished training is opened and an interrupted one goes on. With
    other options it is another folder, and they are trained anew.

    Parameters
    ----------
    folder : by the name that reports are to show; its runs lie in ``FOLDER/DIGEST/NAME``.
    options : of ``mg.fit`` or ``mg.study``, without ``out`` and ``resume``.

    Examples
    --------
    >>> run = mg.fit(data, **kept("runs/frozen", strategy="frozen", epochs=8))  # doctest: +SKIP
    """
    folder = Path(folder)
    told = json.dumps(options, sort_keys=True, default=repr)
    out = folder / hashlib.sha256(told.encode()).hexdigest()[:8] / folder.name
    begun = any((out / name).is_file() for name in ("recipe.yaml", "study.yaml"))
    return {**options, "out": out, "resume": begun}
