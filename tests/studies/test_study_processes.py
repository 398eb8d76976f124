"""Cells in processes of their own: the same results, and one that is killed takes no other with it."""

import multiprocessing
import os
import signal
import threading
import time

import pandas as pd

from medgraft.studies.processes import Processes


def _kill_the_first_worker():
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)
            return
        time.sleep(0.02)


def test_a_killed_process_fails_its_cell_alone(conduct, tmp_path):
    killer = threading.Thread(target=_kill_the_first_worker)
    killer.start()
    found = conduct(tmp_path / "study", init=["WT", "ST"], runner=Processes(1))
    killer.join()
    assert found.cells["status"].tolist() == ["failed", "finished"]
    (sentence,) = found.failed.values()
    assert "signal 9 (SIGKILL)" in sentence and "memory" in sentence
    assert not multiprocessing.active_children()
    # What another process trained is what this one would have, and --resume mends the rest.
    whole = conduct(tmp_path / "whole", init=["WT", "ST"])
    mended = conduct(tmp_path / "study", resume=True)
    for column in ("test_auc", "val_auc", "test_brier"):
        pd.testing.assert_series_equal(mended.cells[column], whole.cells[column], rtol=1e-4)
