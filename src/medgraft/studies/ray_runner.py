"""Cells on a Ray cluster; one whose worker is lost is trained again by another."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medgraft.data import Manifest
from medgraft.data.formats import file_of
from medgraft.studies.cell import Cell
from medgraft.studies.folder import Study
from medgraft.studies.ray_cluster import Need, alive
from medgraft.studies.ray_worker import Job, Worker
from medgraft.studies.row import Row
from medgraft.studies.runner import Done
from medgraft.studies.underway import Underway
from medgraft.version import __version__

TRIES = 3
"""Workers that a cell may lose before it counts as failed, and that may fail to start one after another."""
_LOOK = 5.0
"""Seconds after which the cluster is looked at again, though nobody has said anything."""
_PATIENCE = 120.0
"""Seconds to wait for a node where none is left that can train a cell."""

_NODE_LOST = "its node was lost"


@dataclass(eq=False)
class _Hand:
    """A worker, the answer that it owes, and what it trains; a cell of None is a worker that looks round first."""

    actor: Any
    answer: Any
    cell: Cell | None = None
    place: Path | None = None
    node: str = ""


@dataclass(frozen=True)
class OnRay:
    """Each worker of the cluster trains one cell after another. This process is connected to it (see ``joined``).

    Parameters
    ----------
    need : what a cell asks of its node.
    say : is told what is amiss on a node.
    """

    need: Need
    say: Callable[[str], None] = print

    def run(self, study: Study, manifest: Manifest, cells: Sequence[Cell], done: Done) -> None:
        """See :class:`~medgraft.studies.runner.Runner`."""
        underway = Underway(study)
        another = _crew(underway, manifest, self.need)
        shift = _Shift(study, underway, self.need, another, deque(cells), done, self.say)
        try:
            while shift.waiting or shift.busy():
                shift.staff()
                shift.hear()
        finally:
            shift.close()


def _crew(underway: Underway, manifest: Manifest, need: Need) -> Callable[[], Any]:
    """What makes another worker of this study."""
    import ray

    files = [Path(file_of(address)).absolute() for address in manifest.table["image"].iloc[[0, -1]]]
    job = Job(
        underway.study.folder.absolute(), underway.mark(), Path.cwd(), tuple(files), Job.carried(), need.cpus,
        __version__,
    )  # fmt: skip
    shared = ray.put(manifest)
    # Ray neither restarts a worker nor gives it its cell again: the next one needs another folder.
    actor = ray.remote(num_cpus=need.cpus, num_gpus=need.gpus, max_restarts=0, max_task_retries=0)(Worker)
    return lambda: actor.remote(job, shared)


@dataclass
class _Shift:
    """Workers and cells of one call."""

    study: Study
    underway: Underway
    need: Need
    another: Callable[[], Any]
    waiting: deque[Cell]
    done: Done
    say: Callable[[str], None]
    hands: list[_Hand] = field(default_factory=list)
    idle: list[_Hand] = field(default_factory=list)
    blind: list[_Hand] = field(default_factory=list)
    lost: Counter[Cell] = field(default_factory=Counter)
    left: dict[Cell, Path] = field(default_factory=dict)
    stillborn: int = 0
    hopeless: str = ""
    seen: float = field(default_factory=time.monotonic)

    def busy(self) -> bool:
        """Whether anybody trains."""
        return any(hand.cell for hand in self.hands)

    def staff(self) -> None:
        """Give out what waits, and ask for more workers while the cluster has room and there are cells for them."""
        while self.waiting and self.idle:
            self._give(self.idle.pop(), self.waiting.popleft())
        slots = self.need.slots(alive())
        self._mourn(slots)
        if self.hopeless and not self.busy() and not (self.hands and slots):
            while self.waiting:
                self._fail(self.waiting.popleft(), self.hopeless)
        starting = sum(hand.cell is None for hand in self.hands)
        # Workers on a node that lacks something stay there idle, or others would be put in their place.
        room = slots - len(self.hands) - len(self.blind)
        for _ in range(0 if self.hopeless else min(room, len(self.waiting) - starting)):
            actor = self.another()
            self.hands.append(_Hand(actor, actor.look.remote()))

    def hear(self) -> None:
        """Wait a while for an answer, and see to those that came."""
        import ray

        answers = {hand.answer: hand for hand in self.hands}
        if not answers:
            time.sleep(_LOOK / 10 if self.waiting else 0)
            return
        for answer in ray.wait(list(answers), num_returns=1, timeout=_LOOK)[0]:
            hand = answers[answer]
            self.hands.remove(hand)
            try:
                found = ray.get(answer)
            except ray.exceptions.RayError as error:
                self._part(hand, error)
            else:
                self._take(hand, found)

    def close(self) -> None:
        """End all workers, and give what they did to the cells."""
        import ray

        for hand in (*self.hands, *self.idle, *self.blind):
            with suppress(Exception):
                ray.kill(hand.actor)
        self.underway.clear()

    def _give(self, hand: _Hand, cell: Cell) -> None:
        hand.cell, hand.place = cell, self.underway.begin(cell, self.left.pop(cell, None))
        hand.answer = hand.actor.train.remote(cell, hand.place.absolute())
        self.hands.append(hand)

    def _take(self, hand: _Hand, found: Any) -> None:
        self.stillborn = 0
        if hand.cell is None:
            hand.node, obstacle = found
            if obstacle:
                self._leave_idle(hand, f"the node {hand.node} cannot train: {obstacle}")
            else:
                self.idle.append(hand)
            return
        assert hand.place is not None
        self.underway.end(hand.cell, hand.place)
        hand.cell = hand.place = None
        self.idle.append(hand)
        self.done(found)

    def _leave_idle(self, hand: _Hand, sentence: str) -> None:
        self.blind.append(hand)
        if len([other for other in self.blind if other.node == hand.node]) == 1:
            self.say(sentence)
        if len(self.blind) >= self.need.slots(alive()):
            self.hopeless = sentence

    def _part(self, hand: _Hand, error: Exception) -> None:
        """A worker is lost; its cell goes to another, if it has not had too many."""
        import ray

        why = why_lost(error, hand.node)
        with suppress(Exception):  # one that could answer still holds its part of the node
            ray.kill(hand.actor)
        # Idle ones on its node may be lost as well, and are not to be given a cell before they have answered.
        for other in self.idle:
            other.answer = other.actor.look.remote()
        self.hands, self.idle = [*self.hands, *self.idle], []
        if hand.cell is None:
            self.stillborn += not hand.node and why != _NODE_LOST
            if self.stillborn >= TRIES:
                self.hopeless = f"no worker of the Ray cluster could be started: {why}"
            return
        self.lost[hand.cell] += 1
        assert hand.place is not None
        if self.lost[hand.cell] < TRIES:
            self.left[hand.cell] = hand.place
            self.waiting.appendleft(hand.cell)
        else:
            self.underway.end(hand.cell, hand.place)
            self._fail(hand.cell, f"{TRIES} workers were lost while they trained this cell; of the last, {why}")

    def _fail(self, cell: Cell, sentence: str) -> None:
        if cell in self.left:
            self.underway.end(cell, self.left.pop(cell))
        self.done(Row(cell, str(self.study.plan.data["name"]), "failed", error=f"{sentence}; --resume trains it again"))

    def _mourn(self, slots: int) -> None:
        """Give up where no node has been left for long that could train a cell."""
        now = time.monotonic()
        if slots:
            self.seen = now
        elif now - self.seen > _PATIENCE:
            self.hopeless = f"no node of the Ray cluster was left for {_PATIENCE:.0f} s that can train a cell"


def why_lost(error: Exception, node: str = "") -> str:
    """Why a worker did not answer, as part of a sentence."""
    import ray

    where = f" on {node}" if node else ""
    text = " ".join(str(error).split())
    if isinstance(error, ray.exceptions.OutOfMemoryError) or "OutOfMemory" in text or "running low on memory" in text:
        return f"memory ran out{where}: a larger --ray-cpus (fewer cells on a node) or a smaller --batch-size may do"
    if isinstance(error, ray.exceptions.NodeDiedError) or "node has died" in text or "node was terminated" in text:
        return f"{_NODE_LOST}{where}"
    if isinstance(error, ray.exceptions.RayActorError) and not getattr(error, "actor_init_failed", False):
        return (
            f"the process ended{where}, as when the system kills it (SIGKILL) because memory runs out: a larger "
            "--ray-cpus (fewer cells on a node) or a smaller --batch-size may do"
        )
    if "No module named 'medgraft'" in text:
        return "a node has no medgraft; install the same version, in the same Python environment, on all nodes"
    return f"{type(error).__name__}: {text[-300:]}"
