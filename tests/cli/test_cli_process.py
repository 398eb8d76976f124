"""What only a real process shows: its exit code, Ctrl-C, and a pipe whose reader goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import TINY

import medgraft
from medgraft.run import Run

MEDGRAFT = (sys.executable, "-c", "import sys; from medgraft.cli.main import main; sys.exit(main())")


@pytest.fixture
def environment(workplace):
    source = str(Path(medgraft.__file__).absolute().parents[1])
    cache = str(workplace.parent / "cache")
    return os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1", "MEDGRAFT_CACHE": cache}


def test_mistake_ends_in_2_without_a_traceback(environment, workplace):
    done = subprocess.run(
        [*MEDGRAFT, "fit", "nowhere", *TINY], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"error: {workplace / 'nowhere'}: no such folder or file.\n"


def _wait_for(path, process):
    deadline = time.monotonic() + 100
    while not path.is_file():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the process came to nothing: {process.communicate()}")
        time.sleep(0.01)


def test_ctrl_c_keeps_what_there_is(environment, workplace, ellipses):
    command = [*MEDGRAFT, "fit", str(ellipses), *TINY, "--epochs", "100000", "--patience", "0", "--out", "run"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        # A test run in the background has been told to ignore Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    _wait_for(workplace / "run/history.jsonl", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert err == "stopped; what was finished is kept.\n"
    run = Run("run")
    epochs = len(run.history)
    # The epoch may have been counted and its line not yet written.
    assert out.splitlines()[-1] in [
        f"stopped after {n} of 100000 epochs, the best weights so far are kept; go on with --out run --resume"
        for n in (epochs, epochs + 1)
    ]
    assert run.predict(ellipses / "images/case_00.png").mask.shape == (48, 64)
    assert not run.finished
    assert [path.name for path in workplace.rglob(".*")] == []  # no file is left half-written


def test_reader_of_a_pipe_goes_and_the_training_goes_on(environment, workplace, ellipses):
    process = subprocess.Popen(
        [*MEDGRAFT, "fit", str(ellipses), *TINY, "--out", "run"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    first = process.stdout.readline()
    process.stdout.close()
    assert "20 images with masks" in first
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=100) == 0
    assert Run("run").finished
