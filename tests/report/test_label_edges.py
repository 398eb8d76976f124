import json
import re

import cv2
import numpy as np
import pytest
from fake_label_run import CELLS, matrices, rewrite, table_of
from page_reader import read
from sklearn.metrics import roc_auc_score

from medgraft.errors import RunError
from medgraft.report import run_report
from medgraft.report.folder import read_run_folder
from medgraft.report.label_table import label_table
from medgraft.report.label_tables import class_rows


def test_more_classes_than_charts(make_label_run, tmp_path, monkeypatch):
    monkeypatch.setattr("medgraft.report.label_charts.MOST", 2)
    names = [f"kind {k}" for k in range(5)]
    folder = make_label_run(tmp_path / "run", names, count=90, val=0, skill=1.2)
    page = read(run_report(folder))
    truth, _, probability = matrices(table_of(folder), names)
    areas = [roc_auc_score(truth[:, k], probability[:, k]) for k in range(5)]
    worst = sorted(np.argsort(areas)[:2])
    assert "Of 5 classes the 2 with the lowest AUC are drawn." in page.text
    drawn = [re.match(r"ROC curve, (kind \d)", alt)[1] for alt in page.charts if alt.startswith("ROC")]
    assert drawn == [names[k] for k in worst]


def test_a_class_that_the_split_lacks_is_said(make_label_run, tmp_path):
    names = ("lymphocyte", "monocyte", "neutrophil")
    folder = make_label_run(tmp_path / "run", names, count=60, val=0, shares=[0.9, 0.1, 0.0])
    page = read(run_report(folder))
    assert "No test image has neutrophil: nothing is known of how well that is found." in page.text
    few = int((table_of(folder)["target"] == "monocyte").sum())
    moves = f"one image moves its recall by {100 / few:.0f} points"
    assert 0 < few < 10 and f"Few test images have monocyte ({few}): {moves}" in page.text
    assert "undefined" not in page.text.split("Class by class")[0].split("Scores")[0], "the headline is not"
    assert not any(alt.startswith("ROC curve, neutrophil") for alt in page.charts)


def test_one_class_alone_has_no_verdict(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "run", count=12, val=0, shares=[1.0, 0.0])
    page = read(run_report(folder))
    assert "the scores are undefined: images of every class are needed" in page.text
    assert not any("ROC" in alt for alt in page.charts)


def test_guessing_is_called_guessing(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "run", skill=0, count=40, val=0)

    def guesses(scores):
        scores["test"]["auc"] |= {"value": 0.52, "low": 0.4, "high": 0.64}

    rewrite(folder, "scores.json", guesses)
    page = read(run_report(folder))
    assert "The interval holds 0.5, as guessing scores" in page.text
    assert "Only 40 images were scored" in page.text


def test_validation_alone_is_said_to_be_too_good(make_label_run, tmp_path):
    page = read(run_report(make_label_run(tmp_path / "run", count=0, val=40)))
    assert "There is no test split" in page.text and "that also chose when to stop" in page.text


def test_a_run_without_scores(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "run", count=4, val=0)
    (folder / "scores.json").write_text("{}")
    page = read(run_report(folder))
    assert "has not been scored" in page.text and "no scored images yet" in page.text and not page.all("img")


def test_images_that_are_gone_are_named(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "run", count=6, val=0)
    files = sorted((tmp_path / "images").iterdir())
    files[0].unlink()
    files[1].write_bytes(b"no image")
    page = read(run_report(folder))
    assert f"The image {files[0].name} is not there any more." in page.text
    assert f"{files[1].name} cannot be shown" in page.text
    assert len(page.all("img")) == 4


HOSTILE = ("<script>alert(1)</script>", "a|b, \"c\" & 'd'", "_$\\frac{x}$ ü 細胞")


def test_hostile_class_names_are_shown_and_not_obeyed(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "run", CELLS[:3], count=50, val=0)
    new = dict(zip(CELLS[:3], HOSTILE, strict=True))
    table = table_of(folder).rename(columns={f"p_{old}": f"p_{name}" for old, name in new.items()})
    table["target"], table["predicted"] = table["target"].map(new), table["predicted"].map(new)
    table.to_csv(folder / "predictions.csv", index=False)
    for file in ("scores.json", "environment.json", "model.json"):
        text = (folder / file).read_text()
        for old, name in new.items():
            text = text.replace(old, json.dumps(name)[1:-1])
        (folder / file).write_text(text)
    page = read(run_report(folder))
    assert "<script" not in page.source
    for name in HOSTILE:
        assert page.text.count(name) >= 5, name
    rows = class_rows(label_table(read_run_folder(folder), "test"), {})
    assert [row.name for row in rows] == list(HOSTILE) and sum(row.images for row in rows) == 50


def test_names_that_look_like_numbers_or_nothing_stay_names(make_label_run, tmp_path):
    names = ("01", "nan", "NA")
    folder = make_label_run(tmp_path / "run", names, count=40, val=0)
    counts = table_of(folder)["target"].value_counts()
    rows = class_rows(label_table(read_run_folder(folder), "test"), {})
    assert {row.name: row.images for row in rows} == {name: counts[name] for name in names}


def test_synthetic_is_said_on_the_page_and_on_every_picture(make_label_run, tmp_path):
    plain, marked = (make_label_run(tmp_path / name, count=9, val=0) for name in ("a", "b"))
    rewrite(marked, "environment.json", lambda found: found["data"].update(synthetic=True))
    run_report(plain)
    page = read(run_report(marked))
    assert "SYNTHETIC" in page.text[:200] and page.source.count("SYNTHETIC data") >= 4
    name = next((plain / "figures").glob("right-1.png")).name
    one, other = (cv2.imread(str(folder / "figures" / name)) for folder in (plain, marked))
    assert (one[:10, :60] != other[:10, :60]).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop(columns="p_pneumonia"), "predictions.csv: no column p_pneumonia"),
        (lambda table: table.drop(columns="image"), "predictions.csv has no column image"),
        (lambda table: table.assign(predicted="ill"), "predictions.csv: predicted 'ill'"),
        (lambda table: table.assign(p_pneumonia=np.nan), "predictions.csv: probabilities from 0 to 1"),
    ],
)
def test_predictions_that_do_not_fit_are_refused_by_name(make_label_run, tmp_path, change, words):
    folder = make_label_run(tmp_path / "run", count=4, val=0)
    change(table_of(folder)).to_csv(folder / "predictions.csv", index=False)
    with pytest.raises(RunError, match=re.escape(words)):
        run_report(folder)


def test_classes_that_are_missing_or_a_task_that_is_new(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "run", count=4, val=0)
    rewrite(folder, "model.json", lambda found: found.pop("classes"))
    with pytest.raises(RunError, match=r"model\.json names no classes"):
        run_report(folder)
    rewrite(folder, "model.json", lambda found: found.update(task="detection"))
    with pytest.raises(RunError, match="no task 'detection'"):
        run_report(folder)
