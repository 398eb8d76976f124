"""Help: every option is there, each command explains itself, and nothing heavy is loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from medgraft.cli.main import COMMANDS
from medgraft.policy import Augment
from medgraft.recipe import Recipe
from medgraft.version import __version__


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_bare_command_shows_where_to_begin(medgraft, words):
    said = medgraft(*words)
    assert said.code == 0 and said.err == ""
    for part in (*COMMANDS, "medgraft fit lesions/", "medgraft COMMAND --help", "exit codes"):
        assert part in said.out


@pytest.mark.parametrize("command", list(COMMANDS))
def test_each_command_explains_itself(medgraft, command):
    said = medgraft(command, "--help")
    assert said.code == 0 and said.err == ""
    assert said.out.startswith(f"usage: medgraft {command}")
    assert max(map(len, said.out.splitlines())) <= 100


def test_fit_offers_every_option_of_a_recipe(medgraft, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = medgraft("fit", "--help").out
    for name in Recipe.option_names():
        assert f"  --{name.replace('_', '-')} " in shown, name
    for name in Augment.model_fields:
        assert f"--augment.{name.replace('_', '-')} " in shown, name
    # Defaults that a reader can check against the recipe.
    assert "(default: 0.002, with labels 0.001)" in shown and "(default: 15)" in shown
    assert (Recipe().lr, Recipe().for_task("classification", grey=False).lr, Recipe().epochs) == (0.002, 0.001, 15)


def test_version(medgraft):
    assert medgraft("--version").out == f"medgraft {__version__}\n"


def test_help_loads_no_torch():
    look = (
        "import sys; from medgraft.cli.main import main; code = main(['fit', '--help']); "
        "sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
