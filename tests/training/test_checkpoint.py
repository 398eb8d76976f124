"""What a run is resumed from: read back as it was, and refused where it is none."""

import pytest
import torch

from medgraft.errors import RunError
from medgraft.training import Checkpoint


def test_a_state_comes_back(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    checkpoint.save_state({"epoch": 3, "model": {"weight": torch.tensor([1.5, -2.0])}})
    state = checkpoint.load_state()
    assert state["epoch"] == 3 and state["model"]["weight"].tolist() == [1.5, -2.0]
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == ["last.pt"]


def test_nothing_to_resume(tmp_path):
    with pytest.raises(RunError, match=r"last\.pt is missing, so there is nothing to resume.*--out"):
        Checkpoint(tmp_path).load_state()


def test_a_file_that_is_no_checkpoint(tmp_path):
    (tmp_path / "last.pt").write_bytes(b"half of a fi")
    with pytest.raises(RunError, match=r"last\.pt cannot be read .* not a checkpoint"):
        Checkpoint(tmp_path).load_state()


def test_a_checkpoint_of_another_format(tmp_path):
    torch.save({"format": 2, "epoch": 3}, tmp_path / "last.pt")
    with pytest.raises(RunError, match=r"last\.pt has format 2; this version reads 1"):
        Checkpoint(tmp_path).load_state()
