"""What is the workshop's own and not a learner's: told by what an object is, never by its source text."""

from __future__ import annotations

import functools
import importlib
import inspect
import types
from pathlib import Path
from typing import Any

from medgraft.workshop.catalogue import exercise_of

_PACKAGE = str(Path(__file__).parents[1])
_SOLUTIONS = "medgraft.workshop.solutions"


def solution_object(name: str) -> Any:
    """What the workshop's solution of an exercise defines."""
    exercise = exercise_of(name)
    module = importlib.import_module(f"{_SOLUTIONS}.{name.replace('-', '_')}")
    return getattr(module, exercise.defines)


def is_own(learner: Any) -> bool:
    """Whether an object is Medgraft's: a class or function of it, an instance, or a class that is built on a solution.

    A function of the learner's that calls Medgraft is the learner's; from outside it cannot be told from any other.
    """
    what = learner
    while isinstance(what, functools.partial):
        what = what.func
    if isinstance(what, types.MethodType):
        what = what.__self__
    if isinstance(what, types.FunctionType):
        return _compiled_in(inspect.unwrap(what), _PACKAGE)
    kind = what if isinstance(what, type) else type(what)
    if _defined_in(kind, "medgraft") or any(_defined_in(base, _SOLUTIONS) for base in kind.__mro__):
        return True
    methods = [method for method in vars(kind).values() if isinstance(method, types.FunctionType)]
    return any(_compiled_in(method, str(Path(_PACKAGE, "workshop", "solutions"))) for method in methods)


def refusal(name: str) -> str:
    """What is said of it, in a sentence."""
    return f"This is the workshop's own {exercise_of(name).defines}, and not yours to be checked"


def _defined_in(kind: type, package: str) -> bool:
    module = str(kind.__module__)
    return module == package or module.startswith(f"{package}.")


def _compiled_in(function: Any, folder: str) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and Path(code.co_filename).is_relative_to(folder)
