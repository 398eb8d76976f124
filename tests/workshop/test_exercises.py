"""Every exercise takes right solutions, whatever they look like, and refuses wrong ones with the hint that fits."""

import importlib
import importlib.util

import pytest
from in_process import first_fault_in_process, try_in_process

from medgraft.workshop.catalogue import EXERCISES, exercise_of, solution_of

TRIES = {name: importlib.import_module(f"tries.{name.replace('-', '_')}") for name in EXERCISES}


def _of(kind, table):
    return [pytest.param(name, key, id=f"{name}-{kind}-{key}") for name in EXERCISES for key in table(TRIES[name])]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "which"), _of("right", lambda tries: range(len(tries.RIGHT))))
def test_a_right_solution_passes(name, which, seed):
    verdict = try_in_process(name, TRIES[name].RIGHT[which], seed)
    assert verdict.passed, verdict.text()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "mistake"), _of("wrong", lambda tries: tries.WRONG))
def test_a_wrong_solution_gets_the_hint_that_fits(name, mistake, seed):
    verdict = first_fault_in_process(name, TRIES[name].WRONG[mistake], seed)
    assert not verdict.passed
    assert verdict.fault.mistake == mistake, verdict.text()
    assert exercise_of(name).mistakes[mistake]


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_that_is_shown_passes_after_those_before_it(name, tmp_path):
    place = tmp_path / "solution.py"
    before = EXERCISES[: EXERCISES.index(name) + 1]
    place.write_text("\n".join(solution_of(one) for one in before), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("shown_solution", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    verdict = try_in_process(name, getattr(module, exercise_of(name).defines))
    assert verdict.passed, verdict.text()


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_is_whole(name):
    exercise, tries = exercise_of(name), TRIES[name]
    assert exercise.id == name
    assert 0 <= exercise.notebook <= 7
    assert len(tries.RIGHT) >= 2
    assert len(tries.WRONG) >= 4
    assert len(exercise.hints) >= 3
    assert len({probe.name for probe in exercise.probes}) == len(exercise.probes)
    assert not try_in_process(name, None).passed
