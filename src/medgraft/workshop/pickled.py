"""A learner's object as bytes, with the code that it needs."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path
from typing import Any

from medgraft.errors import MedgraftError, RecipeError


def pickled(learner: Any) -> bytes:
    """The object as cloudpickle writes it; the learner's own modules travel with it, as they are now.

    Raises
    ------
    MedgraftError
        Where it cannot be written, or cloudpickle is not installed.
    """
    if importlib.util.find_spec("cloudpickle") is None:
        raise MedgraftError("cloudpickle is not installed; checks need it: pip install 'medgraft[workshop]'.")
    import cloudpickle

    module = sys.modules.get(getattr(learner, "__module__", None) or "")
    own = module is not None and _own(module)
    if own:
        cloudpickle.register_pickle_by_value(module)
    try:
        written: bytes = cloudpickle.dumps(learner)
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise RecipeError(f"your object cannot be handed to another process ({type(error).__name__}: {text}). "
                          "Hand over the class or function itself, with no open file in it.") from None  # fmt: skip
    finally:
        if own:
            cloudpickle.unregister_pickle_by_value(module)
    return written


def _own(module: Any) -> bool:
    """Whether the learner wrote the module: it is a file, and of no installed package."""
    file = getattr(module, "__file__", None)
    if file is None or module.__name__ in ("__main__", "__mp_main__") or module.__name__.startswith("medgraft."):
        return False
    place = Path(file).resolve()
    return not any(place.is_relative_to(Path(root).resolve()) for root in sysconfig.get_paths().values())
