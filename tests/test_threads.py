"""Threads: the command line shortens OpenMP's waiting, and leaves a user's own setting alone."""

import os
import subprocess
import sys

import pytest

SHOW = """
import os, sys
from medgraft.cli.main import main
before = "torch" in sys.modules
main(["--version"])
print(before, os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")]
)
def test_the_setting_is_made_before_torch_is_loaded(given, expected):
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"} | given
    ended = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.split()[-2:] == ["False", expected]
