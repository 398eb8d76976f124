"""The report of a comparison of sources, from a folder as trainings leave it to the ranking and the page."""

import json

import pandas as pd
import pytest
from made_sources import SKILLS, make_sources
from page_reader import read

from medgraft.cli.main import main
from medgraft.cli.sources import text
from medgraft.studies.sources_report import source_findings


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_sources(
        tmp_path_factory.mktemp("made") / "study", parameters={"good": 9_000_000, "twin": 2_000_000}, data="retina"
    )


@pytest.fixture(scope="module")
def found(study):
    return source_findings(study)


@pytest.fixture(scope="module")
def page(study):
    return read(study.report())


def test_the_ranking_is_of_means_and_says_which_are_as_good(study, found):
    (part,) = found["parts"]
    means = study.cells.groupby("encoder")["test_auc"].mean().sort_values(ascending=False)
    assert [row["source"] for row in part["rows"]] == list(means.index)
    assert [row["value"] for row in part["rows"]] == pytest.approx(list(means))
    assert all(row["low"] < row["value"] < row["high"] <= 1 for row in part["rows"])
    best, *others = part["rows"]
    assert {best["source"], others[0]["source"]} == {"good", "twin"} and best["standing"] == "best"
    assert [row["standing"] for row in others] == ["level", "behind", "behind"]
    for row in others:
        assert row["behind"] == pytest.approx(row["value"] - best["value"])
        assert row["behind_low"] < row["behind"] < row["behind_high"] and row["p_corrected"] >= row["p"]
    # Every pair of the four sources is a comparison, as the best was not known before.
    assert found["comparisons"] == 6


def test_the_page_opens_with_which_to_take(page, found):
    best, second = found["parts"][0]["rows"][:2]
    opening = page.text[: page.text.index("The ranking")]
    assert f"Take {best['name']}: AUC {best['value']:.3f}" in opening
    assert f"{second['name']} (−0.0" in opening and "is as good within noise" in opening
    assert "are behind beyond noise" in opening and "Which pretrained weights for retina?" in opening
    if best["name"] == "good":
        assert "Where size counts take twin (2.0 M parameters against 9.0 M): by its interval it loses" in opening
    assert "9.0 M" in page.text and "ImageNet weights of poor" in page.text
    assert "for all 6 pairs" in page.text and "80 in 40 groups" in opening


def test_scores_before_training_stand_beside_with_tau_interval_and_luck(study, found, page):
    probe, knn = found["parts"][0]["foretold"]
    assert (probe["score"], knn["score"]) == ("probe", "knn")  # LogME is undefined here
    assert list(probe["values"].values()) == pytest.approx(sorted(SKILLS.values(), reverse=True))
    assert probe["sources"] == 4 and probe["low"] <= probe["tau"] <= probe["high"]
    # good and twin were foretold to be equal, so the right order is up to that tie.
    assert 0.6 < probe["tau"] <= 1 and probe["tau"] == knn["tau"]
    assert probe["luck"].endswith("of 24 cases") and probe["luck"] in page.text
    assert "It says nothing of other sources." in page.text
    told = pd.read_csv(study.folder / "report" / "foretold.csv")
    assert len(told) == 8 and set(told["rank"]) == {1, 2, 3, 4}
    assert len(pd.read_csv(study.folder / "report" / "ranking.csv")) == 4
    assert json.loads((study.folder / "report" / "report.json").read_text())["kind"] == "sources"


def test_a_wrong_prediction_says_what_following_it_costs(tmp_path):
    wrong = make_sources(tmp_path / "study", foretold={"good": 1.0, "twin": 1.5, "middling": 2.0, "poor": 4.0})
    found = source_findings(wrong)
    probe = found["parts"][0]["foretold"][0]
    worst = found["parts"][0]["rows"][-1]
    assert probe["choice"] == "poor" == worst["source"] and probe["tau"] < 0
    assert probe["choice_behind"] == worst["behind"] < -0.2 and probe["choice_standing"] == "behind"
    assert f"put poor first, which is {-worst['behind']:.3f} below the best, beyond noise" in found["answers"][-1]


def test_failed_and_unscored_sources_are_said_and_the_rest_stand(tmp_path):
    lost = {f"poor-WT-full-nall-s{seed}": "no weights for poor at hand" for seed in range(3)}
    made = make_sources(tmp_path / "study", failed=lost, problems={"twin": "no feature map of stride 16"})
    page, found = read(made.report()), source_findings(made)
    assert "poor is not in the ranking: no weights for poor at hand." in page.text
    assert "Sources ranked 3 of 4" in page.text and "poor-WT-full-nall-s0 failed:" in page.text
    assert "Not scored: twin (no feature map of stride 16)" in page.text
    probe = found["parts"][0]["foretold"][0]
    assert set(probe["values"]) == {"good", "middling"} and probe["tau"] is None and probe["sources"] == 2
    assert "too few sources" in page.text


def test_a_head_solved_on_all_images_leaves_nothing_to_a_seed(tmp_path):
    made = make_sources(tmp_path / "study", seeds=1, solved=True)
    found = source_findings(made)
    assert any(said.startswith("Nothing here is left to a seed") for said in found["cautions"])
    assert not any(said.startswith("One seed") for said in found["cautions"])
    assert found["solved"]


def test_the_lower_the_better_turns_the_ranking_round(study, tmp_path):
    made = make_sources(tmp_path / "study")
    rows = [row.split(",") for row in (made.folder / "cells.csv").read_text().splitlines()]
    place = rows[0].index("test_auc")
    lines = [[*row, "test_brier" if k == 0 else str(1 - float(row[place]))] for k, row in enumerate(rows)]
    (made.folder / "cells.csv").write_text("\n".join(map(",".join, lines)) + "\n")
    (part,) = source_findings(made, "brier")["parts"]
    values = [row["value"] for row in part["rows"]]
    assert values == sorted(values) and part["rows"][-1]["source"] == "poor"
    assert part["foretold"][0]["tau"] > 0.6
    assert all(row["behind"] < 0 for row in part["rows"][1:])


def test_two_files_of_one_name_are_told_apart(tmp_path):
    made = make_sources(
        tmp_path / "study", skills={"net@a/best.pt": 1.0, "net@b/best.pt": 0.5, "net@c.pt": 0.2}, seeds=1
    )
    found = source_findings(made)
    assert {row["name"] for row in found["parts"][0]["rows"]} == {"net@a/best.pt", "net@b/best.pt", "net (c)"}


def test_the_terminal_says_the_same(found):
    said = "\n".join(text(found))
    rows = found["parts"][0]["rows"]
    assert [line.split()[1] for line in said.splitlines() if line.lstrip()[:2] in ("1 ", "2 ", "3 ", "4 ")] == [
        row["name"] for row in rows
    ]
    assert "weighted tau" in said and "as good by luck" in said and "not told from it" in said
    assert " ".join(said.split()).endswith(found["answers"][-1])


def test_the_page_is_written_again_by_another_score(study, capsys):
    assert main(["report", str(study.folder), "--metric", "kappa"]) == 0
    assert capsys.readouterr().out.strip() == str(study.folder / "report.html")
    page = read(study.folder / "report.html")
    assert "Which pretrained weights for retina?" in page.text and "kappa" in page.text
    study.report()
