"""Cross-validation: every image tested once, folds that share what they can, and a report of the whole."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.special import entr

from medgraft import Run, fit
from medgraft.cli.main import main
from medgraft.errors import RunError
from medgraft.pipeline import compare_runs
from medgraft.progress import Observer

pytestmark = pytest.mark.usefixtures("no_reports")

QUICK = {"size": 64, "bootstrap": 100, "engine": "torch", "precision": "fp32", "memory_format": "contiguous"}


class Heard(Observer):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def _fit(data, out, **options):
    heard = Heard()
    return fit(data, out=out, observer=heard, **(QUICK | options)), heard.lines


@pytest.fixture(scope="module")
def folded(pairs, tmp_path_factory):
    return _fit(pairs, tmp_path_factory.mktemp("runs") / "folds", folds=3)


def test_every_image_is_tested_once(folded, pairs):
    run, lines = folded
    rows = run.predictions
    assert sorted(rows["id"]) == sorted(file.stem for file in pairs.rglob("*.png"))
    assert set(rows["split"]) == {"test"} and sorted(set(rows["fold"])) == [1, 2, 3]
    assert list(run.scores) == ["test", "fold 1", "fold 2", "fold 3"]
    assert run.scores["test"]["auc"].n == 32
    for k, part in enumerate(run.folds, start=1):
        assert run.scores[f"fold {k}"] == part.scores["test"]
        held = set(rows[rows["fold"] == k]["id"])
        split = pd.read_csv(part.folder / "split.csv")
        assert set(split[split["split"] == "test"]["id"]) == held
    assert any("all 3 folds\ntest   AUC" in line for line in lines) and lines[-1] == str(run.folder / "report.html")
    assert run.finished and (run.folder / "report.html").is_file()


def test_folds_share_the_features(folded):
    _, lines = folded
    assert sum("found in the cache" in line for line in lines) >= 2


def test_a_cross_validation_has_no_model_of_its_own(folded):
    with pytest.raises(RunError, match=r"take one of them, such as .*fold-1"):
        _ = folded[0].label_predictor


def test_the_folds_answer_together(folded, tmp_path, capsys):
    run = folded[0]
    image = run.predictions["image"].iloc[0]
    each = [fold.predict(image).probabilities for fold in run.folds]
    np.testing.assert_allclose(run.predict(image).probabilities, np.mean(each, axis=0), atol=1e-6)
    assert main(["predict", str(run.folder), image, "--out", str(tmp_path)]) == 0
    row = pd.read_csv(tmp_path / "predictions.csv").iloc[0]
    np.testing.assert_allclose(row[["p_cross", "p_disc"]].astype(float), np.mean(each, axis=0), atol=1e-5)
    whole, *alone = (entr(p.astype(float)).sum() for p in [np.mean(each, axis=0), *each])
    assert row["disagreement"] == pytest.approx(whole - np.mean(alone), abs=1e-5)


def test_a_broken_cross_validation_goes_on(folded, pairs, tmp_path):
    run, _ = folded
    folder = shutil.copytree(run.folder, tmp_path / "broken")
    shutil.rmtree(folder / "fold-3")
    for name in ("scores.json", "predictions.csv", "report.html"):
        (folder / name).unlink()
    again, lines = _fit(pairs, folder, folds=3, resume=True)
    assert not any("fold-1/report" in line for line in lines)
    assert (folder / "predictions.csv").read_bytes() == (run.folder / "predictions.csv").read_bytes()
    assert (folder / "scores.json").read_bytes() == (run.folder / "scores.json").read_bytes()
    assert again.finished


def test_cross_validation_of_masks(ellipses, tmp_path):
    run, _ = _fit(
        ellipses, tmp_path / "run", folds=2, size=32, model="unet", strategy="scratch", widths=(4, 8), epochs=1
    )
    assert len(run.predictions) == 20 and list(run.scores) == ["test", "fold 1", "fold 2"]
    assert run.scores["test"]["dice"].value == pytest.approx(run.predictions["dice"].mean())


def test_classifiers_are_compared(folded, pairs, tmp_path):
    run, _ = folded
    other, _ = _fit(pairs, tmp_path / "other", folds=3, encoder="mobilenetv2_100")
    comparison, plain, page = compare_runs([run.folder, other.folder], tmp_path / "page.html")
    assert plain["task"] == "classification" and plain["n"] == 32 and page.is_file()
    assert comparison.metrics[0] == "auc"
    assert {row["metric"] for row in plain["delong"]} == {"auc"}
    json.dumps(plain["differences"])


def test_what_is_recorded_is_of_the_whole(tmp_path, pairs):
    table = tmp_path / "labels.csv"
    files = sorted(pairs.rglob("*.png"))
    rows = {
        "file": list(map(str, files)),
        "label": [file.parent.name for file in files],
        "patient": [f"p{place // 2}" for place in range(32)],
    }
    pd.DataFrame(rows).to_csv(table, index=False)
    run, _ = _fit(table, tmp_path / "run", folds=2)
    data = run.environment["data"]
    assert data["splits"] == {"test": 32} and data["groups"] == {"test": 16}
    assert data["labels"] == {"test": {"cross": 16, "disc": 16}}
    assert not any("fold 1 of 2" in note for note in data["notes"]) and "mean" not in data
    assert any(note.startswith("2 folds: every image is tested") for note in data["notes"])
    for part, seconds in run.environment["time"].items():
        assert seconds == pytest.approx(sum(fold.environment["time"].get(part, 0) for fold in run.folds), abs=2e-3)


def test_folds_of_other_data_are_not_pooled(folded, pairs, tmp_path):
    folder = shutil.copytree(folded[0].folder, tmp_path / "run")
    (folder / "scores.json").unlink()
    environment = folder / "fold-2" / "environment.json"
    known = json.loads(environment.read_text())
    known["data"]["store"] = "another"
    environment.write_text(json.dumps(known))
    with pytest.raises(RunError, match="fold-2: the data has changed since this fold was trained"):
        _fit(pairs, folder, folds=3, resume=True)
    assert not (folder / "scores.json").exists()


def test_two_processes_make_the_same_folds(pairs, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, torch; torch.set_num_threads(1)\n"
        "from medgraft.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    options = (
        "--size",
        "64",
        "--bootstrap",
        "100",
        "--engine",
        "torch",
        "--folds",
        "2",
        "--encoder",
        "mobilenetv2_100",
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    for name, launcher in (("one", (sys.executable,)), ("two", torchrun)):
        command = [*launcher, str(script), "fit", str(pairs), "--out", str(tmp_path / name), *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250)
        assert done.returncode == 0, done.stderr[-2000:]
    one, two = (Run(tmp_path / name) for name in ("one", "two"))
    assert two.environment["processes"] == 2
    pd.testing.assert_frame_equal(one.predictions, two.predictions, atol=1e-5)
