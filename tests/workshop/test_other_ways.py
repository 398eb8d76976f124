"""There are several ways to the same mistake; each is told by what it does."""

import importlib

import pytest
from in_process import first_fault_in_process, try_in_process

from medgraft.workshop.catalogue import EXERCISES

TRIES = {name: importlib.import_module(f"tries.{name.replace('-', '_')}") for name in EXERCISES}


@pytest.mark.parametrize(
    ("name", "mistake", "learner"),
    [
        pytest.param(name, *one, id=f"{name}-{k}")
        for name, tries in TRIES.items()
        for k, one in enumerate(getattr(tries, "ALSO_WRONG", ()))
    ],
)
def test_another_way_to_a_mistake_gets_the_same_hint(name, mistake, learner):
    verdict = first_fault_in_process(name, learner, seed=5)
    assert not verdict.passed
    assert verdict.fault.mistake == mistake, verdict.text()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("way", ["by_the_corner", "by_f1"])
def test_a_threshold_that_is_best_by_another_measure_is_told_so(way, seed):
    """Where that one is the most accurate as well, either may be told."""
    verdict = try_in_process("threshold", getattr(TRIES["threshold"], way), seed)
    assert not verdict.passed
    assert verdict.fault.mistake in ("another-measure", "accuracy"), verdict.text()


def _with_a_plain_list(right, name):
    class PlainList(right):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            layers = list(getattr(self, name))
            delattr(self, name)
            setattr(self, name, layers)

    return PlainList


@pytest.mark.parametrize(
    ("exercise", "right", "name"),
    [("unet", TRIES["unet"].Written, "decoder"), ("smart-up", TRIES["smart-up"].Nearest, "layers")],
)
def test_layers_in_a_plain_list_are_refused_by_their_name(exercise, right, name):
    verdict = try_in_process(exercise, _with_a_plain_list(right, name))
    assert not verdict.passed
    assert f"self.{name}, a plain list" in verdict.fault.got
