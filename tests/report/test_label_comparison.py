import json

import numpy as np
import pandas as pd
import pytest
from fake_label_run import CELLS, CHEST, SIGNS, draw_images, matrices
from page_reader import read
from sklearn.metrics import roc_auc_score

from medgraft.errors import RunError
from medgraft.evaluation import compare
from medgraft.report import compare_report
from medgraft.report.folder import read_run_folder
from medgraft.scores import read_predictions


def difference(name, against, metric, value, low, high):
    return {"name": name, "against": against, "metric": metric, "value": value, "low": low, "high": high,
            "n": 40, "better": 22, "equal": 3, "worse": 15}  # fmt: skip


def compared(folders, differences, **more):
    """What the pipeline hands over, from the folders' own scores."""
    costs = {"frozen": (0.1, 1_281), "full": (6.2, 3_400_000)}
    runs = [
        {"name": folder.name, "strategy": folder.name, "model": "classifier", "encoder": "lite0",
         "minutes": costs.get(folder.name, (1.0, 900_000))[0], "learned": costs.get(folder.name, (1.0, 900_000))[1],
         "parameters": 3_400_000, "scores": json.loads((folder / "scores.json").read_text())["test"]}
        for folder in folders
    ]  # fmt: skip
    return {"task": "classification", "names": [folder.name for folder in folders], "n": 40, "runs": runs,
            "differences": differences, "notes": [], "synthetic": False} | more  # fmt: skip


@pytest.fixture(scope="module")
def runs(make_label_run, tmp_path_factory):
    """Three runs on the same images, the first the poorest."""
    root = tmp_path_factory.mktemp("runs")
    skills = {"frozen": (0.8, 1), "partial": (1.0, 2), "full": (2.5, 3)}
    return [
        make_label_run(root / name, count=40, val=0, skill=skill, seed=seed, images=root / "images")
        for name, (skill, seed) in skills.items()
    ]


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    rows = [
        difference("partial", "frozen", "auc", 0.02, -0.03, 0.07),
        difference("full", "frozen", "auc", 0.2, 0.1, 0.3),
        difference("full", "frozen", "brier", -0.05, -0.08, -0.02),
    ]
    delong = [{"name": "full", "against": "frozen", "metric": "auc", "difference": 0.2, "se": 0.0512, "p": 0.00009}]
    out = tmp_path_factory.mktemp("page")
    return read(compare_report(runs, compared(runs, rows, delong=delong, notes=["A note."]), out))


def areas(folders):
    found = []
    for folder in folders:
        truth, _, probability = matrices(pd.read_csv(folder / "predictions.csv"), CHEST)
        found.append(roc_auc_score(truth[:, 1], probability[:, 1]))
    return found


def test_which_one_to_take_and_whether_it_is_more_than_noise(runs, page):
    best = areas(runs)[2]
    assert page.text.index(f"Take full: its AUC, {best:.3f}") < page.text.index("take this one")
    assert "Lead of full over frozen in AUC: +0.200 (+0.100 to +0.300), more than noise." in page.text
    assert page.text.count("take this one") == 1 and "full take this one" in page.text
    assert "A note." in page.text


def test_a_difference_that_was_not_handed_over_is_computed(runs, page):
    tables = {folder.name: read_predictions(folder / "predictions.csv") for folder in (runs[1], runs[2])}
    found = compare(tables).differences["full"]["auc"].interval
    assert f"Lead of full over partial in AUC: {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})" in (
        page.text.replace("−", "-")
    )


def test_a_difference_is_turned_round_where_the_first_run_is_the_best(runs, tmp_path):
    folders = [runs[2], runs[0]]
    rows = [difference("frozen", "full", "auc", -0.05, -0.12, 0.01)]
    text = read(compare_report(folders, compared(folders, rows), tmp_path)).text
    assert "Take frozen: as far as these 40 images can tell it is as good as full, and it is cheaper." in text
    assert "the lead of +0.050 (−0.010 to +0.120) may be noise" in text
    assert "It learned 1,281 parameters instead of 3.4 M and trained in 0.1 minutes instead of 6.2 minutes." in text


def test_tables_of_runs_differences_and_delong(runs, page):
    for folder, area in zip(runs, areas(runs), strict=True):
        auc = json.loads((folder / "scores.json").read_text())["test"]["auc"]
        assert f"{area:.3f} ({auc['low']:.3f} to {auc['high']:.3f})" in page.text
    assert "full frozen AUC +0.200 (+0.100 to +0.300) 22 3 15 40" in page.text
    assert "full frozen AUC +0.200 0.051 < 0.001" in page.text
    brief, _, more = page.text.partition("Differences on the same images")[2].partition("All measures")
    assert "Brier" not in brief.partition("Run Against")[2] and "Brier score lower is better −0.050" in more


def test_curves_of_all_runs_lie_in_one_chart(runs, page):
    said = page.charts
    wanted = "; ".join(f"{f.name} {a:.3f}" for f, a in zip(runs, areas(runs), strict=True))
    assert said[0] == f"ROC curves, of pneumonia. Areas: {wanted}."
    assert all(f"var(--series-{number})" in page.source for number in (1, 2, 3))
    truths = []
    for folder in runs:
        truth, _, probability = matrices(pd.read_csv(folder / "predictions.csv"), CHEST)
        truths.append(probability[truth])
    better, worse = (truths[2] > truths[0]).sum(), (truths[2] < truths[0]).sum()
    counts = f"full is better on {better}, worse on {worse}"
    assert f"Scatter of the probability of the truth of 40 images: {counts}" in said[2]


def test_images_on_which_runs_disagree_most(runs, page):
    tables = [pd.read_csv(folder / "predictions.csv") for folder in runs]
    given = np.stack([table[[f"p_{n}" for n in CHEST]].to_numpy()[matrices(table, CHEST)[0]] for table in tables])
    worst = int(np.argmax(given.max(axis=0) - given.min(axis=0)))
    row = [f"{folder.name}: {table['predicted'][worst]}, {given[k, worst]:.2f}"
           for k, (folder, table) in enumerate(zip(runs, tables, strict=True))]  # fmt: skip
    wanted = f"true: {tables[0]['target'][worst]} {' '.join(row)} {tables[0]['id'][worst]}"
    assert wanted in page.text.partition("Where they disagree most")[2][: len(wanted) + 400]
    assert len(page.all("img")) == 8
    assert (page.all("img")[0]["alt"] or "").startswith(f"Image {tables[0]['id'][worst]}; true:")


def test_several_classes_are_decided_by_balanced_accuracy(make_label_run, tmp_path):
    folders = [
        make_label_run(tmp_path / name, CELLS, count=60, val=0, skill=skill, seed=seed)
        for seed, (name, skill) in enumerate((("frozen", 0.5), ("full", 2.0)))
    ]
    rows = [difference("full", "frozen", "balanced_accuracy", 0.3, 0.2, 0.4)]
    text = read(compare_report(folders, compared(folders, rows), tmp_path / "page.html")).text
    assert "Take full: its balanced accuracy," in text and "averaged over classes" in text
    assert "full against frozen" in text
    # The measure that decides stands first in the table of runs.
    assert text.index("Balanced accuracy AUC Average precision Minutes") > 0


def test_several_labels_an_image(make_label_run, tmp_path):
    folders = [make_label_run(tmp_path / name, SIGNS, count=30, val=0, multilabel=True, seed=seed)
               for seed, name in enumerate(("frozen", "full"))]  # fmt: skip
    rows = [difference("full", "frozen", "auc", 0.01, -0.1, 0.1)]
    text = read(compare_report(folders, compared(folders, rows), tmp_path)).text
    assert "Take " in text and "Where they disagree most" in text


def test_cross_validations_are_compared_too(make_folds, tmp_path):
    folders = [make_folds(tmp_path / name, count=40, folds=2, seed=len(name)) for name in ("frozen", "full")]
    rows = [difference("full", "frozen", "auc", 0.01, -0.1, 0.1)]
    assert "Curves pool all folds" in read(compare_report(folders, compared(folders, rows), tmp_path)).text


def test_images_not_in_common_or_with_other_labels_are_left_out(make_label_run, tmp_path):
    folders = [make_label_run(tmp_path / name, count=12, val=0, seed=seed, images=tmp_path / "images")
               for seed, name in enumerate(("frozen", "full"))]  # fmt: skip
    table = pd.read_csv(folders[1] / "predictions.csv")
    table.loc[0, "id"] = "another"
    table.loc[1, "target"] = "pneumonia" if table.loc[1, "target"] == "no_finding" else "no_finding"
    table.to_csv(folders[1] / "predictions.csv", index=False)
    rows = [difference("full", "frozen", "auc", 0.01, -0.1, 0.1)]
    page = read(compare_report(folders, compared(folders, rows), tmp_path))
    assert "probability of the truth of 10 images" in page.source


def test_hostile_run_names_and_images_that_are_gone(make_label_run, tmp_path):
    draw_images(tmp_path / "images", 12)
    folders = [make_label_run(tmp_path / f"{k}", count=12, val=0, seed=k, images=tmp_path / "images") for k in (0, 1)]
    for file in (tmp_path / "images").iterdir():
        file.unlink()
    names = ["<script>alert(1)</script>", '_"><img src=x> $\\frac$']
    comparison = compared(folders, [difference(names[1], names[0], "auc", 0.01, -0.1, 0.1)], names=names)
    for run, name in zip(comparison["runs"], names, strict=True):
        run["name"] = name
    page = read(compare_report(folders, comparison, tmp_path))
    assert "<script" not in page.source and names[0] in page.text and names[1] in page.text
    assert not page.all("img") and page.text.count("not there any more") == 8


def test_runs_that_cannot_be_compared_are_named(make_label_run, make_run, runs, tmp_path):
    other = make_label_run(tmp_path / "other", CELLS, count=6, val=0)
    with pytest.raises(RunError, match="frozen and other have other classes"):
        compare_report([runs[0], other], compared([runs[0], other], []), tmp_path)
    masks = make_run(tmp_path / "masks", count=2)
    with pytest.raises(RunError, match=r"different tasks cannot be compared \(classification and segmentation\)"):
        compare_report([runs[0], masks], compared([runs[0], masks], []), tmp_path)
    assert read_run_folder(masks).task == "segmentation"
