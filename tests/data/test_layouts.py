"""Every layout becomes the same Manifest, and what is amiss in a folder or a table is said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medgraft.data.layouts import open_data
from medgraft.errors import DataError


def put(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)


def pairs(folder: Path, stems: Iterable[str] = "abcd", ending: str = "") -> Path:
    stems = list(stems)
    put(folder / "images", [f"{stem}.jpg" for stem in stems])
    put(folder / "masks", [f"{stem}{ending}.png" for stem in stems])
    return folder


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ["", "_Segmentation", "_segmentation", "_mask", "-mask"])
def test_folder_with_every_mask_ending(tmp_path: Path, ending: str) -> None:
    data = open_data(pairs(tmp_path / "set", ending=ending))
    assert data.table["id"].tolist() == list("abcd")
    assert [Path(path).name for path in data.table["target"]] == [f"{stem}{ending}.png" for stem in "abcd"]
    assert data.name == "set" and not data.has_split
    assert data.notes == ("images/ and masks/: 4 images with masks",)


def test_paths_are_absolute_though_the_folder_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs(tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    data = open_data("set")
    monkeypatch.chdir("/")
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in data.table["image"])


def test_exact_name_comes_before_an_ending(tmp_path: Path) -> None:
    put(tmp_path / "images", ["a.png", "a_mask.png"])
    put(tmp_path / "masks", ["a.png", "a_mask.png"])
    data = open_data(tmp_path)
    assert [Path(path).name for path in data.table["target"]] == ["a.png", "a_mask.png"]


def test_other_files_and_capitals_are_no_obstacle(tmp_path: Path) -> None:
    put(tmp_path / "Images", ["a.JPG", "b.tiff"])
    put(tmp_path / "MASKS", ["a.bmp", "b.PNG"])
    (tmp_path / "Images" / "Thumbs.db").touch()
    (tmp_path / "Images" / "._a.jpg").touch()
    (tmp_path / "MASKS" / "readme.txt").touch()
    assert len(open_data(tmp_path)) == 2


def test_subfolders_match_and_clashing_stems_become_paths(tmp_path: Path) -> None:
    put(tmp_path / "images", ["p1/1.png", "p1/2.png", "p2/1.png"])
    put(tmp_path / "masks", ["p1/1.png", "p1/2.png", "p2/1_mask.png"])
    data = open_data(tmp_path)
    assert data.table["id"].tolist() == ["p1/1", "p1/2", "p2/1"]
    assert data.table["target"][2].endswith("p2/1_mask.png")


@pytest.mark.parametrize("key", ["{}", "{}.jpg", "images/{}.jpg", "C:\\\\images\\\\{}.jpg"])
def test_table_beside_the_folders_is_joined(tmp_path: Path, key: str) -> None:
    rows = zip("dcba", ["Test", " validation", "TRAIN", "train"], "4321", strict=True)
    lines = [f"{key.format(stem)},{split},p{age},{age}" for stem, split, age in rows]
    table(pairs(tmp_path) / "labels.csv", "image_id,split,Patient ID,age", *lines)
    table(tmp_path / "other.csv", "image_id,split", "x,test", "y,train")
    data = open_data(tmp_path)
    assert data.table["split"].tolist() == ["train", "train", "val", "test"]
    assert data.table["group"].tolist() == ["p1", "p2", "p3", "p4"]
    assert data.table["age"].tolist() == [1, 2, 3, 4]
    said = " | ".join(data.notes)
    assert "labels.csv: joined by image_id to 4 of 4 images" in said
    assert "column split read as the split, 2 train, 1 val, 1 test" in said
    assert "column Patient ID read as the patient (group), 4 groups" in said


def test_folds_are_no_split_and_a_later_column_may_be(tmp_path: Path) -> None:
    lines = ["a,0,train", "b,1,train", "c,2,val", "d,3,test"]
    table(pairs(tmp_path) / "labels.csv", "file,fold,set", *lines)
    data = open_data(tmp_path)
    assert data.table["split"].tolist() == ["train", "train", "val", "test"]
    assert any("column fold holds no train, val or test" in note for note in data.notes)
    assert data.table["fold"].tolist() == [0, 1, 2, 3]


def test_named_columns_win_and_ours_are_kept_apart(tmp_path: Path) -> None:
    lines = ["a,train,test,p,7,0", "b,test,train,q,8,1", "c,test,val,r,9,0", "d,test,train,q,9,1"]
    table(pairs(tmp_path) / "labels.csv", "file,split,round,group,lesion,target", *lines)
    with pytest.raises(DataError, match="more than one split: 9"):
        open_data(tmp_path, group="lesion", split_column="Round")
    data = open_data(tmp_path, split_column="Round")
    assert data.table["split"].tolist() == ["test", "train", "val", "train"]
    assert data.table["csv_split"].tolist() == ["train", "test", "test", "test"]
    assert data.table["csv_target"].tolist() == [0, 1, 0, 1]
    assert data.table["target"][0].endswith("a.png")


def test_images_without_a_patient_stand_alone(tmp_path: Path) -> None:
    table(pairs(tmp_path) / "labels.csv", "file,patient", "a,p", "b,p", "c,", "d,")
    data = open_data(tmp_path)
    assert data.table["group"].tolist() == ["p", "p", "image c", "image d"]
    assert any("3 groups; 2 images without one stand alone" in note for note in data.notes)


def test_several_rows_an_image_are_said_or_refused(tmp_path: Path) -> None:
    table(pairs(tmp_path) / "boxes.csv", "file,patient", "a,p", "a,p", "b,q")
    assert "boxes.csv: has several rows for an image, so it was not read" in open_data(tmp_path).notes
    with pytest.raises(DataError, match="several rows for an image"):
        open_data(tmp_path, group="patient")


@pytest.mark.parametrize(("word", "says"), [("trian", "trian"), ("", r"\(empty\)")])
def test_a_slip_in_a_split_column_is_an_error(tmp_path: Path, word: str, says: str) -> None:
    table(pairs(tmp_path) / "labels.csv", "file,split", "a,train", f"b,{word}", "c,val", "d,test")
    with pytest.raises(DataError, match=rf"labels\.csv: column split.*1 rows hold {says}; understood are train"):
        open_data(tmp_path)


def test_a_column_that_is_missing_is_suggested(tmp_path: Path) -> None:
    table(pairs(tmp_path) / "labels.csv", "file,patients", "a,1", "b,2", "c,3", "d,4")
    with pytest.raises(DataError, match=r"no column 'patient'; it has file, patients\. Did you mean patients\?"):
        open_data(tmp_path, group="patient")
    (tmp_path / "labels.csv").unlink()
    with pytest.raises(DataError, match=r"no CSV beside the folders.*'patient'"):
        open_data(tmp_path, group="patient")


def test_image_without_mask_and_mask_without_image_are_listed(tmp_path: Path) -> None:
    pairs(tmp_path)
    put(tmp_path / "images", [f"x{i:02d}.png" for i in range(12)])
    put(tmp_path / "masks", ["y_mask.png"])
    with pytest.raises(DataError) as error:
        open_data(tmp_path)
    message = str(error.value)
    assert "12 images in" in message and "x00.png, x01.png" in message and "x09.png and 2 more" in message
    assert "x10.png" not in message
    assert "1 masks in" in message and "have no image in" in message and "y_mask.png" in message


@pytest.mark.parametrize("lonely", ["images", "masks"])
def test_one_lonely_file_is_enough(tmp_path: Path, lonely: str) -> None:
    pairs(tmp_path)
    put(tmp_path / lonely, ["z.png"])
    with pytest.raises(DataError, match=rf"1 {lonely} in .*: z\.png\."):
        open_data(tmp_path)


def test_same_name_twice_is_refused(tmp_path: Path) -> None:
    put(pairs(tmp_path) / "images", ["a.png"])
    with pytest.raises(DataError, match=r"images that differ only in their ending: a\.jpg and a\.png"):
        open_data(tmp_path)


def test_empty_folders_and_one_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the folder is empty"):
        open_data(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "images" / "scan.pdf").touch()
    with pytest.raises(DataError, match=r"images: no images \(it holds \.pdf\)"):
        open_data(tmp_path)
    with pytest.raises(DataError, match="there is one image in all"):
        open_data(pairs(tmp_path / "one", "a"))


def test_unknown_layouts_say_what_is_understood(tmp_path: Path) -> None:
    put(tmp_path, ["pictures/a.png"])
    table(tmp_path / "labels.csv", "image,mask")
    with pytest.raises(DataError, match=r"it holds labels\.csv, pictures/\..*images/ and masks/.*labels\.csv"):
        open_data(tmp_path)
    with pytest.raises(DataError, match="no such folder or file"):
        open_data(tmp_path / "nowhere")
    with pytest.raises(DataError, match="give a folder, a CSV"):
        open_data(tmp_path / "pictures" / "a.png")


PAIR = "images/a.jpg,masks/a.png"
ISIC = {
    2016: ("ISBI2016_ISIC_Part1_{}_Data", "ISBI2016_ISIC_Part1_{}_GroundTruth"),
    2017: ("ISIC-2017_{}_Data", "ISIC-2017_{}_Part1_GroundTruth"),
    2018: ("ISIC2018_Task1-2_{}_Input", "ISIC2018_Task1_{}_GroundTruth"),
}


def challenge(root: Path, year: int, **stems: str) -> Path:
    images, masks = ISIC[year]
    for stage, names in stems.items():
        put(root / images.format(stage), [f"ISIC_{name}.jpg" for name in names])
        put(root / masks.format(stage), [f"ISIC_{name}_segmentation.png" for name in names])
    return root


def test_isic_2016_has_train_and_test(tmp_path: Path) -> None:
    data = open_data(challenge(tmp_path, 2016, Training="abc", Test="de"))
    assert data.split_counts() == {"train": 3, "val": 0, "test": 2}
    assert data.notes == ("folders of the ISIC challenge 2016: 3 train, 2 test",)
    assert data.table["id"].tolist() == [f"ISIC_{name}" for name in "abcde"]


def test_isic_2017_skips_superpixels_and_other_parts(tmp_path: Path) -> None:
    challenge(tmp_path, 2017, Training="abc", Validation="d", Test_v2="ef")
    put(tmp_path / "ISIC-2017_Training_Data", ["ISIC_a_superpixels.png"])
    (tmp_path / "ISIC-2017_Training_Part2_GroundTruth").mkdir()
    assert open_data(tmp_path).split_counts() == {"train": 3, "val": 1, "test": 2}


def test_isic_2018_training_alone_is_left_to_be_divided(tmp_path: Path) -> None:
    assert not open_data(challenge(tmp_path, 2018, Training="abc")).has_split
    data = open_data(challenge(tmp_path, 2018, Validation="d"))
    assert data.split_counts() == {"train": 3, "val": 1, "test": 0}


def test_isic_folders_that_do_not_go_together(tmp_path: Path) -> None:
    challenge(tmp_path, 2016, Training="abc")
    put(tmp_path / ISIC[2016][0].format("Test"), ["ISIC_d.jpg"])
    with pytest.raises(DataError, match="Part1_Test_Data is there, but not the folder with its ground truth"):
        open_data(tmp_path)
    put(tmp_path / ISIC[2016][1].format("Test"), ["ISIC_x_Segmentation.png"])
    with pytest.raises(DataError, match=r"1 images in .*ISIC_d\.jpg; 1 masks in .*ISIC_x_Segmentation\.png"):
        open_data(tmp_path)
    with pytest.raises(DataError, match="challenges of 2016, 2017"):
        open_data(challenge(tmp_path, 2017, Training="a"))


def test_csv_with_recognised_columns(tmp_path: Path) -> None:
    pairs(tmp_path / "files")
    lines = [f"files/images/{s}.jpg,files/masks/{s}.png,{n},train" for s, n in zip("abcd", "0011", strict=True)]
    data = open_data(table(tmp_path / "list.csv", "image,mask,patient_id,split", *lines))
    assert data.table["id"].tolist() == list("abcd") and data.name == "list"
    assert data.table["group"].tolist() == list("0011")
    assert data.table["image"][0] == str(tmp_path / "files" / "images" / "a.jpg")
    assert data.notes[0] == "list.csv: images from column image, masks from column mask, 4 rows"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_with_named_columns_and_any_separator(tmp_path: Path, separator: str) -> None:
    pairs(tmp_path)
    lines = [separator.join((f"images/{s}.jpg", f"masks/{s}", "001")) for s in "abcd"]
    path = table(tmp_path / "list.csv", "\ufeff" + separator.join(("Photo", "Outline", "Case")), *lines)
    data = open_data(path, image_column="photo", mask_column="Outline", group="case")
    assert [Path(p).name for p in data.table["target"]] == [f"{s}.png" for s in "abcd"]
    assert data.table["group"].tolist() == ["001"] * 4


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["image,masc", "x"], "no column with the mask files.*Did you mean masc.*--mask-column"),
        (["picture,mask", "x"], "no column with the image files.*--image-column"),
        (["image,mask", PAIR, "images/b.jpg,"], "1 rows have no mask in column mask: lines 3"),
        (["image,mask", PAIR, ",masks/b.png"], "1 rows have no image in column image: lines 3"),
        (["image,mask", PAIR, "images/x.jpg,masks/b.png"], r"1 images do not exist: .*x\.jpg"),
        (["image,mask", PAIR, "images/b.jpg,masks/x.png"], r"1 masks do not exist: .*x\.png"),
        (["image,mask", PAIR, "images/a.jpg,masks/b.png"], r"more than once: .*a\.jpg"),
        (["image,mask", PAIR], "there is one image in all"),
        (["image,mask"], "has a header and no rows"),
        (["image,mask", PAIR, "images/b, left.jpg,masks/b.png"], "more values than the 2 columns: 3"),
        (["image,mask,image", PAIR], "columns of the same name: image"),
        ([""], "first line names no columns"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, lines: list[str], says: str) -> None:
    path = table(pairs(tmp_path) / "list.csv", *lines)
    with pytest.raises(DataError, match=says):
        open_data(path)


def test_table_without_masks_points_to_the_folder(tmp_path: Path) -> None:
    path = table(pairs(tmp_path) / "labels.csv", "image_id,age", "a,30")
    with pytest.raises(DataError) as error:
        open_data(path)
    assert "none with labels, which would be label, labels, class" in str(error.value)
    assert f"give the folder, which has images/ and masks/: {tmp_path}" in str(error.value)


def test_table_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b"PK\x03\x04\x14\x00\x06\x00image,mask\n")
    with pytest.raises(DataError, match=r"list\.csv: cannot be read as a CSV file, it holds zero bytes"):
        open_data(tmp_path / "list.csv")
