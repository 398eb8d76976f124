import json
import shutil
import statistics

import pandas as pd
import pytest
from fake_label_run import CHEST, matrices, penalties_history
from page_reader import read
from sklearn.metrics import roc_auc_score

from medgraft.report import run_report

FOLDS = 4


@pytest.fixture(scope="module")
def folder(make_folds, tmp_path_factory):
    folder = make_folds(tmp_path_factory.mktemp("folds") / "run", folds=FOLDS)
    (folder / "fold-2" / "report.html").write_text("a report")
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return read(run_report(folder))


def test_scores_of_each_fold_pooled_and_their_spread(folder, page):
    table = pd.read_csv(folder / "predictions.csv")
    areas = []
    for number in range(1, FOLDS + 1):
        truth, _, probability = matrices(table[table["fold"] == number], CHEST)
        areas.append(roc_auc_score(truth[:, 1], probability[:, 1]))
        assert f"{areas[-1]:.3f}" in page.text
    truth, _, probability = matrices(table, CHEST)
    pooled = roc_auc_score(truth[:, 1], probability[:, 1])
    spread = f"{statistics.fmean(areas):.3f} ± {statistics.stdev(areas):.3f}"
    assert spread in page.text and f"AUC {pooled:.3f}, 95% interval" in page.text
    mean, deviation = statistics.fmean(areas), statistics.stdev(areas)
    assert f"AUC {mean:.3f} in the mean, with a standard deviation of {deviation:.3f}" in page.text
    row = page.text.split("perfect.")[1]
    assert row.index(f"{pooled:.3f}") < row.index(spread) < row.index(f"{areas[0]:.3f}")


def test_the_verdict_is_of_all_images(page):
    assert "Cross-validation of run" in page.text
    assert "On 80 images of 40 patients, each tested by a model that did not learn from it" in page.text
    assert "played no part in training" not in page.text


def test_curves_of_the_folds_lie_below_the_pooled_one(page):
    said = page.charts
    assert sum(f"Thin lines: {FOLDS} folds" in words for words in said) == 2
    assert "AUC on validation images by epoch, 4 folds" in " ".join(said)
    assert "Thin lines are the folds, the bold one pools them." in page.text


def test_reports_of_folds_are_linked_where_they_are(page):
    assert [link["href"] for link in page.all("a")] == ["fold-2/report.html"]


def test_folds_that_were_solved_or_are_gone(make_folds, tmp_path):
    folder = make_folds(tmp_path / "run", folds=2, count=40)
    shutil.rmtree(folder / "fold-2")
    lines = "".join(json.dumps(line) + "\n" for line in penalties_history())
    (folder / "fold-1" / "history.jsonl").write_text(lines)
    said = " ".join(read(run_report(folder)).charts)
    assert "AUC on validation images by penalty, 1 fold:" in said and "by epoch" not in said


def test_a_class_balance_without_train(page):
    assert "Class balance" in page.text and "All" in page.text
