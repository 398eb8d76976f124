"""Advice on drawn shapes: what is measured, kept, followed and refused."""

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from medgraft import Run, advise, fit
from medgraft.cli.main import main
from medgraft.errors import RecipeError, RunError
from medgraft.pipeline import advising
from medgraft.progress import Observer
from medgraft.recipe import Recipe

QUICK = {"size": 64, "bootstrap": 200}
MINUTES = {"frozen": 0.1, "partial": 1.0, "deep": 2.0, "full": 4.0, "scratch": 4.0}


class Heard(Observer):
    """Keeps what it is told."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.fixture
def untimed(monkeypatch):
    monkeypatch.setattr(advising, "predict_minutes", lambda *_: MINUTES)


@pytest.fixture(scope="module")
def tabled(blobs, tmp_path_factory):
    """The blobs as a table with a split and patients of two images each."""
    folder = shutil.copytree(blobs, tmp_path_factory.mktemp("tabled") / "shapes")
    rows = []
    for kind in ("disc", "square", "cross"):
        for index, file in enumerate(sorted((folder / kind).glob("*.png"))):
            split = "test" if index < 2 else "val" if index < 4 else "train"
            rows.append((f"{kind}/{file.name}", kind, f"{kind}-{index // 2}", split))
    pd.DataFrame(rows, columns=["file", "label", "patient", "split"]).to_csv(folder / "table.csv", index=False)
    return folder


def test_labels_are_measured_and_minutes_are_predicted(blobs):
    advice = advise(blobs, observer=Observer(), **QUICK)
    facts = advice.facts
    assert (facts.task, facts.images, facts.patients, facts.blocks, facts.side) == ("classification", 36, None, 9, 48)
    assert facts.rarest == pytest.approx(1 / 3) and not facts.grey
    assert facts.distance.low < facts.distance.value < facts.distance.high
    assert facts.probe.value > 0.8 and facts.gain.n == facts.probe.n == 25
    assert set(facts.minutes) == {"frozen", "partial", "deep", "full", "scratch"}
    assert 0 < facts.minutes["frozen"] < facts.minutes["full"]
    assert Recipe.make(**advice.options).strategy == advice.options["strategy"]


def test_masks_are_measured(ellipses, untimed):
    advice = advise(ellipses, observer=Observer(), **QUICK)
    assert advice.facts.task == "segmentation" and advice.facts.rarest is None
    assert advice.options["strategy"] == "full"
    # Bright ellipses are found by any features.
    assert advice.facts.probe.value > 0.9


def test_test_images_and_their_labels_play_no_part(tabled, tmp_path, untimed):
    other = shutil.copytree(tabled, tmp_path / "other")
    table = pd.read_csv(other / "table.csv")
    for file in table[table["split"] == "test"]["file"]:
        Image.fromarray(np.zeros((48, 48, 3), np.uint8)).save(other / file)
    table.loc[table["split"] == "test", "label"] = "disc"
    table.to_csv(other / "table.csv", index=False)
    first, second = (
        advise(folder / "table.csv", observer=Observer(), **QUICK).facts.to_dict() for folder in (tabled, other)
    )
    for measured in ("distance", "probe", "gain", "curve"):
        assert first[measured] == second[measured]
    assert first["patients"] == 18


def test_what_the_user_chose_is_kept(blobs, untimed):
    advice = advise(blobs, observer=Observer(), strategy="frozen", lr=0.01, **QUICK)
    assert advice.options["lr"] == 0.01 and advice.options["size"] == 64
    assert any(reason.sentence == "lr 0.01, as asked for" for reason in advice.reasons)


def test_auto_as_a_wish_is_no_strategy_to_keep(blobs, untimed):
    advice = advise(blobs, observer=Observer(), strategy="auto", **QUICK)
    assert advice.options["strategy"] == "frozen" and advice.headline.startswith("frozen, ")


def test_auto_is_followed_and_said(blobs, tmp_path, monkeypatch, untimed):
    heard = Heard()
    run = fit(blobs, out=tmp_path / "run", strategy="auto", epochs=1, observer=heard, **QUICK)
    # Drawn shapes are easy: the probe solves them, which goes before the table's row.
    assert run.recipe.strategy == "frozen" and run.recipe.epochs == 1
    note = next(note for note in run.environment["data"]["notes"] if note.startswith("strategy auto: frozen"))
    assert "already separates the classes" in note
    assert "36 images (patients unknown" in note and "distance from the pretraining images" in note
    assert note in (run.folder / "report.html").read_text(encoding="utf-8")
    monkeypatch.setattr(advising, "measure", None)  # a finished or broken run is not advised on again
    again = fit(blobs, out=tmp_path / "run", strategy="auto", resume=True, observer=Heard(), **QUICK)
    assert again.recipe == run.recipe


def test_auto_does_not_name_the_run_to_resume(blobs):
    with pytest.raises(RecipeError, match="name the run to go on with by --out"):
        fit(blobs, strategy="auto", resume=True, observer=Observer())


def test_a_folder_that_is_taken_is_refused_before_anything_is_measured(blobs, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    monkeypatch.setattr(advising, "measure", None)
    with pytest.raises(RunError, match="exists already"):
        fit(blobs, out=tmp_path / "run", strategy="auto", observer=Observer(), **QUICK)


def test_what_cannot_be_probed_takes_its_time_all_the_same(tabled):
    table = pd.read_csv(tabled / "table.csv")
    table["patient"] = table["split"]  # one patient to learn from, and none to test on
    table.to_csv(tabled / "lone.csv", index=False)
    facts = advise(tabled / "lone.csv", observer=Observer(), **QUICK).facts
    assert facts.probe is None and facts.gain is None
    assert min(facts.minutes.values()) > 0 and set(facts.minutes) >= {"frozen", "full"}


def test_a_model_without_encoder_is_refused(ellipses):
    with pytest.raises(RecipeError, match="unet has no encoder"):
        advise(ellipses, model="unet", strategy="scratch", observer=Observer())


def test_a_piped_advice_is_a_recipe_that_fit_takes(tabled, tmp_path, capsys, untimed):
    data = str(tabled / "table.csv")
    assert main(["advise", data, "--group", "patient", "--size", "64", "--bootstrap", "200", "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    options = yaml.safe_load(printed)
    assert options["group"] == "patient" and options["strategy"] == "frozen" and options["size"] == 64
    assert "# - 18 patients: under 1,000" in printed and "[table, row 2]" in printed
    assert all(len(line) <= 100 for line in printed.splitlines() if "medgraft fit" not in line)
    (tmp_path / "recipe.yaml").write_text(printed)
    assert main(["fit", data, "--recipe", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "run")]) == 0
    recipe = Run(tmp_path / "run").recipe
    assert (recipe.strategy, recipe.epochs, recipe.group_column) == ("frozen", 1, "patient")


def test_minutes_must_be_above_zero(capsys):
    assert main(["advise", "anywhere", "--minutes", "-1"]) == 2
    assert "a number of minutes above 0 is wanted" in capsys.readouterr().err
