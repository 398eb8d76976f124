"""Which file stands for a run: its export, as long as the run has not changed since."""

from __future__ import annotations

import os

import pytest
from tiny_models import labels_file

from medgraft.cli.main import main
from medgraft.data import read_image
from medgraft.errors import RunError
from medgraft.pipeline.serving import export_for_serving
from medgraft.progress import Observer
from medgraft.run import Run
from medgraft.serving.files import EXPORTED, exported_file
from medgraft.serving.model import ServedModel


@pytest.fixture
def run_folder(tmp_path):
    """Looks like a run, exported a second after it was trained."""
    folder = tmp_path / "run"
    (folder / "export").mkdir(parents=True)
    for second, name in enumerate(("model.safetensors", "model.json", "export/model.onnx")):
        (folder / name).write_text("")
        os.utime(folder / name, (1000 + second, 1000 + second))
    return folder


def test_an_export_is_taken(run_folder):
    assert exported_file(run_folder) == run_folder / EXPORTED


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_an_export_older_than_its_run_is_not(run_folder, name):
    os.utime(run_folder / name, (2000, 2000))
    assert exported_file(run_folder) is None


def test_a_run_without_an_export(run_folder):
    (run_folder / EXPORTED).unlink()
    assert exported_file(run_folder) is None


def test_a_file_stands_for_itself(tmp_path):
    file = labels_file(tmp_path / "any.onnx")
    assert exported_file(file) == file
    with pytest.raises(RunError, match="no such run folder or exported file"):
        exported_file(tmp_path / "nowhere")


class Heard(Observer):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def test_a_run_is_exported_for_the_server(pairs, tmp_path):
    folder = tmp_path / "pairs"
    options = ["--size", "32", "--epochs", "1", "--strategy", "frozen", "--device", "cpu", "--bootstrap", "100"]
    assert main(["fit", str(pairs), *options, "--out", str(folder)]) == 0
    assert exported_file(folder) is None
    heard = Heard()
    file = export_for_serving(folder, heard)
    assert "exported first" in heard.lines[0]
    assert exported_file(folder) == file == folder / EXPORTED
    model, run = ServedModel.load(file), Run(folder)
    image = next(pairs.rglob("*.png"))
    assert model.info.name == "pairs" and model.info.threshold == run.model_info["threshold"]
    (served,) = model.predict([read_image(image)])
    assert served.prediction.probabilities == pytest.approx(run.predict(image).probabilities, abs=1e-4)
    run.update_model_info(threshold=0.25)
    assert exported_file(folder) is None


def test_what_is_not_there_is_said_before_anything_is_exported(run_folder, tmp_path, capsys):
    """An export takes a minute; a slip in a name should not."""
    (run_folder / EXPORTED).unlink()
    missing = tmp_path / "mising.onnx"
    assert main(["serve", str(run_folder), str(missing), "--port", "0"]) == 2
    said = capsys.readouterr().err
    assert said == f"error: {missing}: no such run folder or exported file.\n"


def test_a_folder_that_is_no_run(tmp_path, capsys):
    assert main(["serve", str(tmp_path), "--port", "0"]) == 2
    assert "not a run folder" in capsys.readouterr().err
