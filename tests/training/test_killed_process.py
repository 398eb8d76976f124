"""A real process is killed in the middle of a training; the resumed run ends with the same weights, bit for bit."""

import os
import signal
import subprocess
import sys
import time

import pytest

FIT = "import sys; from medgraft.cli.main import main; sys.exit(main())"


def _command(data, out, strategy, *more):
    return [
        sys.executable, "-c", FIT, "fit", str(data), "--out", str(out), "--size", "32", "--epochs", "5",
        "--batch-size", "4", "--strategy", strategy, "--unfreeze-every", "1", "--widths", "16,16,8,8",
        "--precision", "fp32", "--memory-format", "channels_last",
        "--engine", "onnxruntime", "--bootstrap", "100", *more,
    ]  # fmt: skip


def _wait_for_lines(path, count, process):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if path.is_file() and len(path.read_text().splitlines()) >= count:
            return
        if process.poll() is not None:
            pytest.fail(f"the training ended before it could be killed: {process.stderr.read().decode()}")
        time.sleep(0.005)
    pytest.fail("no epoch ended within two minutes")


@pytest.mark.parametrize("strategy", ["frozen", "gradual"])
def test_killed_and_resumed_equals_unbroken(ellipses, tmp_path, strategy):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(_command(ellipses, tmp_path / "whole", strategy), check=True, env=environment, capture_output=True)
    broken = _command(ellipses, tmp_path / "broken", strategy)
    process = subprocess.Popen(broken, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _wait_for_lines(tmp_path / "broken/history.jsonl", 2, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    assert not (tmp_path / "broken/scores.json").exists()
    subprocess.run([*broken, "--resume"], check=True, env=environment, capture_output=True)
    for name in ("model.safetensors", "scores.json", "predictions.csv", "split.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name
