"""``medgraft study`` from outside: the table, exit codes, messages; and the table's numbers by hand."""

import json
import math
from pathlib import Path

import pytest
from pandas import read_csv

from medgraft.cli.main import main
from medgraft.recipe import Recipe
from medgraft.studies import Cell, Grid
from medgraft.studies.folder import Plan, Study
from medgraft.studies.row import Row
from medgraft.studies.summary import plain_summary, scores_of, table_of
from medgraft.studies.terms import Terms

QUICK = ["--seeds", "1", "--lr", "0.001", "--size", "32", "--epochs", "1", "--bootstrap", "100", "--engine", "torch",
         "--precision", "fp32", "--memory-format", "contiguous"]  # fmt: skip


def _study(*words):
    return main(["study", *map(str, words)])


def test_a_failing_encoder_is_named_and_the_exit_code_is_0(pairs, encoder, tmp_path, capsys):
    out = tmp_path / "study"
    assert _study(pairs, "--encoder", encoder, "cbr_small", "--init", "wt", *QUICK, "--out", out) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split() == ["test", "AUC", "all"]
    assert "failed: 1 cell (cbr_small-WT-full-nall-s0): no pretrained weights for cbr_small" in said.out
    assert said.out.rstrip().endswith(str(out / "cells.csv"))
    assert "2 cells (2 encoders x 1 initialisation x 1 strategy x 1 number of images x 1 seed)" in said.err

    assert _study(pairs, "--out", out, "--resume", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metric"] == "test_auc" and [score["cells"] for score in found["scores"]] == [1, 0]
    assert found["failed"][0]["id"] == "cbr_small-WT-full-nall-s0"


def test_the_exit_code_is_1_where_every_cell_failed(pairs, encoder, tmp_path, capsys):
    assert _study(pairs, "--encoder", encoder, "--init", "WT", "--n", "900", *QUICK, "--out", tmp_path / "s") == 1
    assert "failed: 1 cell" in capsys.readouterr().out


def test_a_study_goes_on_without_being_told_again_how_to_read_the_data(pairs, encoder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    images = sorted(pairs.rglob("*.png"))
    rows = [f"{image},{image.parent.name},p{number // 2}" for number, image in enumerate(images)]
    Path("scans").mkdir()
    Path("scans/table.csv").write_text("\n".join(["file,label,who", *rows]) + "\n")
    begin = ["scans/table.csv", "--group", "who", "--encoder", encoder, "--init", "WT", "--n", "10"]
    assert _study(*begin, *QUICK) == 0
    assert _study("scans/table.csv", "--resume", "--n", "10", "all") == 0
    assert _study("scans/table.csv", "--resume", "--group", "label") == 2
    assert "group (who -> label)" in capsys.readouterr().err
    found = Study("studies/scans")
    assert found.cells["n"].tolist() == ["10", "all"] and set(found.cells["status"]) == {"finished"}
    split = read_csv(found.split_file())
    assert (split.groupby("group")["split"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--init", "XY"], "no initialisation 'XY'"),
        (["--n", "many"], "a number of training images, or all"),
        (["--lr", "0.1", "--lr-grid", "0.1", "0.2"], "give one of them"),
        (["--strategy", "scratch"], "--init RI"),
        (["--strategy", "ful"], "strategy"),
        (["--resume", "--out", "nowhere"], "not a study's folder"),
        (["--train-images", "5"], "no option --train-images"),
    ],
)
def test_what_cannot_be_is_one_sentence(pairs, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert _study(pairs, *words) == 2
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said
    assert not list(tmp_path.iterdir())


@pytest.fixture
def written(tmp_path):
    """A study of three seeds whose scores are made up."""
    grid = Grid(("a",), ("RI", "WT"), ("full",), (50, None), (0, 1, 2))
    plan = Plan({"name": "data"}, grid, Terms((0.1,)), Recipe.make(task="classification"))
    study = Study.create(tmp_path / "study", plan)
    found = {("RI", 50): [0.6, 0.7, 0.8], ("WT", 50): [0.9, 0.8, 1.0], ("RI", None): [0.7], ("WT", None): []}

    def row(cell: Cell):
        values = found[cell.init, cell.n]
        if cell.seed < len(values):
            return Row(cell, "data", "finished", metrics={"test": {"auc": values[cell.seed]}})
        return Row(cell, "data", "failed" if cell.seed == 1 else "waiting", error="it broke" if cell.seed == 1 else "")

    study.write_cells(map(row, grid.cells()))
    return study


def test_the_table_has_mean_and_standard_deviation_over_seeds(written):
    by_key = {(score.init, score.n): score for score in scores_of(written)}
    low = by_key["RI", "50"]
    # (0.6 + 0.7 + 0.8) / 3, and the root of (0.01 + 0 + 0.01) / 2
    assert low.mean == pytest.approx(0.7) and low.sd == pytest.approx(0.1) and (low.cells, low.of) == (3, 3)
    one = by_key["RI", "all"]
    assert one.mean == pytest.approx(0.7) and math.isnan(one.sd) and (one.cells, one.of) == (1, 3)
    lines = [line.split("   ") for line in table_of(written).splitlines()]
    assert [[part.strip() for part in line if part.strip()] for line in lines] == [
        ["test AUC", "n = 50", "all"],
        ["RI", "0.700 ± 0.100", "0.700 (1 of 3)"],
        ["WT", "0.900 ± 0.100", "-"],
    ]


def test_the_summary_for_programs_has_no_nan(written):
    plain = json.loads(json.dumps(plain_summary(written), allow_nan=False))
    assert plain["scores"][3] | {"n": ""} == {
        "encoder": "a", "strategy": "full", "init": "WT", "n": "", "mean": None, "sd": None, "cells": 0, "of": 3,
    }  # fmt: skip
    assert {failed["error"] for failed in plain["failed"]} == {"it broke"}
