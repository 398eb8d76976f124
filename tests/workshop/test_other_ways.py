"""There are several ways to the same mistake; each is told by what it does."""

import importlib

import pytest
from in_process import try_in_process

TRIES = {name: importlib.import_module(f"tries.{name.replace('-', '_')}") for name in ("double-conv", "up", "unet")}


@pytest.mark.parametrize(
    ("name", "mistake", "learner"),
    [pytest.param(name, *one, id=f"{name}-{k}") for name in TRIES for k, one in enumerate(TRIES[name].ALSO_WRONG)],
)
def test_another_way_to_a_mistake_gets_the_same_hint(name, mistake, learner):
    verdict = try_in_process(name, learner, seed=5)
    assert not verdict.passed
    assert verdict.fault.mistake == mistake, verdict.text()
