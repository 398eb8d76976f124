"""The recipes of the papers: each opens a stand-in of its data set as it should, and runs on it from end to end."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from paper_layouts import FINDINGS, LAYOUTS, RECIPES, chexpert, chexpert14, ddsm, isic2019, run_recipe_script

from medgraft import Run
from medgraft.cli.main import main
from medgraft.evaluation.label_metrics import label_metric_names
from medgraft.models.encoder_facts import list_encoders
from medgraft.pipeline.prepare import open_for
from medgraft.progress import Observer
from medgraft.recipe import Recipe

QUICK = ["--lr", "0.001", "--size", "32", "--epochs", "1", "--bootstrap", "100", "--engine", "torch",
         "--precision", "fp32", "--memory-format", "contiguous"]  # fmt: skip
RANDOM, GRIDS = ("cbr_tiny_narrow", ["RI"]), {
    "aptos2019": ("mobilenetv2_100", ["RI", "ST", "WT"]), "ddsm": ("mobilenetv2_100", ["WT"]),
}  # fmt: skip
FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
GRID = {"encoder", "seed", "folds", "lr", "encoder_lr", "weights"}  # what a study chooses
EXPECTED = {  # classes, whether several an image, images, groups, splits of the data's own, the paper's score
    "aptos2019": (("0", "1", "2", "3", "4"), False, 44, None, None, "kappa"),
    "ddsm": (("normal", "lesion"), False, 32, None, (16, 8, 8), "auc"),
    "cbis_ddsm": (("benign", "malignant"), False, 48, 24, (32, 0, 16), "auc"),
    "isic2019": (("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"), False, 64, 40, None, "macro_recall"),
    "chexpert": (FIVE, True, 144, 72, (108, 24, 12), "auc"),
    "chexpert14": (tuple(FINDINGS), True, 180, 60, None, "auc"),
    "patchcamelyon": (("normal", "tumour"), False, 32, 8, (16, 8, 8), "auc"),
}

each = pytest.mark.parametrize("name", list(LAYOUTS))


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draws a stand-in and prepares it; returns what a command is given."""

    def draw(name):
        folder = tmp_path / name
        folder.mkdir()
        return LAYOUTS[name](folder, monkeypatch)

    return draw


def test_every_recipe_has_a_stand_in_and_every_script_a_recipe():
    recipes = {path.stem for path in RECIPES.glob("*.yaml")}
    assert recipes == set(LAYOUTS) == set(EXPECTED)
    assert {path.stem for path in RECIPES.glob("*.py")} < recipes


@each
def test_a_recipe_leaves_the_grid_to_the_study(name):
    text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    recipe = Recipe.load(RECIPES / f"{name}.yaml")
    assert not GRID & set(yaml.safe_load(text))
    # All blocks at one rate, as otherwise random weights near the input would hardly learn.
    assert (recipe.strategy, recipe.size, recipe.batch_size, recipe.decay) == ("full", 224, 64, 1.0)
    assert EXPECTED[name][-1] in label_metric_names(EXPECTED[name][0], EXPECTED[name][1])


def test_the_commands_of_the_page_name_recipes_encoders_and_scores_that_there_are():
    text = (RECIPES.parent / "docs" / "how-to" / "papers.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [line.split() for line in text.splitlines() if line.lstrip().startswith("$ medgraft study")]
    assert len(commands) == 4
    for words in commands:
        encoders = words[words.index("--encoder") + 1 : words.index("--init")]
        assert encoders and set(encoders) <= set(list_encoders())
        metric = EXPECTED[Path(words[words.index("--recipe") + 1]).stem][-1]
        assert metric == (words[words.index("--metric") + 1] if "--metric" in words else "auc")


@each
def test_a_stand_in_opens_as_the_data_set_should(name, drawn):
    classes, several, images, groups, splits, _ = EXPECTED[name]
    manifest = open_for(drawn(name), Recipe.load(RECIPES / f"{name}.yaml"), Observer())
    assert manifest.task == "classification"
    assert (manifest.classes.names, manifest.classes.multilabel) == (classes, several)
    assert len(manifest) == images and manifest.presence.any(axis=0).all()
    assert (manifest.table["group"].nunique() if manifest.has_groups else None) == groups
    assert (tuple(manifest.split_counts().values()) if manifest.has_split else None) == splits


@each
def test_one_command_trains_the_table_of_a_recipe(name, drawn, tmp_path, capsys):
    """Of some encoder: one with pretrained weights, colour and grey, or one of the CBR family, from random ones."""
    classes, several, images, *_, metric = EXPECTED[name]
    encoder, inits = GRIDS.get(name, RANDOM)
    words = ["study", str(drawn(name)), "--recipe", str(RECIPES / f"{name}.yaml"), "--out", str(tmp_path / "study")]
    assert main([*words, "--encoder", encoder, "--init", *inits, "--seeds", "1", *QUICK]) == 0, capsys.readouterr().err
    cells = pd.read_csv(tmp_path / "study" / "cells.csv")
    assert cells["init"].tolist() == inits and set(cells["status"]) == {"finished"}
    assert np.isfinite(cells[f"test_{metric}"]).all()
    scores = {column.removeprefix("test_") for column in cells.columns if column.startswith("test_")}
    assert scores == set(label_metric_names(classes, several))
    run = Run(tmp_path / "study" / "cells" / cells["id"][0])
    assert run.recipe.strategy == "full" and run.recipe.augment == Recipe.load(RECIPES / f"{name}.yaml").augment
    splits = pd.read_csv(run.folder / "split.csv")
    assert len(splits) == images and set(splits["split"]) == {"train", "val", "test"}
    if "group" in splits:
        assert splits.groupby("group")["split"].nunique().max() == 1


def test_the_rules_for_what_chexpert_leaves_open(tmp_path, monkeypatch):
    """The five findings take -1 as 1, the fourteen as 0; empty is 0 in both, and nothing at all is No Finding."""
    one, other = tmp_path / "five", tmp_path / "fourteen"
    one.mkdir()
    other.mkdir()
    five = pd.read_csv(chexpert(one, monkeypatch)).set_index("file")
    every = pd.read_csv(chexpert14(other, monkeypatch)).set_index("file")
    written = pd.read_csv(one / "CheXpert-v1.0-small" / "train.csv").set_index("Path")
    found = written.loc[five.index[five["split"] != "valid"], list(FIVE)]
    assert (found == -1).any(axis=None) and found.isna().any(axis=None)
    for finding in FIVE:
        assert five.loc[found.index, finding].tolist() == [int(cell in (1, -1)) for cell in found[finding]]
    assert list(every.index) == list(written.index)  # lateral ones too
    for finding in FINDINGS[1:]:
        assert every[finding].tolist() == [int(cell == 1) for cell in written[finding]]
    empty = (written[FINDINGS] != 1).all(axis=1)
    assert empty.any() and not empty.all()
    assert every["No Finding"].tolist() == (empty | (written["No Finding"] == 1)).astype(int).tolist()


def test_a_lesion_keeps_its_images_and_one_without_a_name_stands_alone(tmp_path, monkeypatch):
    table = pd.read_csv(isic2019(tmp_path, monkeypatch))
    # Written in the order of the ground truth, though the metadata is in another.
    assert table["file"][:2].tolist() == [f"ISIC_2019_Training_Input/ISIC_000000{n}.jpg" for n in ("0_downsampled", 1)]
    assert table["lesion_id"][:4].tolist() == ["BCN_0000000", "BCN_0000000", "BCN_0000001", "BCN_0000001"]
    assert table["lesion_id"].isna().sum() == 8


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (lambda truth, about: (truth.assign(UNK=[1.0, *truth["UNK"][1:]]), about), "ISIC_0000000_downsampled"),
        (lambda truth, about: (truth.assign(MEL=1.0), about), "ISIC_0000008, ISIC_0000009"),
        (lambda truth, about: (truth, about[about["image"] != "ISIC_0000003"]), "ISIC_0000003"),
    ],
    ids=["unknown", "two classes", "no metadata"],
)
def test_isic_tables_that_cannot_be_joined_are_refused(tmp_path, monkeypatch, change, refused):
    isic2019(tmp_path, monkeypatch, per_class=2 if refused.startswith("ISIC_0000000") else 8)
    (tmp_path / "labels.csv").unlink()
    paths = [tmp_path / f"ISIC_2019_Training_{kind}.csv" for kind in ("GroundTruth", "Metadata")]
    for table, path in zip(change(*map(pd.read_csv, paths)), paths, strict=True):
        table.to_csv(path, index=False)
    with pytest.raises(SystemExit, match=f"exactly one of MEL.*{refused}"):
        run_recipe_script("isic2019", tmp_path, monkeypatch)
    assert not (tmp_path / "labels.csv").exists()


def test_a_mammogram_whose_name_says_nothing_is_refused(tmp_path, monkeypatch):
    ddsm(tmp_path, monkeypatch)
    (tmp_path / "ddsm_raw_image_lists" / "val.txt").write_text("normals/normal_val_0.png\nothers/strange_1.png\n")
    with pytest.raises(SystemExit, match=r"val.txt: others/strange_1.png begins with none of normal, benign, cancer"):
        run_recipe_script("ddsm", tmp_path, monkeypatch)


def test_benign_and_cancer_are_one_class_of_ddsm(tmp_path, monkeypatch):
    table = pd.read_csv(ddsm(tmp_path, monkeypatch))
    kinds = table["file"].str.extract(r"/(normal|benign|cancer)_")[0]
    assert pd.crosstab(kinds, table["label"]).to_dict() == {
        "lesion": {"benign": 8, "cancer": 8, "normal": 0}, "normal": {"benign": 0, "cancer": 0, "normal": 16},
    }  # fmt: skip
    assert "h5py" not in sys.modules
