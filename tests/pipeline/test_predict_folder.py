"""What lies in the folder of the predictions: nothing that none has written is lost, or taken for its own."""

import os

import cv2
import numpy as np
import pandas as pd
from predicting import call, pixels, snapshot

from medgraft.pipeline.predict import PredictOptions, predict_files
from medgraft.progress import Observer


def image(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels(seed))
    return path


def test_masks_that_people_drew_beside_their_images_are_not_overwritten(masker, tmp_path, capsys):
    image(tmp_path / "a.png")
    image(tmp_path / "a_mask.png", 1)
    before = snapshot(tmp_path)
    for given in (["a.png", "a_mask.png"], ["a.png"]):
        code, _, err = call(capsys, masker.folder, *[tmp_path / name for name in given], "--out", tmp_path)
        assert code == 2 and f"{tmp_path / 'a_mask.png'}" in err and "--out" in err
        assert snapshot(tmp_path) == before
    # Elsewhere, and beside images that have no mask, there is nothing to lose.
    assert call(capsys, masker.folder, tmp_path / "a.png", "--out", tmp_path / "o")[0] == 0
    image(tmp_path / "new/b.png")
    for _ in range(2):
        assert call(capsys, masker.folder, tmp_path / "new/b.png", "--out", tmp_path / "new")[0] == 0


def test_an_image_is_not_overwritten_where_a_prediction_was_made_before(masker, tmp_path, capsys):
    one, other = image(tmp_path / "a.png"), tmp_path / "a_mask.png"
    assert call(capsys, masker.folder, one, "--out", tmp_path)[0] == 0
    before = snapshot(tmp_path)
    code, _, err = call(capsys, masker.folder, one, other, "--out", tmp_path)
    assert code == 2 and str(other) in err and snapshot(tmp_path) == before


def test_the_tables_of_a_run_are_not_overwritten(labeller, tmp_path, capsys):
    place = tmp_path / "run"
    place.mkdir()
    for name in ("predictions.csv", "errors.csv"):
        (place / name).write_text("of the evaluation")
        code, _, err = call(capsys, labeller.folder, image(tmp_path / "a.png"), "--out", place)
        assert code == 2 and str(place / name) in err
        assert (place / name).read_text() == "of the evaluation"
        (place / name).unlink()


def test_a_mask_that_is_there_is_no_matter_to_a_run_that_gives_labels(labeller, tmp_path, capsys):
    image(tmp_path / "a_mask.png", 1)
    assert call(capsys, labeller.folder, image(tmp_path / "a.png"), "--out", tmp_path)[0] == 0


def test_a_folder_into_which_predictions_go_is_said_to_be_no_input(labeller, tmp_path, capsys):
    image(tmp_path / "in/a.png")
    code, _, err = call(capsys, labeller.folder, tmp_path / "in", "--out", tmp_path / "in")
    assert code == 2 and "lie where the predictions go" in err and "--out" in err


def test_a_mask_that_was_written_over_for_another_image_is_made_again(masker, tmp_path):
    options = PredictOptions(out=tmp_path / "o", overlays=False, resume=True)
    one, other = image(tmp_path / "one/x.png", 1), image(tmp_path / "other/x.png", 5)
    masks = []
    for given in (one, other, one):
        predict_files(masker.folder, [given], options, Observer())
        masks.append((tmp_path / "o/x_mask.png").read_bytes())
    assert masks[0] == masks[2] != masks[1]


def test_a_name_that_is_no_text_is_an_error_of_its_own(masker, tmp_path, capsys):
    image(tmp_path / "in/good.png")
    image(tmp_path / "in/bad.png").rename(os.fsdecode(os.fsencode(tmp_path / "in") + b"/b\xffd.png"))
    code, _, err = call(capsys, masker.folder, tmp_path / "in", "--out", tmp_path / "o")
    assert code == 2 and "1 of 2 images could not be read" in err and "no text in UTF-8" in err
    assert pd.read_csv(tmp_path / "o/predictions.csv")["mask"].tolist() == ["good_mask.png"]
    assert pd.read_csv(tmp_path / "o/errors.csv")["image"].tolist() == [rf"{tmp_path}/in/b\udcffd.png"]
    assert sorted(path.name for path in (tmp_path / "o").glob("*_mask.png")) == ["good_mask.png"]


def test_a_file_that_goes_while_it_is_predicted_does_not_stop_the_others(masker, tmp_path):
    first, second = image(tmp_path / "a.png"), image(tmp_path / "b.png", 1)

    class Removing(Observer):
        def say(self, line):
            first.unlink(missing_ok=True)

    options = PredictOptions(out=tmp_path / "o", overlays=False)
    done = predict_files(masker.folder, [first, second], options, Removing())
    assert [row["mask"] for row in done.rows] == ["a_mask.png", "b_mask.png"] and not done.failed
    assert np.array_equal(cv2.imread(str(tmp_path / "o/b_mask.png"), -1), masker.predict(second).mask)


def test_a_damaged_file_among_dicom_files_is_an_error_of_its_own(masker, tmp_path, capsys):
    from dicom_making import make

    make(tmp_path / "in/x.dcm", pixels(0).astype(np.uint16), number=2)
    (tmp_path / "in/empty.dcm").write_bytes(b"")
    code, _, err = call(capsys, masker.folder, tmp_path / "in", "--out", tmp_path / "o", "--masks", "dicom")
    assert code == 2 and "1 of 2 images could not be read" in err and "empty.dcm: the file is empty" in err
    assert (tmp_path / "o/x_mask.dcm").is_file()
