"""TensorBoard and MLflow, for real: what they hold is what the run's folder holds, and the run is as without them."""

import json

import numpy as np
import pytest
from tensorboard.plugins.hparams import metadata
from tracked_runs import Heard, events, figures, final_scores, mlflow_client, mlflow_runs, trained, working_in

from medgraft.tracking import Place
from medgraft.tracking import mlflow as ours


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("tracked")


@pytest.fixture(scope="module")
def tracked_run(ellipses, place):
    with working_in(place):
        return trained(ellipses, place / "runs" / "first", track="tensorboard,mlflow")


@pytest.fixture(scope="module")
def untracked_run(ellipses, place):
    with working_in(place):
        return trained(ellipses, place / "runs" / "plain")[0]


def test_weights_and_scores_are_those_of_an_untracked_run(tracked_run, untracked_run):
    run, heard = tracked_run
    for name in ("model.safetensors", "scores.json", "predictions.csv", "split.csv"):
        assert (run.folder / name).read_bytes() == (untracked_run.folder / name).read_bytes(), name
    for key in ("epoch", "lr", "train", "val"):
        assert [line[key] for line in run.history] == [line[key] for line in untracked_run.history]
    assert not heard.warnings() and "tracking" not in untracked_run.environment
    assert {name: entry["epochs"] for name, entry in run.environment["tracking"].items()} == {
        "tensorboard": 3, "mlflow": 3,
    }  # fmt: skip


def test_tensorboard_holds_each_epoch(tracked_run):
    run, _ = tracked_run
    held = events(run.folder)
    for name in figures(run.history[0]):
        scalars = held.Scalars(name)
        assert [event.step for event in scalars] == [1, 2, 3], name
        wanted = [np.float32(figures(line)[name]) for line in run.history]
        assert [np.float32(event.value) for event in scalars] == wanted, name


def test_tensorboard_holds_scores_and_recipe(tracked_run):
    run, _ = tracked_run
    held = events(run.folder)
    wanted = final_scores(run.folder)
    assert any(name.startswith("scores/test/dice/low") for name in wanted)
    for name, value in wanted.items():
        (event,) = held.Scalars(name)
        assert (event.step, np.float32(event.value)) == (3, np.float32(value)), name
    assert set(held.Tags()["scalars"]) == set(wanted) | set(figures(run.history[0]))
    told = held.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()
    assert f"| augment.rotation | {run.recipe.augment.rotation} |" in told and "| epochs | 3 |" in told
    started = metadata.parse_session_start_info_plugin_data(
        held.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    )
    assert started.hparams["lr"].number_value == run.recipe.lr and started.hparams["widths"].string_value == "4,8"
    assert len(list((run.folder / "tensorboard").iterdir())) == 1  # no folder that looks like another run


def test_mlflow_holds_each_epoch(tracked_run, place):
    run, _ = tracked_run
    with mlflow_client(place) as client:
        (held,) = mlflow_runs(client)
        assert held.info.run_id == run.environment["tracking"]["mlflow"]["id"]
        assert (held.info.run_name, held.info.status) == ("first", "FINISHED")
        for name in figures(run.history[0]):
            history = [(metric.step, metric.value) for metric in client.get_metric_history(held.info.run_id, name)]
            assert history == [(line["epoch"], figures(line)[name]) for line in run.history], name


def test_mlflow_holds_scores_and_recipe(tracked_run, place):
    run, _ = tracked_run
    with mlflow_client(place) as client:
        (held,) = mlflow_runs(client)
        wanted = final_scores(run.folder)
        assert {name: held.data.metrics[name] for name in wanted} == wanted
        assert set(held.data.metrics) == set(wanted) | set(figures(run.history[0])) | {"epoch"}
        options = run.recipe.options()
        for name, value in options.items():
            if not isinstance(value, dict | list):
                assert held.data.params[name] == str(value), name
        for name, value in options["augment"].items():
            assert held.data.params[f"augment.{name}"] == str(value)
        assert held.data.params["widths"] == "4,8" and held.data.params["track"] == "tensorboard,mlflow"
        files = {file.path for file in client.list_artifacts(held.info.run_id)}
        assert files == {"report.html", "README.md"}


def test_nothing_that_is_sent_names_an_image_or_its_place(tracked_run, place, ellipses):
    run, _ = tracked_run
    sent = [
        file for root in (place / "mlruns", run.folder / "tensorboard") for file in root.rglob("*") if file.is_file()
    ]
    assert len(sent) > 50
    ids = [str(name).encode() for name in run.predictions["id"]]
    assert b"case_" in ids[0]
    for file in sent:
        held = file.read_bytes()
        assert not any(name in held for name in [*ids, str(ellipses).encode(), b"images/"]), file


def test_the_settings_of_mlflow_are_put_back(monkeypatch):
    for name in ours.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    with ours._settings():
        assert ours.os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
        assert ours.os.environ["MLFLOW_ALLOW_FILE_STORE"] == "true"
    assert [name for name in ours.SETTINGS if name in ours.os.environ] == ["MLFLOW_HTTP_REQUEST_TIMEOUT"]


def test_a_resumed_run_goes_on_in_the_same_place_and_repeats_no_epoch(ellipses, tmp_path, place, untracked_run):
    options = {"track": "tensorboard,mlflow", "checkpoint_every": 2, "epochs": 4}

    def interrupt(epoch):
        if epoch == 4:
            raise KeyboardInterrupt

    with working_in(tmp_path) as patch, mlflow_client(tmp_path) as client:
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "lesions")
        out = tmp_path / "run"
        with pytest.raises(KeyboardInterrupt):
            trained(ellipses, out, Heard(at_step=interrupt), **options)
        (held,) = mlflow_runs(client, "lesions")
        assert held.info.status == "KILLED"
        first = json.loads((out / "environment.json").read_text())["tracking"]
        assert first["mlflow"]["epochs"] == 3  # and the last checkpoint is that of the second
        run, heard = trained(ellipses, out, resume=True, **options)
        assert not heard.warnings()
        (held,) = mlflow_runs(client, "lesions")
        assert held.info.run_id == first["mlflow"]["id"] and held.info.status == "FINISHED"
        for name in ("train/loss", "val/dice", "epoch"):
            history = client.get_metric_history(held.info.run_id, name)
            assert [metric.step for metric in history] == [1, 2, 3, 4], name
        losses = [metric.value for metric in client.get_metric_history(held.info.run_id, "train/loss")]
        assert losses == [line["train"]["loss"] for line in run.history]
        scalars = events(out).Scalars("train/loss")
        assert [event.step for event in scalars] == [1, 2, 3, 4]
        assert [np.float32(event.value) for event in scalars] == [np.float32(loss) for loss in losses]


def test_a_run_that_mlflow_forgot_is_made_anew(tmp_path):
    with working_in(tmp_path), mlflow_client(tmp_path) as client:
        first = ours.MLflow().begin("run", {"lr": 0.5}, None)
        tracker = ours.MLflow()
        assert tracker.begin("run", {"lr": 0.5}, first) == first
        tracker.epoch(1, {"train/loss": 0.25})
        assert ours.MLflow().begin("run", {"lr": 0.5}, first) == Place(first.id, 1)  # as the store says
        client.delete_run(first.id)
        anew = tracker.begin("run", {"lr": 0.5}, Place(first.id, 1))
        assert anew.id != first.id and anew.epochs == 0
        (held,) = mlflow_runs(client)
        assert (held.info.run_id, held.data.params) == (anew.id, {"lr": "0.5"})
