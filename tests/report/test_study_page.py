"""The report of a study, from a folder as trainings leave it to the page, the tables and LaTeX."""

import json
import shutil

import pandas as pd
import pytest
from made_study import SKILLS, make_study
from page_reader import read
from sklearn.metrics import roc_auc_score

from medgraft.cli.main import main
from medgraft.errors import RecipeError, RunError
from medgraft.report.study_latex import escaped
from medgraft.studies.report import study_report


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two models; a cell that failed, and one that was not trained."""
    return make_study(
        tmp_path_factory.mktemp("made") / "study",
        encoders=("resnet50", "other_<net>@/own/a & b.safetensors"),
        failed={"resnet50-RI-full-n50-s1": "no <weights> for resnet50 at hand"},
        waiting=["resnet50-WT-full-nall-s2"],
        data="retina",
    )


@pytest.fixture(scope="module")
def page(study):
    return read(study_report(study))


def test_the_page_opens_with_the_answer_and_what_is_missing(page):
    opening = page.text[: page.text.index("AUC on test images")]
    assert "Does transfer help on retina?" in opening
    assert "resnet50: with 50 images pretrained weights gave +0." in opening and "on 2 of 3 seeds" in opening
    assert "1 cell failed and 1 cell not trained yet, of 36" in opening and "34 of 36" in opening
    assert "80 in 40 groups" in opening


def test_failed_and_partial_cells_are_shown_as_such(page, study):
    assert "resnet50-RI-full-n50-s1 failed: no <weights> for resnet50 at hand" in page.text
    assert "resnet50-WT-full-nall-s2 not trained yet" in page.text
    assert page.text.count("2 of 3 cells only") == 2 and page.text.count("best") >= 4
    table = pd.read_csv(study.folder / "report" / "table.csv")
    low = table[(table["encoder"] == "resnet50") & (table["init"] == "RI") & (table["n"] == "50")].iloc[0]
    cells = study.cells
    own = cells[(cells["encoder"] == "resnet50") & (cells["init"] == "RI") & (cells["n"] == "50")]["test_auc"].dropna()
    assert (low["finished"], low["cells"], low["mean"]) == (2, 3, pytest.approx(own.mean()))
    assert low["sd"] == pytest.approx(own.std())


def test_comparisons_are_of_the_same_seeds_and_images(page, study):
    rows = pd.read_csv(study.folder / "report" / "comparisons.csv")
    assert len(rows) == 12 and (rows["p_corrected"] >= rows["p"]).all()
    row = rows[
        (rows["encoder"] == "resnet50") & (rows["n"] == "50") & (rows["first"] == "WT") & (rows["second"] == "RI")
    ]
    expected = []
    for seed in (0, 2):  # that both have
        areas = []
        for init in ("WT", "RI"):
            table = pd.read_csv(study.folder / "cells" / f"resnet50-{init}-full-n50-s{seed}" / "predictions.csv")
            areas.append(roc_auc_score(table["target"] == "ill", table["p_ill"]))
        expected.append(areas[0] - areas[1])
    assert row["gain"].item() == pytest.approx(sum(expected) / 2) and row["seeds"].item() == 2
    assert row["told"].item() == "told" and row["low"].item() > 0
    assert (rows[rows["n"] == "all"]["told"] == "not").all()


def test_charts_have_words_and_files(page, study):
    assert any("weights over random (WT − RI): 50 images +0." in words for words in page.charts)
    assert any(words.startswith("Epochs to 95% of the final score: RI 50 images 3.0") for words in page.charts)
    assert {path.name for path in (study.folder / "report" / "figures").iterdir()} == {
        "gain-1.png", "gain-2.png", "epochs-1.png", "epochs-2.png",
    }  # fmt: skip
    gain = pd.read_csv(study.folder / "report" / "gain.csv")
    assert len(gain) == 12 and set(gain["images"]) == {50, 420}
    speed = pd.read_csv(study.folder / "report" / "convergence.csv")
    assert (speed["epochs"] == 3).all() and (speed["seconds"] == 6).all() and len(speed) == 34


def test_it_says_how_it_was_done_and_what_the_papers_have(page):
    assert "Each cell of every initialisation had the same budget of 2 trainings" in page.text
    assert "Obuchowski and Rockette" in page.text and "Holm" in page.text
    published = page.text[page.text.index("Beside the papers") : page.text.index("How soon")]
    assert "0.967" in published and "Raghu" in published and "not compared with the paper" in published


def test_the_latex_table_is_escaped_and_whole(page, study):
    text = (study.folder / "report" / "table.tex").read_text()
    assert text.count("\\begin{") == text.count("\\end{") == 2
    assert "other\\_\\textless{}net\\textgreater{} (a \\& b) & 50 & " in text and "(2 of 3)" in text
    assert "\\mathbf{" in text and "\\underline{$" in text
    assert "corrected by Holm's method for the 6 gains of each model (WT $-$ RI, WT $-$ ST, ST $-$ RI, at 2 " in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 5 and all(row.replace("\\&", "").count("&") == 4 for row in rows)
    assert escaped("a_b%\n{c}\\") == r"a\_b\% \{c\}\textbackslash{}"


def test_what_the_page_was_made_from_holds_no_nan(page, study):
    found = json.loads((study.folder / "report" / "report.json").read_text(), parse_constant=pytest.fail)
    assert found["kind"] == "study" and found["failed"][0]["id"] == "resnet50-RI-full-n50-s1"


def test_another_score_decides_where_it_is_asked_for(tmp_path, capsys):
    make_study(tmp_path / "study", seeds=2)
    assert main(["report", str(tmp_path / "study"), "--metric", "kappa"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "study" / "report.html")
    page = read(tmp_path / "study" / "report.html")
    assert "weighted kappa over random ones" in page.text and "Two seeds tell hardly anything" in page.text
    assert main(["report", str(tmp_path / "study"), "--metric", "kapa"]) == 2
    assert "no score 'kapa'" in capsys.readouterr().err
    with pytest.raises(RecipeError, match="no cell has a test score 'dice'"):
        study_report(tmp_path / "study", metric="dice")


def test_masks_folds_and_one_seed(tmp_path):
    page = read(study_report(make_study(tmp_path / "study", masks=True, seeds=1, folds=3)))
    assert "Dice over random ones" in page.text and "One seed" in page.text
    assert "1 seed and 3 folds" in page.text and "Dice on 240 test images" in page.text
    rows = pd.read_csv(tmp_path / "study" / "report" / "comparisons.csv")
    # 0.05 of Dice for a unit of skill, whatever the noise that both share.
    gain = rows[(rows["n"] == "50") & (rows["first"] == "WT") & (rows["second"] == "RI")]["gain"].item()
    assert gain == pytest.approx(0.05 * (SKILLS["WT", 50] - SKILLS["RI", 50]), abs=0.005)


def test_a_fold_that_failed_takes_its_seed_out_of_comparisons(tmp_path):
    study = make_study(tmp_path / "study", folds=2, seeds=2, failed={"resnet50-WT-full-n50-s1-f2": "it broke"})
    study_report(study)
    rows = pd.read_csv(study.folder / "report" / "comparisons.csv").set_index(["n", "first", "second"])
    assert rows.loc[("50", "WT", "RI"), "seeds"] == 1 and rows.loc[("50", "ST", "RI"), "seeds"] == 2


def test_heads_that_are_solved_at_once_have_no_epochs(tmp_path):
    page = read(study_report(make_study(tmp_path / "study", solved=True, synthetic=True)))
    assert "solved at once" in page.text and not any("Epochs to 95%" in words for words in page.charts)
    assert "SYNTHETIC" in page.text and "SYNTHETIC data" in (tmp_path / "study" / "report" / "table.tex").read_text()


def test_a_study_of_which_nothing_is_finished_says_so(tmp_path):
    skills = {("RI", 50): 1.0, ("WT", 50): 1.0}
    names = [f"resnet50-{init}-full-n50-s0" for init in ("RI", "WT")]
    study = make_study(tmp_path / "study", skills=skills, seeds=1, failed=dict.fromkeys(names, "memory ran out"))
    page = read(study_report(study))
    assert "No cell of this study is finished" in page.text and page.text.count("none finished") == 2


def test_cells_whose_predictions_are_lost_or_of_other_images_are_said(tmp_path):
    study = make_study(tmp_path / "study")
    (study.folder / "cells" / "resnet50-RI-full-n50-s0" / "predictions.csv").unlink()
    # Also where it is the first of all that can be read.
    other = study.folder / "cells" / "resnet50-ST-full-n50-s0" / "predictions.csv"
    pd.read_csv(other).iloc[:-2].to_csv(other, index=False)
    page = read(study_report(study))
    assert "predictions of 1 cell cannot be read (resnet50-RI-full-n50-s0)" in page.text
    assert "1 cell tested on other images and in no comparison: resnet50 ST n=50 seed 0" in page.text


def test_gain_by_distance_of_several_studies(tmp_path, capsys):
    for name, value in (("near", 0.06), ("far", 0.31), ("lost", None)):
        make_study(tmp_path / name, data=name, seeds=2)
        if value:
            (tmp_path / name / "distance.json").write_text(json.dumps({"layers": {"value": value}}))
    others = [str(tmp_path / name) for name in ("far", "lost")]
    assert main(["report", str(tmp_path / "near"), "--beside", *others]) == 0
    page = read(tmp_path / "near" / "report.html")
    assert any("near at 0.06" in words and "far at 0.31" in words for words in page.charts)
    assert "images of lost are from the pretraining images is not known" in page.text
    (tmp_path / "far" / "distance.json").write_text("{}")
    with pytest.raises(RunError, match="medgraft distance DATA --json"):
        study_report(tmp_path / "near", others=others)


def test_options_of_studies_are_refused_for_runs(tmp_path, capsys):
    study = make_study(tmp_path / "study", seeds=1)
    run = shutil.copytree(study.folder / "cells" / "resnet50-RI-full-n50-s0", tmp_path / "run")
    assert main(["report", str(run), "--metric", "auc"]) == 2
    assert "--metric is for reports of studies" in capsys.readouterr().err


def test_the_page_says_which_blocks_were_reused_or_how_to_ask(tmp_path):
    study = make_study(tmp_path / "asked")
    said = study.report().read_text(encoding="utf-8")
    name = "resnet50-{}-full-nall-s0"
    assert (
        f"medgraft reuse cells/{name.format('WT')} --against cells/{name.format('ST')} cells/{name.format('RI')}"
        in said
    )
    place = study.folder / "cells" / "resnet50-WT-full-n50-s1" / "reuse"
    place.mkdir()
    (place / "reuse.json").write_text(json.dumps({"answer": "Blocks 1 to 3 are reused."}))
    said = study.report().read_text(encoding="utf-8")
    assert "Blocks 1 to 3 are reused." in said and "medgraft reuse cells" not in said
    assert 'href="cells/resnet50-WT-full-n50-s1/reuse/reuse.html"' in said
    random = make_study(tmp_path / "random", skills={("RI", None): 1.0, ("ST", None): 1.2})
    assert "Which blocks were reused" not in random.report().read_text(encoding="utf-8")


def test_a_study_of_masks_beside_one_of_labels_is_refused_by_name(tmp_path, capsys):
    make_study(tmp_path / "labels", seeds=1)
    masks = make_study(tmp_path / "masks", seeds=1, masks=True)
    assert main(["report", str(tmp_path / "labels"), "--beside", str(masks.folder)]) == 2
    said = capsys.readouterr().err
    assert f"--beside {masks.folder}: it cannot be told by the score of this study; metric: no cell has" in said
    assert not (tmp_path / "labels" / "report.html").exists()
