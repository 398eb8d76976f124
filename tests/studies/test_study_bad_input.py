"""What cannot be, from outside: the sentence, the exit code, and nothing half-written."""

import pandas as pd
import pytest

from medgraft.cli.main import main


@pytest.fixture(scope="module")
def begun(conduct, tmp_path_factory):
    return conduct(tmp_path_factory.mktemp("begun") / "study")


def _kept(study):
    return {path: path.read_bytes() for path in study.folder.rglob("*") if path.is_file() and path.name != "lock"}


def test_other_data_is_refused_and_the_folder_left_alone(begun, blobs, capsys):
    before = _kept(begun)
    assert main(["study", str(blobs), "--out", str(begun.folder), "--resume"]) == 2
    said = capsys.readouterr().err
    assert "is a study of pairs (32 images" in said and "blobs (36 images" in said and "is other data" in said
    assert "Traceback" not in said and _kept(begun) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--epochs", "2", "--size", "64"], "epochs (1 -> 2)"),
        (["--epochs", "2", "--size", "64"], "size (32 -> 64)"),
        (["--lr", "0.5"], "lr (0.001 -> 0.5)"),
        (["--init", "RI"], "1 cell of it would be left out"),
        (["--metric", "dice"], "runs on pairs have no score 'dice'"),
    ],
)
def test_another_recipe_is_refused_with_the_difference(begun, pairs, capsys, words, message):
    before = _kept(begun)
    assert main(["study", str(pairs), "--out", str(begun.folder), "--resume", *words]) == 2
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said and _kept(begun) == before


@pytest.mark.parametrize("metric", ["dice", "recall_square", "ppv", "auc_disc"])
def test_a_score_that_these_runs_do_not_have_is_refused_before_any_work(pairs, tmp_path, capsys, metric):
    assert main(["study", str(pairs), "--metric", metric, "--out", str(tmp_path / "study")]) == 2
    assert f"runs on pairs have no score '{metric}'; there are auc" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_numbers_of_images_that_cannot_be_fail_by_themselves(blobs, encoder, tmp_path, capsys):
    """Three classes: two images are too few for them, and nine hundred are more than there are."""
    out = tmp_path / "study"
    quick = ["--seeds", "1", "--lr", "0.001", "--size", "32", "--epochs", "1", "--bootstrap", "100", "--init", "WT"]
    fixed = ["--engine", "torch", "--precision", "fp32", "--memory-format", "contiguous", "--encoder", encoder]
    assert main(["study", str(blobs), "--n", "2", "900", "all", "--out", str(out), *quick, *fixed]) == 0
    said = capsys.readouterr()
    assert "Traceback" not in said.err and said.out.count("failed: 1 cell") == 2
    cells = pd.read_csv(out / "cells.csv", dtype={"n": str}).set_index("n")
    assert cells["status"].to_dict() == {"2": "failed", "900": "failed", "all": "finished"}
    assert "the smallest number with seed 0 is 3" in cells.loc["2", "error"] and "900" in cells.loc["900", "error"]
    for n in ("2", "900"):
        assert [path.name for path in (out / "cells" / cells.loc[n, "id"]).iterdir()] == ["error.txt"]
    assert "no mean" in (out / "report.html").read_text(encoding="utf-8")
