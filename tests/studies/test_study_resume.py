"""Studies that broke off, grow, or are asked to be what they are not."""

import shutil

import pandas as pd
import pytest
import yaml

from medgraft.catalog.claim import claimed
from medgraft.errors import DataError, RecipeError, RunError
from medgraft.recipe import Recipe
from medgraft.studies import Study, training
from medgraft.studies.desk import Desk
from medgraft.studies.summary import table_of
from medgraft.studies.training import run_cell


class Stopping:
    """Trains some cells, then is stopped as by Ctrl-C."""

    def __init__(self, after):
        self.after = after

    def run(self, study, manifest, cells, done):
        desk = Desk(study, manifest)
        for cell in cells[: self.after]:
            done(run_cell(desk, cell))
        raise KeyboardInterrupt


GRID = {"init": ["WT", "ST"], "n": [8, "all"]}


@pytest.fixture(scope="module")
def unbroken(conduct, tmp_path_factory):
    return conduct(tmp_path_factory.mktemp("unbroken") / "study", **GRID)


@pytest.fixture
def copy(unbroken, tmp_path):
    """A finished study to change."""
    shutil.copytree(unbroken.folder, tmp_path / "copy")
    return Study(tmp_path / "copy")


def _without_seconds(found):
    return found.cells.drop(columns="seconds")


def test_a_study_that_was_stopped_goes_on_to_the_same_result(conduct, unbroken, heard, tmp_path):
    out = tmp_path / "study"
    with pytest.raises(KeyboardInterrupt):
        conduct(out, runner=Stopping(2), heard=heard, **GRID)
    assert heard.lines.pop() == f"stopped after 2 of 4 cells; go on with --out {out} --resume"
    heard.lines.clear(), heard.progress.clear()
    assert Study(out).cells["status"].tolist() == ["finished", "finished", "waiting", "waiting"]
    kept = (Study(out).run(Study(out).cells["id"][0]).folder / "model.safetensors").stat().st_mtime_ns
    found = conduct(out, resume=True, heard=heard)
    pd.testing.assert_frame_equal(_without_seconds(found), _without_seconds(unbroken))
    assert "4 cells" in heard.lines[0] and "2 of them not finished" in heard.lines[0]
    assert (found.run(found.cells["id"][0]).folder / "model.safetensors").stat().st_mtime_ns == kept
    assert [done for what, done, _ in heard.progress if what == "cells"] == [2, 3, 4]


def test_rates_that_were_tried_are_not_tried_again(conduct, tmp_path, monkeypatch):
    rates = {"lr_grid": [1e-3, 0.1]}
    whole = conduct(tmp_path / "whole", **rates)
    trained, true = [], training._trained

    def stop(desk, recipe, folder):
        if recipe.lr == 0.1:
            raise KeyboardInterrupt
        return true(desk, recipe, folder)

    def note(desk, recipe, folder):
        trained.append(recipe.lr)
        return true(desk, recipe, folder)

    monkeypatch.setattr(training, "_trained", stop)
    with pytest.raises(KeyboardInterrupt):
        conduct(tmp_path / "study", **rates)
    monkeypatch.setattr(training, "_trained", note)
    found = conduct(tmp_path / "study", resume=True)
    assert trained == [0.1]
    pd.testing.assert_frame_equal(_without_seconds(found), _without_seconds(whole))


def test_a_training_that_was_killed_halfway_begins_anew(conduct, copy, unbroken):
    place = copy.folder / "cells" / copy.cells["id"][0]
    for name in ("cell.json", "trial.json", "scores.json", "model.safetensors"):
        (place / name).unlink()
    found = conduct(copy.folder, resume=True)
    pd.testing.assert_frame_equal(_without_seconds(found), _without_seconds(unbroken))


def test_cells_may_be_added(conduct, copy, unbroken):
    found = conduct(copy.folder, resume=True, n=[8, 12, "all"])
    assert found.cells["n"].tolist() == ["8", "8", "12", "12", "all", "all"]
    assert set(found.cells["status"]) == {"finished"}
    old = found.cells[found.cells["n"] != "12"].reset_index(drop=True)
    pd.testing.assert_frame_equal(old, unbroken.cells)


def test_a_cell_that_failed_is_trained_again(conduct, encoder, tmp_path, monkeypatch):
    def broken(self):
        raise ValueError("the disk was unplugged")

    with monkeypatch.context() as patch:
        patch.setattr(training.OneRun, "train", broken)
        found = conduct(tmp_path / "study")
    assert list(found.failed.values()) == ["ValueError: the disk was unplugged"]
    assert not conduct(tmp_path / "study", resume=True).failed


def test_memory_that_ran_out_is_said_as_such(conduct, tmp_path, monkeypatch):
    def greedy(self):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory: you tried to")

    monkeypatch.setattr(training.OneRun, "train", greedy)
    (sentence,) = conduct(tmp_path / "study").failed.values()
    assert sentence.startswith("memory ran out")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 2}, r"epochs \(1 -> 2\)"),
        ({"size": 64, "dropout": 0.1}, r"size \(32 -> 64\), dropout \(0.5 -> 0.1\)"),
        ({"lr_grid": [0.1]}, r"lr_grid \(0.001 -> 0.1\)"),
        ({"lr": 0.1}, r"lr \(0.001 -> 0.1\)"),
        ({"decay": 0.5}, r"decay \(1 -> 0.5\)"),
        ({"seed": 3}, r"seed \(0 -> 3\)"),
        ({"init": ["WT"]}, "2 cells of it would be left out"),
        ({"folds": 2}, r"folds \(0 -> 2\)"),
    ],
)
def test_another_recipe_is_refused_with_the_difference(conduct, unbroken, change, words):
    before = (unbroken.folder / "study.yaml").read_bytes()
    with pytest.raises(RecipeError, match=words):
        conduct(unbroken.folder, resume=True, **change)
    assert (unbroken.folder / "study.yaml").read_bytes() == before


def test_the_same_recipe_again_is_no_change(conduct, unbroken, heard):
    conduct(unbroken.folder, resume=True, epochs=1, size=32, lr_grid=[1e-3], heard=heard, **GRID)
    assert "0 of them not finished" in heard.lines[0]


def test_other_data_is_refused(conduct, unbroken, blobs):
    with pytest.raises(RunError, match=r"study of pairs \(32 images.*and blobs \(36 images.*is other data"):
        conduct(unbroken.folder, data=blobs, resume=True)


def test_data_that_moved_is_the_same_data(conduct, unbroken, pairs, tmp_path, heard):
    shutil.copytree(pairs, tmp_path / "elsewhere" / "pairs")
    conduct(unbroken.folder, data=tmp_path / "elsewhere" / "pairs", resume=True, heard=heard)
    assert "0 of them not finished" in heard.lines[0]


def test_a_folder_that_holds_a_study_is_not_written_over(conduct, unbroken):
    with pytest.raises(RunError, match="exists already"):
        conduct(unbroken.folder)


def test_two_cannot_work_on_a_study_at_once(conduct, unbroken):
    with claimed(unbroken.folder), pytest.raises(DataError, match="another medgraft is at work on this study"):
        conduct(unbroken.folder, resume=True)


def test_a_recipe_that_names_another_axis_is_refused(conduct, unbroken):
    with pytest.raises(RecipeError, match=r"strategy \(full -> frozen\)"):
        conduct(unbroken.folder, resume=True, recipe=Recipe.make(strategy="frozen"))
    with pytest.raises(RecipeError, match=r"init \(WT ST -> RI\)"):
        conduct(unbroken.folder, resume=True, recipe=Recipe.make(init="RI"))


def test_another_split_is_refused_and_the_same_is_no_change(conduct, unbroken, heard, tmp_path):
    split = pd.read_csv(unbroken.split_file())
    split.to_csv(tmp_path / "same.csv", index=False)
    conduct(unbroken.folder, resume=True, split_file=tmp_path / "same.csv", heard=heard)
    assert "0 of them not finished" in heard.lines[0]
    swapped = split.assign(split=split["split"].replace({"val": "test", "test": "val"}))
    swapped.to_csv(tmp_path / "other.csv", index=False)
    many = int((split["split"] != "train").sum())
    with pytest.raises(RecipeError, match=rf"other.csv has another split for {many} images"):
        conduct(unbroken.folder, resume=True, split_file=tmp_path / "other.csv")


def test_the_score_that_a_study_is_told_by_is_remembered(conduct, copy):
    assert copy.plan.metric is None and table_of(copy).startswith("test AUC")
    conduct(copy.folder, resume=True, metric="kappa")
    again = conduct(copy.folder, resume=True)
    assert again.plan.metric == "kappa" and table_of(again).startswith("test Weighted kappa")
    assert "weighted kappa" in again.report().read_text(encoding="utf-8")
    assert "weighted kappa" not in again.report("auc").read_text(encoding="utf-8").split("Recipe of all cells")[0]


def test_a_folder_of_before_scores_were_remembered_opens(copy):
    file = copy.folder / "study.yaml"
    plain = yaml.safe_load(file.read_text())
    del plain["metric"]
    file.write_text(yaml.safe_dump(plain))
    assert Study(copy.folder).plan.metric is None
