"""Studies on Ray that cannot begin, and the folders in which cells are trained by workers that may be lost."""

import builtins
import importlib.util
import socket
import time
from pathlib import Path

import pytest

from medgraft.cli.main import main
from medgraft.data import open_data
from medgraft.errors import RecipeError
from medgraft.studies import ray_cluster
from medgraft.studies.cell import Cell
from medgraft.studies.ray_cluster import Need
from medgraft.studies.ray_worker import Job, Worker
from medgraft.studies.row import Row, keep_row
from medgraft.studies.underway import Underway, seen
from medgraft.version import __version__


@pytest.fixture
def refused(pairs, tmp_path, capsys):
    """The sentence with which a study on Ray is refused; nothing was made before."""

    def ask(*words):
        assert main(["study", str(pairs), "--out", str(tmp_path / "study"), *words]) == 2
        assert not (tmp_path / "study").exists()
        return " ".join(capsys.readouterr().err.split())

    return ask


def test_without_ray_the_extra_is_named(refused, monkeypatch):
    true, imported = importlib.util.find_spec, builtins.__import__

    def without(name, *given, **named):
        if name.partition(".")[0] == "ray":
            raise ModuleNotFoundError("No module named 'ray'", name="ray")
        return imported(name, *given, **named)

    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None if name == "ray" else true(name))
    monkeypatch.setattr(builtins, "__import__", without)
    assert "Ray is not installed; add it by: pip install 'medgraft[study]'" in refused("--ray", "auto")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--ray", "auto", "--jobs", "2"], "jobs: with ray the cluster says how many cells"),
        (["--ray-cpus", "2"], "ray_cpus and ray_gpus say what a cell asks of a Ray cluster; give ray as well"),
        (["--ray", "auto", "--ray-cpus", "0"], "ray_cpus: a cell needs at least one CPU (got 0)"),
        (["--ray", "auto", "--ray-gpus", "1.5"], "ray_gpus: give 0, a share of one GPU such as 0.5, or a whole"),
        (["--ray", "the-cluster"], "'the-cluster' is no address; give HOST:PORT"),
        (["--ray", "ray://head:10001"], "'ray://head:10001' is no address; give HOST:PORT"),
    ],
)
def test_contradictions_are_refused(refused, words, sentence):
    assert sentence in refused(*words)


def test_an_address_where_nobody_listens_is_refused_at_once(refused):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        begun = time.monotonic()
        assert f"ray: nobody answers at {address} (Connection refused)" in refused("--ray", address)
        assert time.monotonic() - begun < 60  # Ray by itself tries for minutes


def test_something_else_at_the_address_is_refused_within_bounds(refused, monkeypatch):
    monkeypatch.setattr(ray_cluster, "_PROBE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert f"{address} is open, but no Ray cluster answered within 0 s" in refused("--ray", address)


def test_a_named_cluster_that_is_gone_is_no_reason_to_start_another(refused, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert "nobody answers at 127.0.0.1:1" in refused("--ray", "auto")


def test_what_a_crashed_cluster_left_behind_is_not_taken_for_one(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert ray_cluster._running() is None
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1\n")
    assert ray_cluster._running() is None


CPUS, GPUS = {"CPU": 16.0}, {"CPU": 32.0, "GPU": 4.0}


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "need", "slots"),
    [
        ([CPUS], None, None, Need(1, 0.0), 16),
        ([{"CPU": 0.0}, CPUS], 5, None, Need(5, 0.0), 3),  # 16 // 5, and none on a head without CPUs
        ([CPUS, GPUS], None, None, Need(8, 1.0), 4),  # 32 / 4 CPUs to a GPU; a node without GPUs takes none
        ([GPUS], None, 0.5, Need(4, 0.5), 8),
        ([GPUS], 1, 0.3, Need(1, 0.3), 12),  # three on each of four GPUs: a tenth of each is left
        ([CPUS, GPUS], None, 0.0, Need(1, 0.0), 48),
    ],
)
def test_what_a_cell_asks_of_a_node(nodes, cpus, gpus, need, slots):
    assert Need.of(nodes, cpus, gpus) == need
    assert need.slots(nodes) == slots


@pytest.mark.parametrize(("cpus", "gpus"), [(17, None), (1, 1.0)])
def test_more_than_any_node_has_is_refused(cpus, gpus):
    with pytest.raises(RecipeError, match=r"no node of the cluster has both \(the most are 16 CPUs and 0 GPUs\)"):
        Need.of([CPUS, CPUS], cpus, gpus)


@pytest.fixture
def underway(tmp_path):
    class Place:
        folder = tmp_path

        def place(self, cell):
            return tmp_path / "cells" / cell.id

    return Underway(Place())


CELL = Cell("lite0", "WT", "full", 8)


def test_what_a_worker_that_was_thought_dead_still_writes_reaches_no_cell(underway, tmp_path):
    first = underway.begin(CELL)
    (first / "trials").mkdir(parents=True)
    (first / "trials" / "one").write_text("tried")
    second = underway.begin(CELL, first)
    assert (second / "trials" / "one").read_text() == "tried"  # not lost with the worker
    first.mkdir()  # it lives, and goes on
    (first / "model").write_text("of the first")
    (second / "model").write_text("of the second")
    underway.end(CELL, second)
    keep_row(tmp_path / "cells" / CELL.id, Row(CELL, "data", "finished"))
    (first / "model").write_text("of the first, later")
    underway.clear()
    assert (tmp_path / "cells" / CELL.id / "model").read_text() == "of the second"
    assert [path.name for path in tmp_path.iterdir()] == ["cells"]


def test_what_a_killed_driver_left_goes_on_where_cells_are(underway, tmp_path):
    place = tmp_path / "cells" / CELL.id
    place.mkdir(parents=True)
    (place / "history").write_text("an epoch")
    left = underway.begin(CELL)
    assert not place.exists() and (left / "history").read_text() == "an epoch"
    underway.clear()
    assert (place / "history").read_text() == "an epoch"


def _job(folder, token, **changed):
    told = {"folder": folder, "token": token, "here": folder, "files": (), "environment": {}, "threads": 1}
    return Job(**(told | {"version": __version__} | changed))


def test_a_worker_says_what_its_node_does_not_see(underway, pairs, monkeypatch, tmp_path):
    monkeypatch.setattr("medgraft.studies.ray_worker._PATIENCE", 0.0)
    manifest, token = open_data(pairs), underway.mark()
    assert seen(tmp_path, token) and not seen(tmp_path / "other", token)
    assert Worker(_job(tmp_path, token), manifest).look()[1] == ""
    for job, words in (
        (_job(tmp_path, "of another disk"), "it does not see .* file system that all nodes share"),
        (_job(tmp_path, token, files=(Path("/no/a.png"),)), r"it does not see the data \(/no/a.png\)"),
        (_job(tmp_path, token, version="0.0.1"), "the study was begun by 0.0.1"),
    ):
        with pytest.raises(AssertionError, match=words):
            raise AssertionError(Worker(job, manifest).look()[1])
