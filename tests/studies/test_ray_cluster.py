"""A Ray cluster of several nodes on this machine: nodes, workers and the driver are lost, and the study is complete."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from medgraft.studies import Study, ray_runner
from medgraft.studies.ray_worker import Worker

DEADLINE = 120
QUICK = {"log_to_driver": False, "logging_level": "CRITICAL"}


class Fragile(Worker):
    """Meets the trouble that a file beside the study's folder foretells for a cell."""

    def train(self, cell, place):
        beside = self.job.folder.parent
        told = beside / f"{cell.id}.trouble"
        trouble = told.read_text() if told.exists() else ""
        if trouble == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble == "memory":
            raise ray.exceptions.OutOfMemoryError("Task was killed due to the node running low on memory.")
        if trouble == "waits":  # in the middle of the training, until somebody ends it; only once
            told.unlink()
            place.mkdir(exist_ok=True)
            (place / "half.txt").write_text("half a cell")
            (beside / "node").write_text(ray.get_runtime_context().get_node_id())
            time.sleep(10 * DEADLINE)
        return super().train(cell, place)


ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def cluster():
    """A head that trains nothing, and two nodes of one CPU; nothing of it is left at the end."""
    small = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with tempfile.TemporaryDirectory(prefix="mgray-") as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_TMPDIR", scratch)
        patch.setenv("RAY_worker_niceness", "0")  # or other work on this machine starves them for minutes
        yield from _cluster(small, before)


def _cluster(small, before):
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    try:
        for _ in range(2):
            found.add_node(num_cpus=1, wait=False, **small)
        found.wait_for_nodes()
        yield found
    finally:
        ray.shutdown()
        found.shutdown()
        left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=10)


def _wait_for(path):
    end = time.monotonic() + DEADLINE
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.05)
    return path.read_text()


def _kill_the_node(cluster, file):
    name = _wait_for(file)
    (node,) = [node for node in cluster.worker_nodes if node.node_id == name]
    cluster.remove_node(node, allow_graceful=False)


GRID = {"init": ["WT", "RI", "mean_var", "ST"], "n": [8, 1000]}
CELL = "{}-{}-full-n{}-s0"


@pytest.fixture(scope="module")
def eventful(cluster, conduct, encoder, tmp_path_factory):
    """A study in which a node dies with a cell, two cells lose their workers twice, and four cannot be trained."""
    folder = tmp_path_factory.mktemp("eventful")
    study = folder / "study"
    ids = {cell.init: cell.id for cell in _cells(encoder) if cell.n == 8}
    for init, trouble in {"WT": "waits", "RI": "killed", "mean_var": "memory"}.items():
        (folder / f"{ids[init]}.trouble").write_text(trouble)
    killer = threading.Thread(target=_kill_the_node, args=(cluster, folder / "node"))
    killer.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_runner, "Worker", Fragile)
        patch.setattr(ray_runner, "TRIES", 2)
        found = conduct(study, ray=cluster.address, **GRID)
    killer.join()
    return found, ids


def _cells(encoder):
    from medgraft.studies.grid import Grid

    return Grid((encoder,), tuple(GRID["init"]), ("full",), tuple(GRID["n"]), (0,), 0).cells()


def test_a_cell_on_a_node_that_died_is_trained_on_another(cluster, eventful, conduct, tmp_path):
    found, ids = eventful
    assert len(cluster.worker_nodes) == 1
    whole = conduct(tmp_path / "whole", init=["WT", "ST"], n=[8])
    there = found.cells.set_index("id").loc[whole.cells["id"]].reset_index()
    assert there["status"].tolist() == ["finished", "finished"]
    for column in ("test_auc", "val_auc", "test_brier"):
        pd.testing.assert_series_equal(there[column], whole.cells[column], rtol=1e-4)
    assert found.run(ids["WT"]).scores
    assert not (found.folder / "underway").exists()


def test_a_cell_whose_workers_are_killed_fails_with_a_sentence(eventful):
    found, ids = eventful
    sentence = found.failed[ids["RI"]]
    assert sentence.startswith("2 workers were lost while they trained this cell") and "SIGKILL" in sentence
    assert "memory" in sentence and "--ray-cpus" in sentence and sentence.endswith("--resume trains it again")


def test_a_cell_that_memory_does_not_suffice_for_fails_with_a_sentence(eventful):
    found, ids = eventful
    assert "of the last, memory ran out on " in found.failed[ids["mean_var"]]


def test_cells_that_cannot_be_trained_are_recorded(eventful):
    found, _ = eventful
    sentences = [sentence for name, sentence in found.failed.items() if "n1000" in name]
    assert len(sentences) == 4 and all("1,000 training images asked for" in sentence for sentence in sentences)
    assert len(found.cells) == 8 and len(found.failed) == 6


DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_ray_cluster
from medgraft.progress import Observer
from medgraft.studies import conduct, ray_runner
ray_runner.Worker = test_ray_cluster.Fragile
conduct.study(sys.argv[2], encoder=sys.argv[3], out=sys.argv[4], ray=sys.argv[5], init=["WT", "ST"], seeds=1,
    lr_grid=[1e-3], size=32, epochs=1, bootstrap=100, engine="torch", precision="fp32", memory_format="contiguous",
    observer=Observer())
"""


def test_a_study_whose_driver_was_killed_is_resumed(cluster, conduct, encoder, pairs, heard, tmp_path):
    # By this process, so that what Ray began is shown to go on without it, and no third worker has to start.
    study = tmp_path / "study"
    second = f"{next(c.id for c in _cells(encoder) if c.init == 'ST').rpartition('-n')[0]}-nall-s0"
    (tmp_path / f"{second}.trouble").write_text("waits")
    command = [sys.executable, "-c", DRIVER, str(Path(__file__).parent), str(pairs), encoder, str(study)]
    with (tmp_path / "printed").open("w+") as printed:
        driver = subprocess.Popen([*command, cluster.address], stdout=printed, stderr=printed)
        try:
            _wait_for(tmp_path / "node")
        finally:
            driver.kill()
            driver.wait()
        assert not (tmp_path / "printed").read_text()
    assert Study(study).cells["status"].tolist() == ["finished", "waiting"]
    assert list((study / "underway").glob("*/half.txt"))
    found = conduct(study, resume=True, heard=heard)
    assert "1 of them not finished" in heard.lines[0]
    assert found.cells["status"].tolist() == ["finished", "finished"]
    assert not (study / "underway").exists() and not list(study.glob("cells/*/half.txt"))


def test_where_no_node_can_train_every_cell_says_why(cluster, conduct, heard, monkeypatch, tmp_path):
    monkeypatch.setattr(ray_runner, "__version__", "0.0.1")
    found = conduct(tmp_path / "study", ray=cluster.address, init=["WT", "ST"], heard=heard)
    sentences = list(found.failed.values())
    assert len(sentences) == 2 and all("the study was begun by 0.0.1" in sentence for sentence in sentences)
    assert sum("cannot train" in line and ": failed" not in line for line in heard.lines) == 1
