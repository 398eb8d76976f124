"""A study from data to cells.csv: what cells share, what they keep, and what becomes of one that fails."""

import json

import pandas as pd
import pytest

from medgraft import fit
from medgraft.data import open_data
from medgraft.errors import DataError, RecipeError, RunError, WeightsError
from medgraft.recipe import Recipe
from medgraft.studies import Study
from medgraft.studies.row import COLUMNS
from medgraft.training.standing import standing

RATES = [1e-3, 0.3]


@pytest.fixture(scope="module")
def small(conduct, encoder, tmp_path_factory):
    """Two initialisations, two numbers of images, two rates; of a second encoder the weights cannot be had."""
    return conduct(
        tmp_path_factory.mktemp("studies") / "small", encoder=[encoder, "cbr_small"], init=["WT", "ST"], n=[8, "all"],
        lr_grid=RATES,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(small):
    """The rows of cells.csv that stand, and their runs."""
    table = small.cells[small.cells["status"] == "finished"]
    return [(row, small.run(row["id"])) for row in table.to_dict("records")]


def test_every_cell_has_a_row_in_the_order_of_the_grid(small):
    table = small.cells
    assert list(table.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert table["id"].tolist() == [cell.id for cell in small.plan.grid.cells()]
    assert table["n"].tolist() == ["8"] * 4 + ["all"] * 4 and set(table["data"]) == {"pairs"}
    assert {"test_auc", "val_auc", "test_accuracy"} <= set(table.columns)


def test_a_cell_whose_weights_are_missing_fails_and_the_others_stand(small):
    failed = small.failed
    assert sorted(failed) == sorted(f"cbr_small-{init}-full-n{n}-s0" for init in ("ST", "WT") for n in ("8", "all"))
    assert all(sentence.startswith("no pretrained weights for cbr_small") for sentence in failed.values())
    assert all(sentence.endswith("with the encoder: --encoder cbr_small@FILE.") for sentence in failed.values())
    assert (small.folder / "cells" / "cbr_small-WT-full-nall-s0" / "error.txt").read_text().startswith("Traceback")
    assert (small.cells["status"] == "finished").sum() == 4


def test_a_finished_cell_is_an_ordinary_run(finished, pairs):
    for row, run in finished:
        assert run.finished and row["test_auc"] == run.scores.test["auc"].value
        assert row["val_accuracy"] == run.scores["val"]["accuracy"].value
        assert run.recipe.init == row["init"] and run.recipe.strategy == "full"
        assert run.predict(str(pairs / "disc" / "disc_00.png")).label in ("disc", "cross")
        assert {"training", "evaluation"} <= set(run.environment["time"])


def test_all_cells_have_the_split_of_the_study(small, finished):
    split = pd.read_csv(small.split_file()).set_index("id")["split"]
    held_out = split[split != "train"]
    for _, run in finished:
        tested = run.predictions.set_index("id")["split"]
        assert tested.sort_index().to_dict() == held_out.sort_index().to_dict()


def test_fewer_images_are_contained_in_more_and_the_same_for_every_initialisation(small, finished):
    learnt = {}
    for row, run in finished:
        split = pd.read_csv(run.folder / "split.csv")
        learnt[row["init"], row["n"]] = frozenset(split["id"][split["split"] == "train"])
        assert row["images"] == len(learnt[row["init"], row["n"]])
    assert learnt["WT", "8"] == learnt["ST", "8"] and len(learnt["WT", "8"]) == 8
    assert learnt["WT", "8"] < learnt["WT", "all"] == learnt["ST", "all"]


def test_every_rate_is_tried_on_equal_terms_and_the_best_by_validation_kept(small, finished):
    for row, run in finished:
        known = json.loads((run.folder / "cell.json").read_text())
        tried = known["tried"]
        assert [trial["lr"] for trial in tried] == RATES and row["trials"] == 2
        best = max(tried, key=lambda trial: standing(trial["val"], trial["monitor"]))
        recipe = run.recipe
        assert row["lr"] == recipe.lr == recipe.encoder_lr == best["lr"] and recipe.decay == 1
        assert row["seconds"] >= sum(trial["seconds"] for trial in tried)
        for rate in RATES:
            left = {path.name for path in (run.folder / "trials" / f"lr-{rate:g}").iterdir()}
            # Nobody looks at test images, and keeps no weights, of a rate that was not taken.
            assert not left & {"scores.json", "predictions.csv", "model.safetensors", "checkpoint"}
        assert not (run.folder / "checkpoint").exists() and not (run.folder / "report.html").exists()


def test_a_cell_is_what_fit_makes_of_its_recipe(finished, pairs, tmp_path):
    _, run = finished[-1]
    alone = fit(pairs, run.folder / "recipe.yaml", out=tmp_path / "alone")
    pd.testing.assert_frame_equal(alone.predictions, run.predictions)
    assert alone.history[0]["val"] == run.history[0]["val"]


def test_the_plan_is_kept(small, conduct):
    opened = Study(small.folder)
    assert opened.plan == small.plan and opened.plan.terms.rates == tuple(RATES)
    assert opened.plan.recipe.epochs == 1 and opened.plan.data["images"] == 32


def test_numbers_of_images_that_the_data_cannot_give_fail_by_themselves(conduct, tmp_path):
    found = conduct(tmp_path / "study", n=[2, 500, "all"])
    table = found.cells.set_index("n")
    assert table.loc["500", "status"] == "failed" and "500" in table.loc["500", "error"]
    assert table.loc["all", "status"] == table.loc["2", "status"] == "finished"


def test_too_few_images_for_the_classes_fail_with_the_fewest_that_do(blobs, conduct, tmp_path):
    found = conduct(tmp_path / "study", data=blobs, n=[2, "all"])
    (sentence,) = found.failed.values()
    assert "3" in sentence and found.cells["status"].tolist() == ["failed", "finished"]


def test_a_head_that_is_solved_tries_no_rates(conduct, tmp_path):
    found = conduct(tmp_path / "study", strategy="frozen", lr_grid=RATES)
    (row,) = found.cells.to_dict("records")
    assert row["status"] == "finished" and row["trials"] == 1 and pd.isna(row["lr"])


def test_rates_that_optuna_finds_are_tried_and_the_best_kept(conduct, tmp_path):
    found = conduct(tmp_path / "study", lr_grid=[1e-4, 1e-2], lr_trials=2)
    (row,) = found.cells.to_dict("records")
    tried = json.loads((found.run(row["id"]).folder / "cell.json").read_text())["tried"]
    assert row["trials"] == len({trial["lr"] for trial in tried}) == 2 and found.plan.terms.trials == 2
    assert row["lr"] == max(tried, key=lambda trial: standing(trial["val"], trial["monitor"]))["lr"]


def test_each_fold_is_tested_by_cells_of_its_own(conduct, tmp_path):
    found = conduct(tmp_path / "study", folds=2)
    assert found.cells["fold"].tolist() == [1, 2] and set(found.cells["status"]) == {"finished"}
    tested = [set(run.predictions.query("split == 'test'")["id"]) for run in map(found.run, found.cells["id"])]
    assert not tested[0] & tested[1] and len(tested[0] | tested[1]) == 32
    assert not (found.folder / "split.csv").exists() and found.split_file(2).is_file()


def test_the_users_split_is_that_of_all_cells(conduct, pairs, tmp_path):
    table = open_data(pairs).table
    split = ["test" if i % 4 == 0 else "val" if i % 4 == 1 else "train" for i in range(len(table))]
    pd.DataFrame({"id": table["id"], "split": split}).to_csv(tmp_path / "mine.csv", index=False)
    found = conduct(tmp_path / "study", split_file=tmp_path / "mine.csv")
    kept = pd.read_csv(found.split_file())
    assert kept["split"].tolist() == split


def test_engine_precision_and_layout_are_measured_once_for_all_cells(conduct, encoder, tmp_path, monkeypatch):
    from medgraft.studies import choices
    from medgraft.training import Choices

    asked = []

    def probe(*arguments):
        asked.append(arguments)
        return Choices("none", "fp32", "channels_last")

    monkeypatch.setattr(choices, "probe", probe)
    found = conduct(tmp_path / "study", init=["RI", "WT"], precision="auto", memory_format="auto", engine="auto")
    assert len(asked) == 1
    assert found.plan.choices == {(encoder, "full"): {"precision": "fp32", "memory_format": "channels_last"}}
    for name in found.cells["id"]:
        assert found.run(name).environment["choices"]["memory_format"] == "channels_last"


def test_what_stops_every_cell_is_said_before_anything_is_written(conduct, tmp_path):
    out = tmp_path / "study"
    with pytest.raises(WeightsError, match="no pretrained weights for cbr_small"):
        conduct(out, encoder="cbr_small")
    with pytest.raises(RecipeError, match="no initialisation 'XY'"):
        conduct(out, init=["XY"])
    with pytest.raises(RecipeError, match="model: a study compares"):
        conduct(out, recipe=Recipe.make(model="unet", strategy="scratch"))
    with pytest.raises(RecipeError, match="axis n"):
        conduct(out, train_images=8)
    with pytest.raises(RecipeError, match="at least one process"):
        conduct(out, jobs=0)
    with pytest.raises(DataError, match="no image in val"):
        conduct(out, ratios=(0.8, 0, 0.2))
    assert not out.exists()
    with pytest.raises(RunError, match="not a study's folder"):
        conduct(tmp_path, resume=True)
