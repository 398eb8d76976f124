"""The names that a notebook's cells define, one cell after another, as its kernel would keep them."""

from __future__ import annotations

import linecache
import sys
import types
from typing import Any

from medgraft.workshop.catalogue import EXERCISES, exercise_of
from medgraft.workshop.own import is_own, refusal, solution_object

MODULE = "handed_in"
"""What the module is called in which the cells are run."""


class Session:
    """Cells that were handed in, run in a module of their own.

    Attributes
    ----------
    objects : by exercise, what a cell of it defined.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.begin()

    def begin(self) -> None:
        """Forget all names, and what a notebook may have set for all of PyTorch."""
        self.objects.clear()
        self._module = types.ModuleType(MODULE)
        self._stand_ins: dict[str, Any] = {}
        sys.modules[MODULE] = self._module
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_default_dtype(torch.float32)
            torch.set_grad_enabled(True)

    def run(self, source: str, where: str, exercise: str | None) -> dict[str, Any]:
        """Run a cell; of an exercise's, keep what it defines.

        Returns
        -------
        dict
            ``raised``, the error or None, and ``defined``: whether there is an object of the exercise to be tried. It
            may be there in spite of an error further down in the cell. ``own``: why it is not tried. ``new``: of a cell
            that is no exercise's, the exercises whose names it gave to something; this is kept as well, but for what
            was imported from Medgraft.
        """
        from medgraft.workshop.worker import told

        before = {name: self._found(name) for name in EXERCISES}
        raised = None
        try:
            linecache.cache[where] = (len(source), None, source.splitlines(True), where)
            exec(compile(source, where, "exec"), self._module.__dict__)
        except BaseException as error:  # a learner's sys.exit() as well
            raised = told(error)
        if exercise is None:
            return {"raised": raised, "defined": False, "own": None, "new": self._taken(before)}
        found = self._found(exercise)
        defined = found is not None and not (raised and found is before[exercise])
        own = refusal(exercise) if defined and _own(found) else None
        if defined and own is None:
            self.objects[exercise] = found
        return {"raised": raised, "defined": defined and own is None, "own": own, "new": []}

    def _taken(self, before: dict[str, Any]) -> list[str]:
        """Keep what has an exercise's name since ``before``."""
        now = {name: self._found(name) for name in EXERCISES}
        new = {name: found for name, found in now.items() if found is not None and found is not before[name]}
        ours = [name for name, found in new.items() if _own(found)]
        self.objects |= {name: found for name, found in new.items() if name not in ours}
        return [name for name in new if name not in ours]

    def stand_in(self, exercise: str) -> None:
        """From now on, let cells use the workshop's own object under the exercise's name, as ``working`` does."""
        self._stand_ins[exercise] = solution_object(exercise)
        setattr(self._module, exercise_of(exercise).defines, self._stand_ins[exercise])

    def _found(self, exercise: str) -> Any:
        """What has the exercise's name and is not the object that stands in for it."""
        found = vars(self._module).get(exercise_of(exercise).defines)
        return None if found is self._stand_ins.get(exercise) else found


def _own(found: Any) -> bool:
    try:
        return is_own(found)
    except Exception:  # an object that does not say what it is; then it is not plainly ours
        return False
