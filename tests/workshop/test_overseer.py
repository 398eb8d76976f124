"""Code that loops, exits, raises, prints or eats memory ends in a sentence, and soon."""

import os
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import torch
from tries.dice_loss import RIGHT

from medgraft.workshop.catalogue import exercise_of
from medgraft.workshop.checking import judge
from medgraft.workshop.limits import Limits
from medgraft.workshop.overseer import Overseer
from medgraft.workshop.pickled import pickled

SOON = Limits(seconds=60, patience=4, memory=1 << 29, processes=12)
MARK = f"of a learner of {os.getpid()}"
EXERCISE = exercise_of("dice-loss")


def ask(overseer, learner, seconds):
    loaded = overseer.load(pickled(learner), [p for p in sys.path if p])
    assert loaded.went_wrong is None, loaded
    given = EXERCISE.probes[0].draw(np.random.default_rng(0))
    return overseer.ask("dice-loss", 0, given, 0, seconds)


@pytest.fixture(scope="module")
def one_process():
    """For what does not end its process."""
    with Overseer(SOON) as overseer:
        yield overseer


def loops_beside_others(logits, target):
    """It leaves others behind, one of them out of its own session and with no parent."""
    again = f"import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)  # {MARK}"
    subprocess.Popen([sys.executable, "-c", f"import time; time.sleep(600)  # {MARK}"])
    if hasattr(os, "fork"):
        subprocess.run([sys.executable, "-c", again], check=True)
    while True:
        pass


def sleeps_and_ignores(logits, target):
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        try:
            time.sleep(60)
        except BaseException:
            continue


def prints(logits, target):
    while True:
        print("x" * 10_000)


def leaves(logits, target):
    sys.exit(0)


def leaves_at_once(logits, target):
    os._exit(0)


def raises(logits, target):
    return logits @ target.nothing


def raises_what_cannot_be_told(logits, target):
    class SilentError(Exception):
        def __str__(self):
            raise ValueError

    raise SilentError


def eats(logits, target):
    kept = []
    while True:
        kept.append(torch.ones(1 << 22))


def sends_code(logits, target):
    return print


def sends_too_much(logits, target):
    return torch.zeros(1 << 24, dtype=torch.float64)


def sends_itself(logits, target):
    return logits.to_sparse()


def writes_to_the_answers(logits, target):
    for handle in range(3, 64):
        try:
            os.write(handle, b"\0" * 64)
        except OSError:
            continue
    return logits.mean()


def forges(logits, target):
    """It answers in the place of the process, and once more."""
    import gc

    from medgraft.workshop.frames import write_frame

    for stream in [found for found in gc.get_objects() if type(found).__name__ == "BufferedWriter"]:
        if stream.name not in (0, 1, 2):
            write_frame(stream, {"answer": {"loss": 0.5, "gradient": None}, "number": 2})
    return RIGHT[0]()(logits, target)


def starts_many(logits, target):
    while True:
        subprocess.Popen(["sleep", "600"])


@pytest.mark.parametrize(
    ("learner", "words"),
    [
        (leaves, "SystemExit: 0"),
        (raises, "AttributeError: 'Tensor' object has no attribute 'nothing'"),
        (raises_what_cannot_be_told, "SilentError (line "),
        (eats, "too much memory"),
        (sends_code, "no number, word or array"),
        (sends_too_much, "128 MB are more than can be judged"),
        (sends_itself, "cannot be read: TypeError"),
    ],
)
def test_it_goes_wrong_in_a_sentence(one_process, learner, words):
    outcome = ask(one_process, learner, 60.0)
    assert words in outcome.went_wrong
    assert not outcome.ended
    assert outcome.answer is None


def test_a_right_one_passes_through_a_process(one_process):
    assert one_process.load(pickled(RIGHT[0]), []).went_wrong is None
    seen = judge(EXERCISE, one_process, seed=1)
    assert len(seen) == len(EXERCISE.probes)
    assert all(one.fault is None for one in seen)


@pytest.mark.parametrize(
    ("learner", "words"),
    [
        (loops_beside_others, "did not end within 1 seconds of computing"),
        (sleeps_and_ignores, "did not end within 4 seconds, of which it computed for 0. Does it wait"),
        (prints, "printed more than 1 MB"),
        (leaves_at_once, "ended Python itself (exit code 0)"),
        (writes_to_the_answers, "wrote into the files"),
        (starts_many, "started more than 12 processes"),
    ],
)
def test_it_is_ended_with_a_sentence_and_all_that_it_started(learner, words):
    with Overseer(SOON) as overseer:
        pid = overseer._process.pid
        outcome = ask(overseer, learner, 1.0 if "end within" in words else 60.0)
    assert words in outcome.went_wrong
    assert outcome.ended
    assert outcome.answer is None
    assert not psutil.pid_exists(pid)
    left = [p for p in psutil.process_iter(["cmdline"]) if MARK in " ".join(p.info["cmdline"] or [])]
    assert not left


def test_a_forged_answer_is_judged_and_is_the_last():
    with Overseer(SOON) as overseer:
        assert ask(overseer, forges, 60.0).answer == {"loss": 0.5, "gradient": None}
        outcome = overseer.ask("dice-loss", 0, EXERCISE.probes[0].draw(np.random.default_rng(0)), 0, 60.0)
    assert outcome.ended
    assert outcome.went_wrong == "It wrote into the files of the process that runs it. Give answers by return."


def test_a_busy_machine_is_no_endless_loop():
    """What computes little of its time is judged by what it computes."""
    overseer = Overseer.__new__(Overseer)
    overseer.limits = Limits(patience=3)
    assert overseer._late(computed=0.5, passed=2.9, seconds=1) is None
    assert overseer._late(computed=1.1, passed=1.2, seconds=1).startswith("It did not end within 1 seconds of comput")
    assert overseer._late(computed=0.2, passed=3.1, seconds=1).startswith("It did not end within 3 seconds, of which")


def test_its_process_ends_when_nobody_can_ask_any_more():
    """As when the notebook's own Python is killed while an endless loop is checked."""
    asks = (
        "import sys, threading, time\n"
        "from medgraft.workshop.overseer import Overseer\n"
        "overseer = Overseer()\n"
        "threading.Thread(target=lambda: overseer.run('while True: pass', 'cell 1', None), daemon=True).start()\n"
        "while overseer._base is None: time.sleep(0.1)\n"
        "time.sleep(0.5)\n"
        "print(overseer._process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", asks], stdout=subprocess.PIPE, text=True) as notebook:
        worker = psutil.Process(int(notebook.stdout.readline()))
        assert worker.is_running()
        notebook.kill()
    worker.wait(30)
