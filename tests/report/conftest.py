from collections.abc import Callable
from pathlib import Path

import fake_label_run
import fake_run
import pytest


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    return fake_run.make_run


@pytest.fixture(scope="session")
def make_label_run() -> Callable[..., Path]:
    return fake_label_run.make_label_run


@pytest.fixture(scope="session")
def make_folds() -> Callable[..., Path]:
    return fake_label_run.make_folds
