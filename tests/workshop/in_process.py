"""Puts cases to an object in this process, by way of the same frames; what loops or exits is for other tests."""

from dataclasses import replace

import torch

from medgraft.workshop.catalogue import exercise_of
from medgraft.workshop.checking import Verdict, judge
from medgraft.workshop.frames import FrameError, decode, encode
from medgraft.workshop.overseer import Outcome
from medgraft.workshop.worker import told


class InProcess:
    def __init__(self, learner):
        self.learner = learner

    def ask(self, exercise, probe, given, seed, seconds):
        torch.manual_seed(seed)
        try:
            answer = exercise_of(exercise).probes[probe].ask(self.learner, decode(encode(dict(given))))
            return Outcome(decode(encode(answer)))
        except (Exception, FrameError) as error:
            return Outcome(went_wrong=told(error))


class UntilFault(InProcess):
    """No case is put after the first that is wrong: what follows costs time, and the first is what a learner reads."""

    def ask(self, exercise, probe, given, seed, seconds):
        outcome = super().ask(exercise, probe, given, seed, seconds)
        if outcome.went_wrong is None:
            fault = exercise_of(exercise).probes[probe].judge(given, outcome.answer)
            return replace(outcome, ended=fault is not None)
        return replace(outcome, ended=True)


def first_fault_in_process(exercise, learner, seed=0):
    found = exercise_of(exercise)
    return Verdict(found, judge(found, UntilFault(learner), seed))


def try_in_process(exercise, learner, seed=0):
    found = exercise_of(exercise)
    return Verdict(found, judge(found, InProcess(learner), seed))
