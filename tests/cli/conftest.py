"""What the tests of the command line share: a workplace of their own, and runs that are trained once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from command_line import TINY, Said

from medgraft.cli.main import main


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty current folder, with a cache beside it in which only this test builds stores."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "cache"))
    return place


@pytest.fixture
def medgraft(workplace, capsys):
    """Run the command line here, in this process."""

    def call(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture
def lesions(workplace, ellipses):
    """A copy of the 20 images to spoil."""
    return Path(shutil.copytree(ellipses, workplace / "lesions"))


@pytest.fixture(scope="session")
def trained(ellipses, tmp_path_factory):
    """A finished run of a tiny U-Net; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["fit", str(ellipses), *TINY, "--out", str(folder)]) == 0
    return folder
