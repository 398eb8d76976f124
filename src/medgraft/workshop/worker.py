"""The process that runs a learner's object: ``python -P -m medgraft.workshop.worker``.

It reads frames on its standard input and answers on its standard output; whatever the learner's code prints goes to a
file that the other side watches. What it sends is judged there: nothing that happens here decides.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any

from medgraft.workshop.frames import ANSWER, FrameError, read_frame, write_frame
from medgraft.workshop.session import Session

ANY = ""
"""The object that is asked whatever the exercise: the one that ``check`` was handed."""
_SUBREAPER = 36
"""Linux: who ends is survived by nobody; what it left behind becomes a child of this process, and ends with it."""


def main() -> None:
    """Serve one check, or the cells of notebooks, until the input ends."""
    asked, answers = _private_streams(sys.argv[1])
    import torch

    torch.set_num_threads(1)
    _bound_memory(int(sys.argv[2]))
    _bound_files(int(sys.argv[3]))
    _adopt()
    write_frame(answers, {"ready": True})
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(asked, requests, Path(sys.argv[1])), daemon=True).start()
    session = Session()
    while True:
        message = requests.get()
        reply, number = _done(session, message), {"number": message["number"]}
        _flush()
        try:
            write_frame(answers, {**reply, **number}, ANSWER)
        except FrameError as error:
            said = f"Your object gave something that is no number, word or array: {error}."
            write_frame(answers, {"raised": said, **number})
        except Exception as error:  # a list that holds itself, a tensor that has no numbers
            write_frame(answers, {"raised": f"What your object gave cannot be read: {told(error)}", **number})


def _receive(asked: IO[bytes], requests: queue.SimpleQueue[Any], printed: Path) -> None:
    """Hand requests on; leave as soon as nobody can ask any more, whatever the learner's code is at."""
    while True:
        try:
            requests.put(read_frame(asked))
        except (EOFError, OSError, ValueError, FrameError):
            with contextlib.suppress(OSError):
                printed.unlink()
            os._exit(0)


def _private_streams(printed: str) -> tuple[IO[bytes], IO[bytes]]:
    """The two streams of frames, out of the reach of ``print`` and ``input``."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing, paper = os.open(os.devnull, os.O_RDONLY), os.open(printed, os.O_WRONLY | os.O_APPEND)
    os.dup2(nothing, 0)
    os.dup2(paper, 1)
    os.dup2(paper, 2)
    return asked, answers


def _bound_memory(more: int) -> None:
    """Let the system refuse memory beyond ``more`` bytes from now on, where it can."""
    try:
        import resource

        held = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
        most = int(held.split()[1]) * 1024 + more
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    except (ImportError, OSError, ValueError, StopIteration):  # the other side watches as well
        return


def _bound_files(most: int) -> None:
    """Let the system refuse a file of more than ``most`` bytes (0: of any size), where it can; and none of a crash."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if most:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    except (ImportError, OSError, ValueError):  # the other side watches as well
        return


def _adopt() -> None:
    """Keep what the learner's code starts within reach, where the system can."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _done(session: Session, message: Any) -> dict[str, Any]:
    """Do what the message asks for, and say what came of it."""
    for place in message.get("path", ()):
        if place not in sys.path:
            sys.path.append(place)
    if "object" in message:
        return _load(session, message)
    if "begin" in message:
        session.begin()
        return {"answer": None}
    if "cell" in message:
        return {"answer": session.run(message["cell"], message["where"], message["exercise"])}
    if "stand_in" in message:
        session.stand_in(message["stand_in"])
        return {"answer": None}
    return _ask(session, message)


def _load(session: Session, message: Any) -> dict[str, Any]:
    import cloudpickle

    try:
        session.objects[ANY] = cloudpickle.loads(message["object"].tobytes())
        return {"answer": None}
    except BaseException as error:
        return {"raised": told(error)}


def _ask(session: Session, message: Any) -> dict[str, Any]:
    from medgraft.workshop.catalogue import exercise_of

    try:
        import torch

        torch.manual_seed(int(message["seed"]))
        probe = exercise_of(message["exercise"]).probes[message["probe"]]
        learner = session.objects.get(message["exercise"], session.objects.get(ANY))
        return {"answer": probe.ask(learner, message["given"])}
    except BaseException as error:  # a learner's sys.exit() as well
        return {"raised": told(error)}


def told(error: BaseException) -> str:
    """The error and where in the learner's own code it came from."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "medgraft" not in frame.filename]
    own = [frame for frame in own if "site-packages" not in frame.filename] or own
    where = f" (line {own[-1].lineno} of {own[-1].name})" if own else ""
    try:
        text = " ".join(str(error).split())[:300]
    except Exception:  # an error that cannot say what it is
        text = ""
    if isinstance(error, MemoryError) or "allocate memory" in text:
        return f"It took too much memory{where}."
    return f"{type(error).__name__}{f': {text}' if text else ''}{where}"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the learner may have put anything in their place
            stream.flush()


if __name__ == "__main__":
    main()
