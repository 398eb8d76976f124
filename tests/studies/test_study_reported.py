"""The report at the end of a study that was trained, and its score by name."""

import pandas as pd
import pytest

from medgraft.cli.main import main

QUICK = ["--seeds", "2", "--lr", "0.001", "--size", "32", "--epochs", "1", "--bootstrap", "100", "--engine", "torch",
         "--precision", "fp32", "--memory-format", "contiguous"]  # fmt: skip


def test_a_study_ends_with_its_report_by_the_score_that_was_asked_for(pairs, encoder, tmp_path, capsys):
    out = tmp_path / "study"
    words = ["study", str(pairs), "--encoder", encoder, "--init", "RI", "WT", "--metric", "brier", "--out", str(out)]
    assert main([*words, *QUICK]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("test Brier score") and str(out / "report.html") in said
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Does transfer help on" in page and "4 of 4" in page
    cells = pd.read_csv(out / "cells.csv").set_index(["init", "seed"])["test_brier"]
    (row,) = pd.read_csv(out / "report" / "comparisons.csv").to_dict("records")
    # The lower the better: the gain of WT is by how much less it has.
    assert (row["first"], row["second"], row["seeds"]) == ("WT", "RI", 2)
    assert row["gain"] == pytest.approx((cells["RI"] - cells["WT"]).mean())
    # The score is remembered, and another one is for that page alone.
    assert main(["report", str(out), "--metric", "auc"]) == 0
    assert "AUC on" in (out / "report.html").read_text(encoding="utf-8")
    assert main(["report", str(out)]) == 0
    assert "Brier score on" in (out / "report.html").read_text(encoding="utf-8")


def test_a_score_that_is_none_is_refused_before_any_work(pairs, tmp_path, capsys):
    assert main(["study", str(pairs), "--metric", "kapa", "--out", str(tmp_path / "study")]) == 2
    said = capsys.readouterr().err
    assert "no score 'kapa'" in said and "Did you mean kappa" in said and not (tmp_path / "study").exists()
