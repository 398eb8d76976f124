"""A tool that is not there, or goes away in the middle, costs one warning and changes nothing."""

import shutil

import pytest
from tracked_runs import QUICK, Heard, mlflow_client, mlflow_runs, trained, working_in

from medgraft.cli.main import main
from medgraft.pipeline import one_run


@pytest.fixture(scope="module")
def plain(ellipses, tmp_path_factory):
    return (trained(ellipses, tmp_path_factory.mktemp("plain") / "run")[0].folder / "model.safetensors").read_bytes()


def test_a_server_that_is_gone_from_the_start(ellipses, tmp_path, plain, capsys):
    options = [word for name, value in QUICK.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    with working_in(tmp_path) as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://ada:secret@127.0.0.1:9")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        assert main(["fit", str(ellipses), *options, "--out", "run", "--track", "mlflow"]) == 0
    said = capsys.readouterr()
    assert (said.out + said.err).count("warning: mlflow fails (") == 1 and "Traceback" not in said.out + said.err
    assert "secret" not in said.out + said.err
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == plain
    assert (tmp_path / "run" / "report.html").is_file()


# TensorBoard's own writing thread says how it ended.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(("tracker", "folder"), [("mlflow", "mlruns"), ("tensorboard", "run/tensorboard")])
def test_a_folder_that_goes_away_in_the_middle(ellipses, tmp_path, plain, tracker, folder):
    def take_away(epoch):
        if epoch == 2:
            shutil.rmtree(tmp_path / folder)
            (tmp_path / folder).write_text("in the way")

    with working_in(tmp_path):
        run, heard = trained(ellipses, tmp_path / "run", Heard(after_epoch=take_away), track=tracker)
    assert len(heard.warnings()) == 1 and heard.warnings()[0].startswith(f"warning: {tracker} fails (")
    assert (run.folder / "model.safetensors").read_bytes() == plain
    assert run.finished and run.environment["tracking"][tracker]["epochs"] == 1


def test_a_training_that_fails_leaves_the_trackers_closed(ellipses, tmp_path, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(one_run, "evaluate", broken)
    with working_in(tmp_path), mlflow_client(tmp_path) as client:
        with pytest.raises(RuntimeError, match="out of memory"):
            trained(ellipses, tmp_path / "run", track="mlflow")
        (held,) = mlflow_runs(client)
        assert held.info.status == "KILLED"
