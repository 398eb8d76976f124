import json
import shutil

import pandas as pd
import pytest
from page_reader import read

from medgraft.errors import RunError
from medgraft.report import compare_report


def difference(name, against, value, low, high, metric="dice"):
    return {"name": name, "against": against, "metric": metric, "value": value, "low": low, "high": high,
            "n": 9, "better": 7, "equal": 0, "worse": 2}  # fmt: skip


def summary(folder, name):
    return {"name": name, "folder": str(folder), "minutes": 8.84, "learned": 31_037_633,
            "parameters": 31_037_633,
            "strategy": "scratch", "model": "unet", "encoder": None,
            "scores": json.loads((folder / "scores.json").read_text())["test"]}  # fmt: skip


def compared(folders, names, **more):
    return {"names": names, "n": 9, "runs": [summary(f, n) for f, n in zip(folders, names, strict=True)],
            "differences": [difference(n, names[0], 0.177, 0.141, 0.214) for n in names[1:]],
            "attribution": None, "synthetic": False} | more  # fmt: skip


def test_distances_are_marked_as_better_where_they_are_lower_and_classes_are_folded_away(runs, tmp_path):
    rows = [
        difference("b", "a", 23.184, 17.37, 29.36, "hd95_px"),
        difference("b", "a", 0.02, 0.01, 0.03, "jaccard"),
        difference("b", "a", -0.02, -0.03, -0.01, "dice_nucleus"),
    ]
    page = read(compare_report(runs, compared(runs, ["a", "b"], differences=rows), tmp_path / "out"))
    assert "HD95 (pixels) lower is better" in page.text and "+23.18 (+17.37 to +29.36)" in page.text
    assert page.text.count("lower is better") == 1
    assert page.text.index("Each class") < page.text.index("Dice · nucleus")


@pytest.fixture
def runs(make_run, tmp_path):
    return [
        make_run(tmp_path / "scratch", count=9, error=90),
        make_run(tmp_path / "frozen", count=9, error=12),
    ]


def test_scores_differences_and_wins_are_said(runs, tmp_path):
    page = read(compare_report(runs, compared(runs, ["scratch U-Net", "frozen Lite0"]), tmp_path / "out"))
    assert "frozen Lite0 against scratch U-Net" in page.text
    assert "outlines better than scratch U-Net: Dice +0.177 (+0.141 to +0.214)" in page.text
    assert "better on 7 of 9 images, worse on 2" in page.text and "31.0 M" in page.text and "8.8" in page.text
    for folder in runs:
        dice = summary(folder, "")["scores"]["dice"]
        assert f"{dice['value']:.3f} ({dice['low']:.3f} to {dice['high']:.3f})" in page.text
    assert "What gave what" not in page.text and "SYNTHETIC" not in page.source


def test_pictures_are_of_the_largest_gain_the_median_and_the_largest_loss(runs, tmp_path):
    page = read(compare_report(runs, compared(runs, ["a", "b"]), tmp_path / "out"))
    tables = [pd.read_csv(folder / "predictions.csv", index_col="id")["dice"] for folder in runs]
    gain = (tables[1] - tables[0]).sort_values()
    assert f"Largest gain: Dice {gain.iloc[-1]:+.3f}, image {gain.index[-1]}" in page.text
    assert f"{gain.iloc[0]:+.3f}, image {gain.index[0]}".replace("-0.", "−0.") in page.text
    assert len(page.all("img")) == 3 * 4
    names = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert names == {"comparison-gain.png", "comparison-median.png", "comparison-loss.png",
                     "comparison-paired-1.png", "comparison-gains.png"}  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "words"),
    [((0.1, -0.1, 0.3), "shows no clear difference from"), ((-0.2, -0.3, -0.1), "outlines worse than")],
)
def test_no_more_is_claimed_than_the_interval_shows(runs, tmp_path, interval, words):
    comparison = compared(runs, ["a", "b"], differences=[difference("b", "a", *interval)])
    assert f"b {words} a" in read(compare_report(runs, comparison, tmp_path / "out")).text


def test_three_runs_with_attribution_and_synthetic_data(make_run, runs, tmp_path):
    folders = [*runs, make_run(tmp_path / "third", count=9, synthetic=True)]
    rows = [{"label": "architecture", "from": "a", "to": "b", 
             "dice": {"value": -0.012, "low": -0.05, "high": 0.02}, "seconds_per_epoch_ratio": 3.14},
            {"label": "pretraining", "from": "b", "to": "c", "dice": {"value": 0.1, "low": 0.05, "high": 0.2},
             "seconds_per_epoch_ratio": 0.5}]  # fmt: skip
    comparison = compared(folders, ["a", "b", "c"], attribution=rows)
    target = tmp_path / "page.html"
    assert compare_report(folders, comparison, target) == target
    page = read(target)
    assert "−0.012 (−0.050 to +0.020)" in page.text
    assert "3.1× faster" in page.text and "2.0× slower" in page.text
    assert "SYNTHETIC" in page.text and "3 runs compared" in page.text
    assert len(page.all("img")) == 3 * 5


def test_hostile_run_names(runs, tmp_path):
    names = ["<script>alert(1)</script>", '"><img src=x> $\\frac$']
    page = read(compare_report(runs, compared(runs, names), tmp_path / "out"))
    assert "<script" not in page.source and names[0] in page.text and names[1] in page.text


def test_data_gone_and_images_not_in_common(runs, tmp_path):
    shutil.rmtree(tmp_path / "data")
    page = read(compare_report(runs, compared(runs, ["a", "b"]), tmp_path / "out"))
    assert page.text.count("not there any more") == 3
    path = runs[1] / "predictions.csv"
    table = pd.read_csv(path)
    table["id"] = "other_" + table["id"]
    table.to_csv(path, index=False)
    page = read(compare_report(runs, compared(runs, ["a", "b"]), tmp_path / "out"))
    assert "Side by side" not in page.text and "Every image" not in page.text


def test_one_run_cannot_be_compared(runs, tmp_path):
    with pytest.raises(RunError, match="two runs or more"):
        compare_report(runs[:1], compared(runs[:1], ["a"]), tmp_path / "out")
