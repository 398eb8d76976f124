"""``medgraft reuse``: the answer, its files and its page, planted blocks, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from command_line import refused, snapshot
from PIL import Image
from safetensors.torch import save_file

from medgraft.cli.main import main
from medgraft.pipeline import reuse as pipeline_reuse
from medgraft.pipeline.reuse import reuse_run
from medgraft.progress import Observer
from medgraft.run import Run
from medgraft.transfer.initial_state import initial_state
from medgraft.weightfile import load_weights

LABELS = (
    *("--encoder", "cbr_tiny_narrow", "--strategy", "scratch", "--size", "32", "--epochs", "4", "--bootstrap", "100"),
    *("--precision", "fp32", "--memory-format", "contiguous", "--ratios", "0.4,0.3,0.3", "--lr", "0.003"),
)
MASKS = (
    *("--encoder", "tf_efficientnet_lite0", "--strategy", "partial", "--blocks", "1", "--size", "64", "--epochs", "1"),
    *("--precision", "fp32", "--memory-format", "contiguous", "--engine", "torch", "--bootstrap", "100"),
    *("--ratios", "0.4,0.4,0.2"),
)
BLOCKS = ["conv1", "conv2", "conv3", "conv4"]


@pytest.fixture(scope="session")
def label_run(pairs, tmp_path_factory):
    """A finished classifier; not to be changed."""
    folder = tmp_path_factory.mktemp("reused") / "pairs"
    assert main(["fit", str(pairs), *LABELS, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def mask_run(ellipses, tmp_path_factory):
    """A finished segmentation on a pretrained encoder of which one block learned; not to be changed."""
    folder = tmp_path_factory.mktemp("reused") / "ellipses"
    assert main(["fit", str(ellipses), *MASKS, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def run(label_run, workplace):
    return Path(shutil.copytree(label_run, workplace / "run"))


def test_a_classifier_with_all_that_is_written(run, medgraft, workplace):
    other = Path(shutil.copytree(run, workplace / "twin"))
    before = snapshot(run)
    said = medgraft("reuse", run, "--against", other, "--svcca", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert {path: content for path, content in snapshot(run).items() if "reuse" not in path.parts} == before
    assert found["blocks"] == BLOCKS
    assert found["split"] == "val" and found["scored"] == len(split_rows(run, "val"))
    # The pass is over the held-out images and the training images, and never the test images.
    assert found["similarity"]["images"] == len(split_rows(run, "val")) + len(split_rows(run, "train"))
    assert found["models"] == ["before training", "after training", "twin"]
    cka = {(pair["first"], pair["second"]): pair["values"] for pair in found["similarity"]["cka"]}
    assert len(cka) == 6 and len(found["similarity"]["svcca"]) == 6
    for model in found["models"]:
        assert [cka[model, model][i][i] for i in range(4)] == pytest.approx([1] * 4)
    # A copy of the run computes what the run computes, block by block.
    assert np.allclose(cka["after training", "twin"], cka["after training", "after training"], atol=1e-6)
    robust = found["robustness"]
    auc = Run(run).scores.val["auc"]
    assert robust["metric"] == "auc" and robust["score"]["value"] == pytest.approx(auc.value)
    assert robust["score"]["low"] == pytest.approx(auc.low) and len(robust["redrawn"]) == 4
    assert found["answer"] in said.err and not found["pretrained"]
    page = (run / "reuse" / "reuse.html").read_text(encoding="utf-8")
    assert page.index(found["answer"]) < page.index("What is lost") < page.index("How alike") < page.index("Filters")
    for name in ("loss", "movement", "neighbours", "cka-1", "filters-before", "filters-after"):
        assert (run / "reuse" / "figures" / f"{name}.png").stat().st_size > 500
    table = pd.read_csv(run / "reuse" / "blocks.csv")
    assert list(table["block"]) == BLOCKS and list(table["verdict"]) == [each["verdict"] for each in found["reading"]]
    assert len(pd.read_csv(run / "reuse" / "similarity.csv")) == 2 * 6 * 16


def split_rows(run, split):
    rows = pd.read_csv(run / "split.csv")
    return rows[rows["split"] == split]


@pytest.fixture
def no_page(monkeypatch):
    """Drawing the page takes most of the time."""
    monkeypatch.setattr(pipeline_reuse, "reuse_report", lambda folder: folder)


@pytest.fixture
def look(run, workplace, no_page):
    """The figures alone."""
    return lambda **options: reuse_run(run, out=workplace / "found", observer=Observer(), **options).findings


def test_movement_is_that_of_the_files(run, look):
    found = look()
    trained, initial = load_weights(run / "model.safetensors"), initial_state(Run(run))
    for place, row in enumerate(found["movement"]):
        key = f"blocks.{place}.{BLOCKS[place]}.conv.weight"
        moved = float((trained[f"encoder.{key}"] - initial[key]).norm())
        assert moved > 0 and row["weights"]["moved"] == pytest.approx(moved, rel=1e-5)
        assert row["weights"]["count"] == initial[key].numel()


def test_blocks_that_are_dead_lose_nothing_and_what_follows_them_does_not_either(run, look):
    """A norm of the third block that is 0 and stays so: nothing of blocks 1 to 3 reaches the answer."""
    started, trained = initial_state(Run(run)), load_weights(run / "model.safetensors")
    dead = {f"blocks.2.conv3.bn.{name}": torch.zeros(128) for name in ("weight", "bias")}
    save_file(trained | {f"encoder.{name}": tensor for name, tensor in dead.items()}, run / "model.safetensors")
    found = look(initial_state=lambda _: started | dead)
    for part in ("put_back", "redrawn"):
        lost = [(each["value"], each["low"], each["high"]) for each in found["robustness"][part]]
        assert lost[:3] == [(0, 0, 0)] * 3
    # The features of a dead block are the same for all images, and CKA of those is undefined.
    assert [each["value"] is None for each in found["similarity"]["kept"]] == [False, False, True, True]
    assert [each["verdict"] for each in found["reading"]][:3] == ["unused"] * 3


def test_a_vital_block_is_told_from_others(run, look):
    """Trained weights stand in for those of before, but for one block, whose filters said the opposite."""
    trained = {name.removeprefix("encoder."): t for name, t in load_weights(run / "model.safetensors").items()}
    start = dict(trained)
    start["blocks.3.conv4.conv.weight"] = -trained["blocks.3.conv4.conv.weight"]
    assert Run(run).scores.val["auc"].value > 0.9
    found = look(redraw=False, initial_state=lambda _: start)
    assert [each["verdict"] for each in found["reading"]] == ["fixed", "fixed", "fixed", "relearned"]
    assert found["robustness"]["put_back"][0]["value"] == 0 and found["robustness"]["redrawn"] is None
    assert [row["weights"]["moved"] > 0 for row in found["movement"]] == [False, False, False, True]
    kept = [each["value"] for each in found["similarity"]["kept"]]
    assert kept[:3] == pytest.approx([1] * 3) and kept[3] < 0.9999


def test_a_segmentation_with_blocks_that_did_not_learn(mask_run, workplace, medgraft, no_page):
    run = Path(shutil.copytree(mask_run, workplace / "masks"))
    said = medgraft("reuse", run, "--no-redraw", "--images", 16)
    assert said.code == 0, said.err
    assert said.out.splitlines()[-1] == str(run / "reuse" / "reuse.html")
    found = json.loads((run / "reuse" / "reuse.json").read_text(encoding="utf-8"))
    assert [each["verdict"] for each in found["reading"]][:7] == ["fixed"] * 7
    assert found["reading"][7]["verdict"] != "fixed" and found["pretrained"]
    assert "Blocks 1 to 7 are reused as they came" in said.out
    robust = found["robustness"]
    assert robust["metric"] == "dice" and robust["redrawn"] is None
    rows = Run(run).predictions
    assert robust["score"]["value"] == pytest.approx(rows[rows["split"] == "val"]["dice"].mean())
    assert found["similarity"]["images"] == 16
    # The same weights give the same features, and the same neighbours.
    for kept, near in list(zip(found["similarity"]["kept"], found["neighbours"], strict=True))[:7]:
        assert kept["value"] == pytest.approx(1) and near["before"] == near["after"]
    assert found["neighbours"][0]["k"] == found["neighbours"][0]["known"] // 10
    # Again over what is there, on the test images, which is said.
    said = medgraft("reuse", run, "--no-redraw", "--images", 16, "--split", "test")
    refused(said, "in the split test", "at least 8")


def test_test_images_are_looked_at_when_asked_for_and_that_is_said(run, medgraft, no_page):
    said = medgraft("reuse", run, "--split", "test", "--no-redraw")
    assert said.code == 0 and "The test images were seen" in said.out
    found = json.loads((run / "reuse" / "reuse.json").read_text(encoding="utf-8"))
    assert found["robustness"]["score"]["value"] == pytest.approx(Run(run).scores.test["auc"].value)


def test_what_is_refused(run, trained, workplace, medgraft):
    refused(medgraft("reuse", trained), "no encoder", "encoder_unet")
    refused(medgraft("reuse", run, "--images", 8), "at least 16")
    refused(medgraft("reuse", run, "--against", run), "named twice")
    (workplace / "mine").mkdir()
    (workplace / "mine" / "notes.txt").write_text("keep me", encoding="utf-8")
    refused(medgraft("reuse", run, "--out", "mine"), "no earlier reuse analysis")
    small = Path(shutil.copytree(run, workplace / "small"))
    info = json.loads((small / "model.json").read_text(encoding="utf-8"))
    (small / "model.json").write_text(json.dumps(info | {"size": 48}), encoding="utf-8")
    refused(medgraft("reuse", run, "--against", small), "48 pixels", "same pixels")
    (run / "model.safetensors").unlink()
    refused(medgraft("reuse", run), "no model.safetensors", "--resume")
    assert not (run / "reuse").exists() and snapshot(workplace / "mine").keys() == {workplace / "mine" / "notes.txt"}


def test_images_that_have_moved_are_asked_for_by_the_commands_own_name(run, medgraft):
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    environment["data"]["root"] = "/no/such/place"
    (run / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    refused(medgraft("reuse", run), "no longer at /no/such/place", f"medgraft reuse {run} --data DIR")
    # An export without images goes on; with a place that lacks them it does not.
    (run.parent / "other" / "yes").mkdir(parents=True), (run.parent / "other" / "no").mkdir()
    for label in ("yes", "no"):
        Image.new("L", (32, 32)).save(run.parent / "other" / label / "1.png")
    refused(medgraft("export", run, run.parent / "other"), "not there", f"medgraft export {run} DATA")


def test_what_a_run_from_statistics_or_with_some_blocks_pretrained_is_said_to_reuse(run, look):
    """No block of a run that began from statistics can be reused, though its statistics came from weights."""
    info = json.loads((run / "model.json").read_text(encoding="utf-8"))
    info["weights"] = {"source": "some weights", "digest": "0", "licence": "none"}
    (run / "model.json").write_text(json.dumps(info), encoding="utf-8")
    recipe = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
    trained = {name.removeprefix("encoder."): t for name, t in load_weights(run / "model.safetensors").items()}
    for init, said in (
        ("ST", "Blocks 1 to 4 stayed random (they did not learn)."),
        ("WT-ST-3", "Blocks 1 to 3 are reused as they came (they did not learn); block 4 stayed random (it did not "
                    "learn)."),
    ):  # fmt: skip
        (run / "recipe.yaml").write_text(yaml.safe_dump(recipe | {"strategy": "full", "init": init}), encoding="utf-8")
        found = look(redraw=False, initial_state=lambda _: trained)
        assert found["answer"] == said and found["pretrained"] == (0 if init == "ST" else 3)
        assert found["start"].startswith(f"some weights, init {init} (")


def test_too_few_images_are_refused(run, workplace, medgraft):
    rows = pd.read_csv(run / "split.csv")
    val = rows.index[rows["split"] == "val"]
    rows.loc[val[4:], "split"] = "train"
    rows.to_csv(run / "split.csv", index=False)
    refused(medgraft("reuse", run), "4 images in the split val", "at least 8")
