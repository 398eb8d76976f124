"""Code that loops, exits, raises, prints or eats memory ends in a sentence, and soon."""

import os
import sys
import time

import numpy as np
import psutil
import pytest
import torch

from medgraft.workshop.catalogue import exercise_of
from medgraft.workshop.checking import verdict_of
from medgraft.workshop.limits import Limits
from medgraft.workshop.overseer import Overseer
from medgraft.workshop.pickled import pickled

SOON = Limits(seconds=60, memory=1 << 29)


def ask(learner, seconds=2.0, limits=SOON):
    with Overseer(limits) as overseer:
        loaded = overseer.load(pickled(learner), [p for p in sys.path if p])
        assert loaded.went_wrong is None, loaded
        given = exercise_of("dice-loss").probes[0].draw(np.random.default_rng(0))
        pid = overseer._process.pid
        start = time.monotonic()
        outcome = overseer.ask("dice-loss", 0, given, 0, seconds)
        took = time.monotonic() - start
    assert not psutil.pid_exists(pid)
    return outcome, took


def loops(logits, target):
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


def eats(logits, target):
    kept = []
    while True:
        kept.append(torch.ones(1 << 22))


def sends_code(logits, target):
    return print


def writes_to_the_answers(logits, target):
    for handle in range(3, 64):
        try:
            os.write(handle, b"\0" * 64)
        except OSError:
            continue
    return logits.mean()


def starts_others(logits, target):
    import subprocess

    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # of a learner"])
    while True:
        pass


@pytest.mark.parametrize(
    ("learner", "words", "ended"),
    [
        (loops, "did not end within 2 seconds", True),
        (sleeps_and_ignores, "did not end within 2 seconds", True),
        (prints, "printed more than 1 MB", True),
        (leaves, "SystemExit: 0", False),
        (leaves_at_once, "ended Python itself (exit code 0)", True),
        (raises, "AttributeError: 'Tensor' object has no attribute 'nothing'", False),
        (eats, "too much memory", False),
        (sends_code, "no number, word or array", False),
        (writes_to_the_answers, "wrote into the files", True),
    ],
)
def test_it_ends_in_a_sentence(learner, words, ended):
    outcome, took = ask(learner, seconds=2.0 if ended else 60.0)
    assert words in outcome.went_wrong
    assert outcome.ended is ended
    assert outcome.answer is None
    assert took < 60


def test_what_it_started_ends_with_it():
    ask(starts_others)
    left = [p for p in psutil.process_iter(["cmdline"]) if "of a learner" in " ".join(p.info["cmdline"] or [])]
    assert not left


def test_a_right_one_passes_through_a_process():
    def dice(logits, target):
        p = logits.sigmoid().flatten(1)
        t = target.flatten(1)
        return 1 - ((2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)).mean()

    assert verdict_of(exercise_of("dice-loss"), dice, seed=1).passed
