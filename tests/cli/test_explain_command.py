"""``medgraft explain``: pictures, findings, the section in the report, and what is refused."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from command_line import refused, snapshot

from medgraft.cli.main import main
from medgraft.explain import explain
from medgraft.report.explanations import explanations
from medgraft.report.folder import read_run_folder

LABELS = (
    *("--encoder", "cbr_tiny_narrow", "--strategy", "scratch", "--size", "32", "--epochs", "1", "--bootstrap", "100"),
    *("--precision", "fp32", "--memory-format", "contiguous"),
)


@pytest.fixture(scope="session")
def labelled_run(pairs, tmp_path_factory):
    """A finished classification run; not to be changed."""
    folder = tmp_path_factory.mktemp("explained") / "pairs"
    assert main(["fit", str(pairs), *LABELS, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def explained_run(labelled_run, tmp_path_factory):
    """The same, explained by Grad-CAM; not to be changed. What the command printed lies beside it."""
    folder = Path(shutil.copytree(labelled_run, tmp_path_factory.mktemp("explained") / "run"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["explain", str(folder)]) == 0
    (folder.parent / "printed.txt").write_text(printed.getvalue(), encoding="utf-8")
    return folder


@pytest.fixture
def explained(explained_run, workplace):
    return Path(shutil.copytree(explained_run, workplace / "explained"))


@pytest.fixture
def run(labelled_run, workplace):
    return Path(shutil.copytree(labelled_run, workplace / "run"))


@pytest.fixture
def mask_run(trained, workplace):
    return Path(shutil.copytree(trained, workplace / "masks-run"))


def findings(folder):
    return json.loads((Path(folder) / "explanations.json").read_text(encoding="utf-8"))


def test_the_runs_own_images_go_into_its_report(labelled_run, explained_run):
    assert "Where the model looked" not in (labelled_run / "report.html").read_text(encoding="utf-8")
    page = (explained_run / "report.html").read_text(encoding="utf-8")
    assert "Where the model looked" in page and "no proof of reasoning" in page
    assert "Maps while the weights are shuffled" in page and "Right, and sure of it" in page
    found = findings(explained_run / "explanations" / "gradcam")
    assert found["sanity"]["stages"][0] == "head" and found["mass"] is None
    printed = (explained_run.parent / "printed.txt").read_text(encoding="utf-8")
    assert printed.splitlines()[-1] == str(explained_run / "report.html")
    assert found["sanity"]["verdict"] in printed


def test_right_and_wrong_are_what_the_predictions_say(explained_run):
    cases = findings(explained_run / "explanations" / "gradcam")["cases"]
    assert len({case["id"] for case in cases}) == len(cases) > 0
    rows = pd.read_csv(explained_run / "predictions.csv", dtype={"id": str}).set_index("id")
    for case in cases:
        row = rows.loc[case["id"]]
        assert row["split"] == "test" and case["target"] == row["predicted"]
        assert case["kind"] == "unsure" or bool(row["correct"]) == (case["kind"] == "right")


def test_pictures_hold_the_image_beside_its_map_and_the_map_at_the_images_size(explained_run):
    folder = explained_run / "explanations" / "gradcam"
    for case in findings(folder)["cases"]:
        picture, values = cv2.imread(str(folder / case["picture"])), cv2.imread(str(folder / case["map"]), -1)
        assert picture.shape == (384, 2 * 384 + 8, 3)
        assert values.shape == (48, 48) and values.max() == (0 if case["flat"] else 255)


def test_a_segmentation_is_measured_against_its_references(mask_run, medgraft):
    said = medgraft("explain", mask_run)
    assert said.code == 0, said.err
    found = findings(mask_run / "explanations" / "gradcam")
    assert {case["kind"] for case in found["cases"]} <= {"best", "median", "worst"}
    assert {case["target"] for case in found["cases"]} == {"foreground"}
    mass = found["mass"]
    assert 0 <= mass["inside"]["low"] <= mass["inside"]["value"] <= mass["inside"]["high"] <= 1
    assert mass["difference"]["value"] == pytest.approx(mass["inside"]["value"] - mass["area"]["value"])
    assert "a flat map would have" in said.out
    assert "a flat map would have" in (mask_run / "report.html").read_text(encoding="utf-8")


def test_given_images_are_explained_elsewhere_and_the_run_is_left_alone(run, pairs, workplace, medgraft):
    before = snapshot(run)
    image = next((pairs / "disc").glob("*.png"))
    said = medgraft("explain", run, image, "--class", "disc", "--method", "occlusion", "--no-sanity", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["folder"] == "explanations/run-occlusion" and told["report"] is None
    assert [case["target"] for case in told["cases"]] == ["disc"]
    assert (workplace / told["folder"] / told["cases"][0]["picture"]).is_file()
    assert snapshot(run) == before
    assert explain(run, image, "occlusion", "disc").map.max() == pytest.approx(told["cases"][0]["maximum"], rel=1e-4)


def test_masks_for_labelled_images_come_from_a_folder(run, pairs, workplace, medgraft):
    """A mask of the left half: the maps' share there and the area's share of a half."""
    masks = workplace / "outlines"
    masks.mkdir()
    half = np.zeros((48, 48), np.uint8)
    half[:, :24] = 255
    for image in pairs.glob("*/*.png"):
        cv2.imwrite(str(masks / f"{image.stem}_mask.png"), half)
    assert medgraft("explain", run, "--masks", masks, "--no-sanity", "--out", "found").code == 0
    mass = findings("found")["mass"]
    assert mass["area"]["value"] == pytest.approx(0.5) and 0 < mass["inside"]["value"] < 1
    for image in pairs.glob("*/*.png"):
        cv2.imwrite(str(masks / f"{image.stem}_mask.png"), half[:30])
    before = snapshot(run)
    refused(medgraft("explain", run, "--masks", masks), "30 x 48", "48 x 48", "its image's size")
    assert snapshot(run) == before


def test_an_image_is_not_taken_for_its_own_mask(run, pairs, workplace, medgraft):
    """Where masks lie beside their images, and where a folder of images is named by mistake."""
    image = shutil.copy(next((pairs / "disc").glob("*.png")), workplace / "a.png")
    refused(medgraft("explain", run, image, "--masks", ".", "--no-sanity"), "none of its masks")
    half = np.zeros((48, 48), np.uint8)
    half[:, :24] = 255
    cv2.imwrite("a_mask.png", half)
    for copied in (image, shutil.copy(image, "../a.png")):
        assert medgraft("explain", run, copied, "--masks", ".", "--no-sanity").code == 0
        assert findings("explanations/run-gradcam")["mass"]["area"]["value"] == 0.5


def test_methods_stand_side_by_side_in_the_report(explained, medgraft):
    assert medgraft("explain", explained, "--no-sanity", "--method", "hirescam", "--layer", "conv2").code == 0
    page = (explained / "report.html").read_text(encoding="utf-8")
    assert 'id="explanations-gradcam"' in page and 'id="explanations-hirescam"' in page
    assert "Read at block conv2." in page and "made from other weights" not in page
    assert findings(explained / "explanations" / "hirescam")["layer"] == "conv2"


def part(run):
    """What the report has of the run's only method."""
    (found,) = explanations(read_run_folder(run))["parts"]
    return found


def test_maps_of_other_weights_say_so(explained):
    assert part(explained).warning == ""
    (explained / "model.safetensors").write_bytes((explained / "model.safetensors").read_bytes() + b" ")
    assert "made from other weights" in part(explained).warning


def test_findings_that_are_broken_say_which(explained):
    (explained / "explanations" / "gradcam" / "explanations.json").write_text('{"title"', encoding="utf-8")
    assert "explanations.json cannot be read" in part(explained).warning and part(explained).cases == []


def test_a_picture_that_is_gone_is_said(explained):
    case = findings(explained / "explanations" / "gradcam")["cases"][0]
    (explained / "explanations" / "gradcam" / case["picture"]).unlink()
    pictures = part(explained).cases[0][1]
    assert "is not there any more" in pictures[0].problem and pictures[0].source is None


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--class", "ring"], ("no class 'ring'", "disc")),
        (["--layer", "conv9"], ("no block 'conv9'", "conv1, conv2, conv3, conv4")),
        (["--method", "lime"], ("there is no 'lime'", "occlusion")),
        (["nowhere.png"], ("nowhere.png: no such file",)),
        (["--masks", "nowhere"], ("nowhere: no such folder",)),
        (["--out", "."], ("holds no explanations",)),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence_and_nothing_is_left(run, medgraft, options, parts):
    before = snapshot(run)
    refused(medgraft("explain", run, *options), *parts)
    assert snapshot(run) == before and not (run / "explanations").exists()
    assert not (run.parent / "explanations").exists()


def test_a_run_without_a_model_is_refused(run, medgraft):
    (run / "model.safetensors").unlink()
    refused(medgraft("explain", run), "the run has no model.safetensors")


def test_a_run_whose_images_are_gone_is_refused_unless_images_are_named(run, pairs, medgraft):
    table = (run / "predictions.csv").read_text(encoding="utf-8")
    (run / "predictions.csv").write_text(table.replace(str(pairs), "/gone"), encoding="utf-8")
    refused(medgraft("explain", run), "is where it was", f"name images: medgraft explain {run} IMAGE")
    assert medgraft("explain", run, next((pairs / "disc").glob("*.png")), "--no-sanity").code == 0


def test_an_unreadable_image_is_refused_and_nothing_is_written(run, workplace, medgraft):
    (workplace / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    refused(medgraft("explain", run, "broken.png"), "broken.png")
    assert not (workplace / "explanations").exists()


def test_an_unreadable_image_among_others_is_listed_and_they_are_explained(run, pairs, workplace, medgraft):
    (workplace / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    images = sorted((pairs / "disc").glob("*.png"))[:2]
    said = medgraft("explain", run, images[0], "broken.png", images[1], "--no-sanity", "--json")
    assert said.code == 2 and "1 of 3 images could not be explained, the others are done" in said.err
    found = json.loads(said.out)
    assert [case["id"] for case in found["cases"]] == [image.stem for image in images]
    assert [entry["image"] for entry in found["failed"]] == ["broken.png"]
    assert len(list((workplace / "explanations/run-gradcam").glob("*-map.png"))) == 2


def test_one_of_the_runs_own_masks_that_cannot_be_read_does_not_stop_the_others(mask_run, workplace, medgraft):
    """Nor does an image, though the layer is chosen by all that are shown."""
    rows = pd.read_csv(mask_run / "predictions.csv", dtype=str)
    place = rows.index[rows["split"] == "test"]
    for column, row in (("target", place[0]), ("image", place[1])):
        (workplace / f"{column}.png").write_bytes(b"no picture")
        rows.loc[row, column] = str(workplace / f"{column}.png")
    rows.to_csv(mask_run / "predictions.csv", index=False)
    said = medgraft("explain", mask_run, "--no-sanity")
    assert said.code == 2 and f"2 of {len(place)} images could not be explained" in said.err
    assert len(findings(mask_run / "explanations" / "gradcam")["cases"]) == len(place) - 2
    assert "Where the model looked" in (mask_run / "report.html").read_text(encoding="utf-8")


def test_a_caption_says_which_class_is_explained_where_the_model_named_another(run, pairs, workplace, medgraft):
    """Whatever else in it sounds like that class: the true label, or the name of the file."""
    assert medgraft("explain", run, "--class", "disc", "--no-sanity").code == 0
    rows = pd.read_csv(run / "predictions.csv", dtype={"id": str}).set_index("id")
    cases = findings(run / "explanations" / "gradcam")["cases"]
    assert any(rows.loc[case["id"], "predicted"] != "disc" for case in cases)
    for case in cases:
        assert ("explained: disc" in case["caption"]) == (rows.loc[case["id"], "predicted"] != "disc")
    shutil.copy(next((pairs / "disc").glob("*.png")), workplace / "disc_7.png")
    assert medgraft("explain", run, "disc_7.png", "--class", "disc", "--no-sanity").code == 0
    assert "explained: disc" in findings("explanations/run-gradcam")["cases"][0]["caption"]
