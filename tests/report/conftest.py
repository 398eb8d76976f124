from collections.abc import Callable
from pathlib import Path

import fake_run
import pytest


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    return fake_run.make_run
