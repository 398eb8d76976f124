"""``medgraft export``: what it writes and says, and what it refuses without leaving a file behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import TINY, refused, snapshot

from medgraft.cli.main import main
from medgraft.data import read_image
from medgraft.export.torch_file import TorchFile
from medgraft.pipeline import export as exporting
from medgraft.run import Run
from medgraft.serving import sessions
from medgraft.serving.model import ServedModel


@pytest.fixture(scope="session")
def labelled(pairs, tmp_path_factory):
    """A finished run of a tiny classifier; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "labelled"
    options = ("--encoder", "cbr_tiny_narrow", "--strategy", "scratch", "--size", "32", "--epochs", "3", "--lr", "0.01")
    options += ("--precision", "fp32", "--memory-format", "contiguous", "--bootstrap", "100")
    assert main(["fit", str(pairs), *options, "--ratios", "0.5,0.25,0.25", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def mine(labelled, workplace):
    """A copy of it to spoil."""
    return Path(shutil.copytree(labelled, workplace / "mine"))


def test_what_is_written_and_said(medgraft, mine):
    said = medgraft("export", mine)
    lines = said.out.splitlines()
    assert said.code == 0 and said.err == ""
    assert lines[0].startswith(f"{mine}/export/model.onnx  ") and lines[0].endswith(" MB, fp32, images of 32 px")
    assert lines[1].startswith("differs from PyTorch by ") and lines[1].endswith("on 8 of the run's images")
    assert float(lines[1].split()[4]) < 1e-4
    assert "times the throughput of eager PyTorch here" in lines[2]
    assert lines[3] == "says how far an image is from 16 training images, ranked among 8 validation images"
    info = ServedModel.load(mine / "export" / "model.onnx").info
    run = Run(mine)
    assert (info.name, info.task, info.size, info.channels) == ("mine", "classification", 32, 3)
    assert info.classes == run.label_predictor.classes and info.encoder == "cbr_tiny_narrow"
    assert info.familiarity.k == 1 and info.familiarity.images == 16


def test_the_files_validation_images_lie_where_they_rank_themselves(medgraft, mine):
    """The distances that the file keeps are those that it gives for the very validation images."""
    assert medgraft("export", mine, "--no-check").code == 0
    served = ServedModel.load(mine / "export" / "model.onnx")
    table = Run(mine).predictions
    paths = table.loc[table["split"] == "val", "image"].tolist()
    found = sorted(answer.familiarity for answer in served.predict([read_image(path, 3) for path in paths]))
    assert found == pytest.approx(np.arange(1, 9) / 8)


def test_json(medgraft, trained, workplace):
    said = medgraft("export", trained, "--out", "here.onnx", "--json")
    found = json.loads(said.out)
    assert found["path"] == "here.onnx" and found["difference"] < 1e-4 and found["own"] is True
    assert found["info"]["task"] == "segmentation" and found["info"]["familiarity"] is None
    assert found["notes"] == ["the model has no encoder, so the file cannot tell unfamiliar images from others"]
    assert not (trained / "export").exists()


def test_a_threshold_and_a_temperature_that_came_later_are_in_the_file(medgraft, mine, pairs):
    Run(mine).update_model_info(threshold=0.3, temperature=2.5)
    assert medgraft("export", mine, "--no-check").code == 0
    served = ServedModel.load(mine / "export" / "model.onnx")
    image = sorted((pairs / "disc").iterdir())[0]
    found = served.predict([read_image(image, 3)])[0].prediction
    expected = Run(mine).predict(image)
    assert served.info.threshold == 0.3 and served.info.temperature == 2.5
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-5) and found.label == expected.label


def test_int8_says_what_it_lost(medgraft, mine):
    said = medgraft("export", mine, "--precision", "int8")
    assert said.code == 0 and said.err == ""
    line = next(line for line in said.out.splitlines() if line.startswith("AUC "))
    info = ServedModel.load(mine / "export" / "model-int8.onnx").info
    assert info.precision == "int8" and info.lost["metric"] == "auc" and info.lost["split"] == "test"
    assert info.lost["full"] == pytest.approx(Run(mine).scores["test"]["auc"].value)
    assert info.lost["value"] == pytest.approx(info.lost["reduced"] - info.lost["full"])
    assert info.lost["low"] <= info.lost["value"] <= info.lost["high"] and info.lost["n"] == 8
    assert f"{info.lost['reduced']:.4f} in int8, {info.lost['full']:.4f} in fp32" in line


def test_a_loss_that_cannot_be_measured_is_no_number(medgraft, mine, pairs):
    """With test images of one class there is no AUC; the file says nothing then, and the command says why."""
    split = pd.read_csv(mine / "split.csv")
    labels = Run(mine).predictions.set_index("id")["target"]
    alike = split["id"].map(labels).eq("disc") & split["split"].eq("test")
    split.loc[split["split"].eq("test") & ~alike, "split"] = "train"
    split.to_csv(mine / "split.csv", index=False)
    said = medgraft("export", mine, pairs, "--precision", "int8")
    assert said.code == 0 and "nan" not in said.out
    assert (
        "note: what int8 costs was not measured: the held-out images have no score (are they of one class?)" in said.out
    )
    assert ServedModel.load(mine / "export" / "model-int8.onnx").info.lost == {}


def test_a_loss_without_an_interval_is_valid_json(medgraft, mine, monkeypatch):
    lost = {"metric": "auc", "split": "val", "full": 0.5, "reduced": 0.5, "value": 0.0, "low": None, "high": None}
    monkeypatch.setattr(exporting, "accuracy_lost", lambda *_: lost | {"n": 3})
    said = medgraft("export", mine, "--precision", "int8", "--no-check")
    assert said.code == 0 and "AUC" not in said.out
    said = medgraft("export", mine, "--precision", "int8")
    assert "difference +0.0000 (too few images for an interval) on 3 val images" in said.out


def test_masks_in_bf16_say_what_they_lost(medgraft, trained, workplace):
    said = medgraft("export", trained, "--format", "openvino", "--precision", "bf16", "--out", "small.xml")
    assert said.code == 0 and "Dice " in said.out and "in bf16" in said.out
    info = ServedModel.load("small.xml").info
    assert info.lost["full"] == pytest.approx(Run(trained).scores["test"]["dice"].value, abs=1e-6)
    assert sorted(path.name for path in workplace.iterdir()) == ["small.bin", "small.xml"]


def test_for_pytorch(medgraft, mine, pairs):
    assert medgraft("export", mine, "--format", "torch").code == 0
    opened = TorchFile(mine / "export" / "model.pt2")
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    expected = Run(mine).label_predictor.probabilities(torch.from_numpy(images).permute(0, 3, 1, 2))
    assert np.abs(opened.run(images.astype(np.float32))["probabilities"] - expected).max() < 1e-5
    assert opened.info.class_names == ("cross", "disc")
    said = medgraft("export", mine, "--format", "torch", "--no-check")
    assert "note: a file for PyTorch cannot tell unfamiliar images from others; --format onnx can" in said.out


def test_images_that_are_gone(medgraft, labelled, workplace, pairs):
    """The file is written all the same, and says less; int8 cannot be had. Named, the images are found again."""
    gone = Path(shutil.copytree(labelled, workplace / "gone"))
    known = json.loads((gone / "environment.json").read_text())
    known["data"]["root"] = str(workplace / "elsewhere")
    (gone / "environment.json").write_text(json.dumps(known))
    said = medgraft("export", gone)
    assert said.code == 0 and "on 16 generated images" in said.out
    assert f"note: the run's images are not at hand ({gone}: its images are no longer at " in said.out
    assert ServedModel.load(gone / "export" / "model.onnx").info.familiarity is None
    refused(medgraft("export", gone, "--precision", "int8"), "int8 is calibrated on training images", "no longer at")
    assert not (gone / "export" / "model-int8.onnx").exists()
    assert "says how far" in medgraft("export", gone, pairs).out
    refused(medgraft("export", gone, workplace / "nowhere"), "nowhere")


def test_choices_that_do_not_go_together(medgraft, trained):
    before = snapshot(trained)
    refused(medgraft("export", trained, "--precision", "bf16"), "--precision bf16", "--format openvino")
    refused(medgraft("export", trained, "--format", "torch", "--precision", "int8"), "onnx or openvino")
    refused(medgraft("export", trained, "--out", "model.xml"), "--out model.xml", ".onnx")
    refused(medgraft("export", trained, "--out", "."), ".onnx")
    assert snapshot(trained) == before


def spoilt(run, name, content):
    (run / name).write_bytes(content)
    return run


def test_broken_runs(medgraft, mine, trained, workplace):
    weights = (mine / "model.safetensors").read_bytes()
    refused(medgraft("export", workplace / "none"), "no such run folder")
    refused(
        medgraft("export", spoilt(mine, "model.safetensors", weights[:2000])), "model.safetensors", "cannot be read"
    )
    refused(medgraft("export", spoilt(mine, "model.safetensors", b"\x80\x04pickle")), "model.safetensors")
    other = (trained / "model.safetensors").read_bytes()
    refused(medgraft("export", spoilt(mine, "model.safetensors", other)), "does not fit model.json")
    (mine / "model.safetensors").unlink()
    refused(medgraft("export", mine), "no model.safetensors")
    assert not (mine / "export").exists()
    (mine / "model.json").write_text((trained / "model.json").read_text())
    shutil.copy(trained / "model.safetensors", mine)
    # Whole, and another model: the run then is what its model.json says.
    (mine / "model.safetensors").write_bytes(weights)
    refused(medgraft("export", mine), "does not fit model.json")
    assert not (mine / "export").exists()


@pytest.mark.parametrize("command", ["export", "evaluate", "predict", "explain", "serve"])
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"classes": {"names": ["a", "b", "c"], "multilabel": False}}, "of 3 classes (a, b, c)"),
        ({"spec": None}, "model.json cannot be read"),
        ({"size": "big"}, "model.json cannot be read"),
        ({"classes": {}}, "model.json cannot be read"),
        ({"task": "detection"}, "(task 'detection'); put its own file back"),
        (None, "should hold a mapping"),
    ],
    ids=["classes", "spec", "size", "no classes", "task", "list"],
)
def test_a_model_json_of_another_model(medgraft, mine, pairs, command, changed, words, monkeypatch):
    """Whole as JSON, and not of these weights: nothing is written, by whatever command."""
    known = json.loads((mine / "model.json").read_text())
    (mine / "model.json").write_text("[]" if changed is None else json.dumps(known | changed))
    before = snapshot(mine)
    paths = [sorted((pairs / "disc").iterdir())[0]] if command == "predict" else []
    more = ("--port", "0") if command == "serve" else ("--no-check",) if command == "export" else ()
    monkeypatch.setattr("medgraft.serving.server.serve", lambda *_: None)
    said = medgraft(command, mine, *paths, *more)
    # serve says before that it exports the run first.
    refused(said._replace(err=said.err.splitlines()[-1]), str(mine), words)
    assert said.err.count("\n") <= 2
    assert snapshot(mine) == before
    assert not Path("predictions").exists()


def test_a_graph_that_openvino_refuses(medgraft, mine, monkeypatch):
    class Core:
        def __init__(self, core):
            self.read_model = core.read_model

        def compile_model(self, *_):
            raise RuntimeError("Exception from src/core.cpp:117:\nShapes are inconsistent;\n")

    core = Core(sessions.openvino_core())
    monkeypatch.setattr(sessions, "openvino_core", lambda: core)
    said = medgraft("export", mine, "--format", "openvino")
    refused(said, "model.xml: OpenVINO cannot run it", "Shapes are inconsistent", "--format onnx")
    assert not (mine / "export").exists()


def test_a_cross_validation_has_no_model_of_its_own(medgraft, workplace, ellipses):
    assert medgraft("fit", ellipses, *TINY, "--folds", "2", "--out", "folded").code == 0
    refused(medgraft("export", "folded"), "cross-validation", "folded/fold-1")
    assert medgraft("export", "folded/fold-1", "--no-check").code == 0


def test_a_file_that_differs_from_pytorch_is_not_written(medgraft, mine, monkeypatch):
    monkeypatch.setattr(exporting, "largest_difference", lambda *_: 2e-4)
    refused(medgraft("export", mine), "differs from PyTorch by 2.0e-04")
    assert not (mine / "export").exists()
    monkeypatch.setattr(exporting, "largest_difference", lambda *_: float("nan"))
    refused(medgraft("export", mine), "differs from PyTorch by nan")


def test_an_export_that_is_broken_off_leaves_the_former_file(medgraft, mine, monkeypatch):
    assert medgraft("export", mine, "--no-check").code == 0
    before = (mine / "export" / "model.onnx").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    assert medgraft("export", mine, "--no-check").code == 2
    assert [path.name for path in (mine / "export").iterdir()] == ["model.onnx"]
    assert (mine / "export" / "model.onnx").read_bytes() == before


def test_patients_stand_behind_the_interval(medgraft, workplace, pairs):
    """With a patient column, the interval of what int8 lost is drawn by patient, as every other is."""
    folder = Path(shutil.copytree(pairs, workplace / "pairs"))
    files = sorted(folder.rglob("*.png"))
    rows = [(str(f.relative_to(folder)), f.parent.name, f"p{i // 2}") for i, f in enumerate(files)]
    pd.DataFrame(rows, columns=["file", "label", "patient"]).to_csv(folder / "labels.csv", index=False)
    options = ("--encoder", "cbr_tiny_narrow", "--strategy", "scratch", "--size", "32", "--epochs", "1")
    options += ("--precision", "fp32", "--memory-format", "contiguous", "--bootstrap", "100")
    assert medgraft("fit", folder / "labels.csv", "--group", "patient", *options, "--out", "run").code == 0
    said = medgraft("export", "run", "--precision", "int8", "--json")
    assert json.loads(said.out)["info"]["lost"]["n"] == len(Run("run").predictions.query("split == 'test'"))
