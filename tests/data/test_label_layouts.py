"""Class folders and tables of labels become Manifests, and what is amiss in them is said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medgraft.data.layouts import open_data
from medgraft.data.manifest import Manifest
from medgraft.errors import DataError


def put(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    return folder


def table(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def labelled(folder: Path, *lines: str, header: str = "file,label") -> Path:
    """labels.csv in ``folder``, beside a.png to f.png."""
    put(folder, [f"{stem}.png" for stem in "abcdef"])
    return table(folder / "labels.csv", header, *lines)


def said(data: Manifest) -> str:
    return " | ".join(data.notes)


def names(data: Manifest) -> tuple[str, ...]:
    assert data.classes is not None
    return data.classes.names


# -- class folders -------------------------------------------------------------------------------------------------


def test_a_folder_a_class(tmp_path: Path) -> None:
    put(tmp_path / "xray", ["pneumonia/a.jpg", "pneumonia/p1/b.PNG", "normal/c.tif", "normal/d.png", "normal/e.png"])
    (tmp_path / "xray" / "normal" / "Thumbs.db").touch()
    data = open_data(tmp_path / "xray")
    assert data.task == "classification" and data.name == "xray" and not data.has_split
    assert dict(zip(data.table["id"], data.table["target"], strict=True)) == {
        **dict.fromkeys("ab", "pneumonia"),
        **dict.fromkeys("cde", "normal"),
    }
    assert names(data) == ("normal", "pneumonia")
    assert data.labels[data.table["id"] == "a"].tolist() == [1]
    assert data.notes == ("xray/: a folder a class, 5 images", "classes in order: normal, pneumonia")


def test_hidden_and_foreign_folders_are_no_classes(tmp_path: Path) -> None:
    put(tmp_path, ["a/1.png", "b/2.png", ".cache/3.png", "__MACOSX/a/4.png", "a/.hidden/5.png", "a/._1.png"])
    data = open_data(tmp_path)
    assert names(data) == ("a", "b") and data.table["id"].tolist() == ["1", "2"]


def test_folders_of_a_split_above_the_classes(tmp_path: Path) -> None:
    put(tmp_path, [f"Training/{c}/{c}{i}.png" for c in "abc" for i in range(3)])
    put(tmp_path, [f"valid/{c}/{c}9.png" for c in "abc"] + ["TEST/a/x.png", "TEST/b/y.png"])
    put(tmp_path, ["overview.png", "figures/1.png"])
    data = open_data(tmp_path)
    assert data.split_counts() == {"train": 9, "val": 3, "test": 2}
    assert data.test.table[["id", "target"]].to_numpy().tolist() == [["x", "a"], ["y", "b"]]
    assert "folders Training/, valid/, TEST/ read as the split, 9 train, 3 val, 2 test" in data.notes
    assert "1 images beside the class folders were left aside" in data.notes
    assert "folders left aside: figures" in data.notes


def test_train_alone_is_left_to_be_divided(tmp_path: Path) -> None:
    data = open_data(put(tmp_path, ["train/a/1.png", "train/b/2.png"]))
    assert not data.has_split and len(data) == 2


def test_the_same_file_name_in_two_classes(tmp_path: Path) -> None:
    data = open_data(put(tmp_path, ["a/1.png", "b/1.png"]))
    assert data.table["id"].tolist() == ["a/1", "b/1"]


def test_a_class_folder_without_a_readable_image_is_named(tmp_path: Path) -> None:
    put(tmp_path, ["a/1.png", "b/2.png"])
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "scan.pdf").touch()
    with pytest.raises(DataError, match=r"/c: the folders .* are read as classes.*no readable image.*holds \.pdf"):
        open_data(tmp_path)
    (tmp_path / "c" / "3.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"/c: .*no readable image: none of its 1 files can be opened"):
        open_data(tmp_path)
    put(tmp_path, ["c/4.png"])  # one that opens is enough here; the store names the others when it reads them
    assert len(open_data(tmp_path)) == 4


@pytest.mark.parametrize("files", [["a/1.png", "a/2.png"], ["train/a/1.png", "test/a/2.png"]])
@pytest.mark.parametrize("task", ["auto", "classification"])
def test_one_class_only(tmp_path: Path, files: list[str], task: str) -> None:
    with pytest.raises(DataError, match="only folder with images is a/, and one class is none to tell apart"):
        open_data(put(tmp_path, files), task=task)


def test_case_variants_of_folders_are_merged_with_a_warning(tmp_path: Path) -> None:
    put(tmp_path, ["train/Normal/1.png", "train/Normal/2.png", "train/flu/3.png"])
    put(tmp_path, ["test/normal/4.png", "test/flu/5.png"])
    data = open_data(tmp_path)
    assert names(data) == ("Normal", "flu") and data.test.table["target"].tolist() == ["flu", "Normal"]
    assert f"warning: {tmp_path.name}/ has labels in several spellings: 'normal' (1) read as 'Normal'" in data.notes


def test_an_order_of_classes_is_kept(tmp_path: Path) -> None:
    put(tmp_path, ["a/1.png", "b/2.png", "c/3.png"])
    data = open_data(tmp_path, classes=("c", "a", "b"))
    assert names(data) == ("c", "a", "b") and data.labels.tolist() == [1, 2, 0]
    assert "classes in order: c, a, b" in data.notes
    with pytest.raises(DataError, match=rf"{tmp_path}: the classes asked for leave out c; there are a, b, c"):
        open_data(tmp_path, classes=("a", "b"))


def test_a_table_beside_class_folders_is_joined(tmp_path: Path) -> None:
    put(tmp_path, ["a/1.png", "a/2.png", "b/3.png", "b/4.png"])
    lines = ["b/3.png,B,p,train", "1.png,a,q,test", "2,a,q,test", "4,b,,val"]
    table(tmp_path / "labels.csv", "file,label,case,set", *lines)
    data = open_data(tmp_path, group="case")
    assert data.table["group"].tolist() == ["q", "q", "p", "image 4"]
    assert data.table["split"].tolist() == ["test", "test", "train", "val"]
    assert "labels.csv: joined by file to 4 of 4 images" in data.notes
    assert "3 groups; 1 images without one stand alone" in said(data)


@pytest.mark.parametrize("header", ["file,label", "file,target"])
def test_a_table_that_contradicts_the_folders_is_refused(tmp_path: Path, header: str) -> None:
    put(tmp_path, ["0/a.png", "0/b.png", "1/c.png", "1/d.png"])
    table(tmp_path / "labels.csv", header, "a,0", "b,1", "c,1", "d,0")
    with pytest.raises(DataError, match=r"2 images lie .*b \(folder 0, table 1\), d \(folder 1, table 0\)"):
        open_data(tmp_path)


def test_a_table_in_other_words_is_no_contradiction(tmp_path: Path) -> None:
    put(tmp_path, ["normal/a.png", "flu/b.png"])
    table(tmp_path / "labels.csv", "file,label", "a,0", "b,1")
    data = open_data(tmp_path)
    assert data.table["target"].tolist() == ["flu", "normal"] and data.table["label"].tolist() == [1, 0]


def test_folders_and_table_must_agree_on_the_split(tmp_path: Path) -> None:
    put(tmp_path, ["train/a/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png"])
    table(tmp_path / "list.csv", "file,split,own", "1,train,test", "2,train,train", "3,test,train", "4,test,val")
    assert open_data(tmp_path).split_counts() == {"train": 2, "val": 0, "test": 2}
    assert open_data(tmp_path, split_column="own").table["split"].tolist() == ["train", "val", "test", "train"]
    table(tmp_path / "list.csv", "file,split", "1,train", "2,test", "3,test", "4,test")
    with pytest.raises(DataError, match="puts 1 images into another split than their folder: 2"):
        open_data(tmp_path)


# -- tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column", ["label", "Labels", "class", "category", "diagnosis", "target", "DX", "finding", "Finding Labels"]
)
def test_usual_names_of_labels_are_recognised(tmp_path: Path, column: str) -> None:
    rows = [f"{stem}.png,{label},{stem}1" for stem, label in zip("abcd", ["flu", "no flu", "flu", "flu"], strict=True)]
    data = open_data(labelled(tmp_path / "chest", *rows, header=f"image,{column},patient"))
    assert data.name == "chest" and data.task == "classification"
    assert data.table["target"].tolist() == ["flu", "no flu", "flu", "flu"]
    assert data.labels.tolist() == [1, 0, 1, 1]
    assert data.notes == (
        f"labels.csv: images from column image, labels from column {column}, 4 rows",
        "classes in order: no flu, flu",
        "labels.csv: column patient read as the patient (group), 4 groups",
    )


@pytest.mark.parametrize(("stem", "name"), [("Metadata", "chest"), ("train", "chest"), ("covid", "covid")])
def test_a_table_that_says_nothing_is_named_after_its_folder(tmp_path: Path, stem: str, name: str) -> None:
    path = labelled(tmp_path / "chest", "a,x", "b,y")
    assert open_data(path.rename(path.with_name(f"{stem}.csv"))).name == name


def test_a_label_column_may_be_named(tmp_path: Path) -> None:
    path = labelled(tmp_path, "a,0,x", "b,1,y", "c,1,x", header="file,label,view")
    assert names(open_data(path)) == ("0", "1")
    data = open_data(path, label_column="View")
    assert data.table["target"].tolist() == ["x", "y", "x"]
    assert open_data(path, label_column=("view",)).table["target"].tolist() == ["x", "y", "x"]
    with pytest.raises(DataError, match=r"no column 'veiw'; it has file, label, view\. Did you mean view\?"):
        open_data(path, label_column="veiw")


def test_several_columns_of_0_and_1(tmp_path: Path) -> None:
    rows = ["a,1,0,No", "b,0.0,TRUE,no", "c,0,false,no", "d,1.0,1,yes"]
    path = labelled(tmp_path, *rows, header="file,mass,edema,nodule")
    data = open_data(path, label_column=("mass", "edema", "nodule"))
    assert data.classes is not None and data.classes.kind == "multilabel"
    assert names(data) == ("mass", "edema", "nodule")
    assert data.table["target"].tolist() == ["mass", "edema", "", "mass|edema|nodule"]
    assert data.labels.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 1]]
    assert "labels.csv: images from column file, 0 or 1 for each class from columns mass, edema, nodule" in said(data)
    other = open_data(path, label_column=("mass", "edema", "nodule"), classes=("nodule", "mass", "edema"))
    assert names(other) == ("nodule", "mass", "edema") and other.labels[0].tolist() == [0, 1, 0]


def test_values_of_several_columns_that_are_neither_0_nor_1(tmp_path: Path) -> None:
    path = labelled(tmp_path, "a,1,0", "b,-1,1", "c,2,0", header="file,mass,edema")
    with pytest.raises(DataError, match=r"2 rows of column mass hold -1, 2 \(lines 3, 4\)"):
        open_data(path, label_column=("mass", "edema"))


def test_labels_joined_by_a_bar(tmp_path: Path) -> None:
    rows = ["a,Mass|Edema", "b,No Finding", "c,Edema | mass", "d,Mass", "e,no finding"]
    data = open_data(labelled(tmp_path, *rows))
    assert data.classes is not None and data.classes.multilabel and names(data) == ("Edema", "Mass")
    assert data.table["target"].tolist() == ["Edema|Mass", "", "Edema|Mass", "Mass", ""]
    assert "joined by |; No Finding read as none of the classes" in said(data)
    assert "'mass' (1) read as 'Mass'" in said(data) and "' mass'" not in said(data)


@pytest.mark.parametrize("row", ["b,No Finding|Mass", "b,|"])
def test_rows_of_joined_labels_that_say_nothing_or_too_much(tmp_path: Path, row: str) -> None:
    with pytest.raises(DataError, match=r"1 rows of column label name nothing, or a finding beside.*lines 3"):
        open_data(labelled(tmp_path, "a,Mass|Edema", row, "c,No Finding"))


def test_stray_spaces_and_case_variants_are_merged_with_a_warning(tmp_path: Path) -> None:
    rows = ["a,flu", "b,Flu ", "c,flu", "d,well", "e,WELL", "f,Well"]
    data = open_data(labelled(tmp_path, *rows))
    assert data.table["target"].tolist() == ["flu", "flu", "flu", "WELL", "WELL", "WELL"]
    assert (
        "warning: labels.csv: column label has labels in several spellings: 'Flu ' (1) read as 'flu'; "
        "'Well' (1), 'well' (1) read as 'WELL'"
    ) in data.notes


def test_1_and_1_point_0_are_one_label(tmp_path: Path) -> None:
    data = open_data(labelled(tmp_path, "a,1", "b,0", "c,1.0", "d,1"))
    assert data.table["target"].tolist() == ["1", "0", "1", "1"] and "'1.0' (1) read as '1'" in said(data)


def test_a_space_behind_every_comma_is_no_warning(tmp_path: Path) -> None:
    data = open_data(labelled(tmp_path, "a, flu", "b, well", "c, flu", header="file, label"))
    assert data.table["target"].tolist() == ["flu", "well", "flu"] and "warning" not in said(data)


@pytest.mark.parametrize("blank", ["", "  ", "NaN", "n/a", "NULL"])
def test_blank_labels_are_counted_and_listed(tmp_path: Path, blank: str) -> None:
    rows = [f"x{i},{blank}" for i in range(12)]
    path = labelled(tmp_path, "a,flu", "", '"b\n",well', *rows)
    with pytest.raises(DataError) as error:
        open_data(path)
    # An empty line and a line break in quotes count as lines of the file, so the first blank is on line 6.
    message = str(error.value)
    assert "12 rows have no label in column label: lines 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 and 2 more" in message


def test_blanks_in_any_of_several_columns(tmp_path: Path) -> None:
    path = labelled(tmp_path, "a,1,0", "b,1,", header="file,mass,edema")
    with pytest.raises(DataError, match="1 rows have no label in column edema: lines 3"):
        open_data(path, label_column=("mass", "edema"))


def test_rows_whose_file_is_missing_are_counted_and_listed(tmp_path: Path) -> None:
    rows = [f"gone{i:02d}.png,flu" for i in range(12)]
    with pytest.raises(DataError) as error:
        open_data(labelled(tmp_path, "a,flu", "b,well", *rows))
    message = str(error.value)
    assert "12 images do not exist" in message and "gone09.png and 2 more" in message and "gone10" not in message


def test_the_same_file_under_two_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"same file has different labels: .*/b\.png \('flu', 'well'\);"):
        open_data(labelled(tmp_path, "a,flu", "b,flu", "b.png,well"))
    with pytest.raises(DataError, match=r"listed more than once: .*/b\.png\."):
        open_data(labelled(tmp_path, "a,flu", "b,well", "b.png,Well"))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["file,label", "a,flu", "b,flu"], r"labels\.csv: there is one class \(flu\)"),
        (["file,label", "a,flu", "b,Flu "], r"labels\.csv: there is one class \((flu|Flu)\)"),
        (["file,label", "a,flu", ",well"], "1 rows have no image in column file: lines 3"),
        (["file,label"], "has a header and no rows"),
        (["picture,label", "a,flu"], "no column with the image files.*--image-column"),
        (["file,age", "a,30"], "no column with the mask files.*none with labels, which would be label.*--label-column"),
        (["file,label,patient,split", "a,x,p,train", "b,y,p,test"], r"more than one split: p\."),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, lines: list[str], says: str) -> None:
    path = labelled(tmp_path)
    with pytest.raises(DataError, match=says):
        open_data(table(path, *lines))


def test_a_column_of_free_text_is_no_label(tmp_path: Path) -> None:
    put(tmp_path, [f"{i}.png" for i in range(40)])
    path = table(tmp_path / "list.csv", "file,label,diagnosis", *[f"{i}.png,text {i},{i % 20}" for i in range(40)])
    with pytest.raises(DataError, match=r"40 different labels for 40 images.*--label-column"):
        open_data(path)
    assert len(names(open_data(path, label_column="diagnosis"))) == 20


def test_a_group_column_with_blanks(tmp_path: Path) -> None:
    data = open_data(labelled(tmp_path, "a,x,p", "b,y,", "c,x,p", "d,y,", header="file,label,patient"))
    assert data.table["group"].tolist() == ["p", "image b", "p", "image d"]
    assert "3 groups; 2 images without one stand alone" in said(data)


# -- masks and labels ----------------------------------------------------------------------------------------------


def both(folder: Path) -> Path:
    """images/ and masks/, and a table that names the images' ids and their diagnosis."""
    put(folder, [f"images/{s}.jpg" for s in "abc"] + [f"masks/{s}.png" for s in "abc"])
    table(folder / "a.csv", "image_id,diagnosis", "x,nevus", "y,mole")
    table(folder / "z.csv", "image_id,diagnosis", "a,mole", "x,nevus", "y,nevus", "z,mole")
    return table(folder / "labels.csv", "image_id,diagnosis,split", "a,nevus,train", "b,mole,test", "c,mole,train")


def test_masks_come_before_labels_unless_asked(tmp_path: Path) -> None:
    both(tmp_path / "skin")
    masks = open_data(tmp_path / "skin")
    assert masks.task == "segmentation" and masks.classes is None
    assert "column diagnosis could be a label; --task classification learns it, not the masks" in masks.notes
    assert "could be a label" not in said(open_data(tmp_path / "skin", task="segmentation"))
    for options in ({"task": "classification"}, {"label_column": "diagnosis"}):
        data = open_data(tmp_path / "skin", **options)
        assert data.table["target"].tolist() == ["nevus", "mole", "mole"] and data.name == "skin"
        assert data.table["image"].tolist() == [str(tmp_path / "skin" / "images" / f"{s}.jpg") for s in "abc"]
        assert data.split_counts() == {"train": 2, "val": 0, "test": 1} and "images found in images/" in data.notes


def test_a_table_of_labels_beside_masks_says_how_to_get_these(tmp_path: Path) -> None:
    data = open_data(both(tmp_path))
    assert data.task == "classification"
    assert "images/ and masks/ lie beside the table: give their folder to learn the masks" in data.notes
    with pytest.raises(DataError, match=r"no column with the mask files.*Or give the folder"):
        open_data(tmp_path / "labels.csv", task="segmentation")


def test_a_table_with_masks_and_labels(tmp_path: Path) -> None:
    put(tmp_path, ["a.jpg", "b.jpg", "am.png", "bm.png"])
    path = table(tmp_path / "list.csv", "image,mask,label", "a.jpg,am.png,x", "b.jpg,bm.png,y")
    masks = open_data(path)
    assert masks.task == "segmentation" and "column label could be a label" in said(masks)
    data = open_data(path, task="classification")
    assert data.labels.tolist() == [0, 1] and "list.csv: the masks of column mask are not used" in data.notes
    assert open_data(path, label_column="label").task == "classification"


def test_a_folder_whose_table_gives_the_labels(tmp_path: Path) -> None:
    put(tmp_path, [f"images/{s}.jpg" for s in "abc"])
    table(tmp_path / "list.csv", "image_id,dx", "a,nevus", "b,mole", "c,mole")
    assert open_data(tmp_path).table["target"].tolist() == ["nevus", "mole", "mole"]


def test_a_label_column_goes_before_class_folders(tmp_path: Path) -> None:
    put(tmp_path, ["x/1.png", "x/2.png", "y/3.png"])
    table(tmp_path / "list.csv", "file,sex", "x/1.png,f", "x/2.png,m", "y/3.png,f")
    assert open_data(tmp_path).table["target"].tolist() == ["x", "x", "y"]
    assert open_data(tmp_path, label_column="sex").table["target"].tolist() == ["f", "m", "f"]


def test_images_of_an_isic_challenge_keep_their_split(tmp_path: Path) -> None:
    for stage, stems in (("Training", "abc"), ("Test", "de")):
        put(tmp_path / f"ISIC-2017_{stage}_Data", [f"ISIC_{s}.jpg" for s in stems])
        put(tmp_path / f"ISIC-2017_{stage}_Part1_GroundTruth", [f"ISIC_{s}_segmentation.png" for s in stems])
    rows = [f"ISIC_{s},{label}" for s, label in zip("abcde", "xyxxy", strict=True)]
    table(tmp_path / "part3.csv", "image_id,diagnosis", *rows)
    assert open_data(tmp_path).task == "segmentation"
    data = open_data(tmp_path, task="classification")
    assert data.labels.tolist() == [0, 1, 0, 0, 1]
    assert data.table["split"].tolist() == ["train"] * 3 + ["test"] * 2


def test_wishes_that_the_data_cannot_meet(tmp_path: Path) -> None:
    both(tmp_path)
    with pytest.raises(DataError, match=r"no CSV in this folder names its images and has the label column \(grade\)"):
        open_data(tmp_path, label_column="grade")
    with pytest.raises(DataError, match="classes nevus, mole are asked for, and the data has masks"):
        open_data(tmp_path, classes=("nevus", "mole"))
    with pytest.raises(DataError, match=r"a label column \(diagnosis\) is for classification"):
        open_data(tmp_path, label_column="diagnosis", task="segmentation")
    with pytest.raises(DataError, match=r"no column with the label; recognised are label,.*--label-column"):
        open_data(table(tmp_path / "other.csv", "image_id,age", "a,1"), task="classification")
    with pytest.raises(DataError, match="no layout that is understood"):
        open_data(put(tmp_path / "classes", ["a/1.png", "b/2.png"]), task="segmentation")
