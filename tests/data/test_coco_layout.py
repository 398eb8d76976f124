"""COCO annotations as masks and labels: where files lie, what is drawn, what is said and what is refused."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as oracle

from medgraft.data import Manifest, PixelStore, read_mask
from medgraft.data.layouts import drawn_masks, open_data
from medgraft.data.problems import collecting
from medgraft.errors import DataError

HEIGHT, WIDTH = 6, 8
CATEGORIES = [{"id": 7, "name": "nerve"}, {"id": 2, "name": "cyst"}, {"id": 3, "name": "never"}]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "masks"


def image(path: Path, height: int = HEIGHT, width: int = WIDTH) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width), 90, np.uint8)).save(path)


def square(left: float, top: float, side: float) -> list[list[float]]:
    return [[left, top, left + side, top, left + side, top + side, left, top + side]]


def entries(*names: str) -> list[dict[str, Any]]:
    return [{"id": i, "file_name": name, "height": HEIGHT, "width": WIDTH} for i, name in enumerate(names, start=11)]


def annotations(*of: tuple[int, int, object], **more: object) -> list[dict[str, Any]]:
    return [
        {"id": i, "image_id": image, "category_id": category, "segmentation": outline, **more}
        for i, (image, category, outline) in enumerate(of, start=101)
    ]


def written(path: Path, images: Any, found: Any, categories: Any = CATEGORIES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": found, "categories": categories}), encoding="utf-8")
    return path


def masks(data: Manifest) -> list[list[list[int]]]:
    return [read_mask(file).tolist() for file in data.table["target"]]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Two images; a.png has a cyst of 4 x 4 pixels with a nerve of 2 x 2 on it, and b.png a nerve alone."""
    for name in ("a.png", "b.png"):
        image(tmp_path / "set" / "images" / name)
    found = annotations((11, 7, square(2, 2, 2)), (11, 2, square(1, 1, 4)), (12, 7, square(0, 0, 1)))
    return written(tmp_path / "set" / "annotations.json", entries("a.png", "b.png"), found)


def spoilt(tiny: Path, **changes: Any) -> Path:
    """The file with a change to its first annotation, or where the name is that of a list, of that list."""
    found = json.loads(tiny.read_text())
    for name, value in changes.items():
        if name in found:
            found[name] = value
        else:
            found["annotations"][0][name] = value
    tiny.write_text(json.dumps(found))
    return tiny


EXPECTED = [
    [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 0, 0, 0],
        [0, 1, 2, 2, 1, 0, 0, 0],
        [0, 1, 2, 2, 1, 0, 0, 0],
        [0, 1, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ],
    [[2] + [0] * 7] + [[0] * 8] * 5,
]


def test_masks_by_hand(tiny: Path) -> None:
    data = open_data(tiny.parent)
    assert data.task == "segmentation" and data.name == "set" and not data.has_split
    assert data.table["id"].tolist() == ["a", "b"]
    assert masks(data) == EXPECTED
    assert data.mask_values == {"0": "background", "1": "cyst", "2": "nerve"}
    assert data.notes == (
        "COCO annotations of 2 images in annotations.json",
        "annotations: cyst 1, nerve 2",
        "categories that no annotation has are left out: never",
        "where annotations overlap, the smaller one lies on top",
    )


def test_the_smaller_lies_on_top_whatever_the_order_of_the_file(tiny: Path) -> None:
    turned = json.loads(tiny.read_text())["annotations"][::-1]
    assert masks(open_data(spoilt(tiny, annotations=turned))) == EXPECTED


def test_of_two_of_one_size_the_later_lies_on_top(tiny: Path) -> None:
    found = annotations((11, 7, square(0, 0, 2)), (11, 2, square(1, 1, 2)), (12, 2, square(0, 0, 1)))
    mask = np.array(masks(open_data(spoilt(tiny, annotations=found)))[0])
    assert mask[1, 1] == 1 and mask[0, 0] == 2


def test_the_store_has_the_classes_by_name(tiny: Path) -> None:
    data = open_data(tiny)
    store = PixelStore.open(data, 32)
    assert store.classes is not None and store.classes.names == ("background", "cyst", "nerve")
    assert store.foreground.tolist() == [16 / 48, 1 / 48]
    merged = PixelStore.open(data, 32, mask_values={"0": "background", "1-2": "any"})
    assert merged.classes is not None and merged.classes.names == ("background", "any")


def test_a_single_category_is_255(tiny: Path) -> None:
    found = annotations((11, 7, square(2, 2, 2)), (12, 7, square(0, 0, 1)))
    data = open_data(spoilt(tiny, annotations=found))
    assert data.mask_values == {"0": "background", "255": "nerve"}
    assert [set(np.unique(mask)) for mask in masks(data)] == [{0, 255}] * 2
    assert not any("overlap" in note for note in data.notes)


def test_what_is_called_background_is_background(tiny: Path) -> None:
    categories = [{"id": 7, "name": "Background"}, {"id": 2, "name": "cyst"}]
    data = open_data(spoilt(tiny, categories=categories))
    assert data.mask_values == {"0": "background", "255": "cyst"}
    assert masks(data)[0][2] == [0, 255, 0, 0, 255, 0, 0, 0]


def test_an_image_without_annotation_has_an_empty_mask_and_that_is_said(tiny: Path) -> None:
    data = open_data(spoilt(tiny, annotations=annotations((11, 7, square(2, 2, 2)))))
    assert np.sum(masks(data)[1]) == 0
    assert "an empty mask, as COCO means it, for 1 image without an annotation: b.png" in data.notes


@pytest.mark.parametrize("packed", [True, False])
def test_run_lengths_are_drawn_exactly(tiny: Path, packed: bool) -> None:
    shape = np.random.default_rng(0).integers(0, 2, (HEIGHT, WIDTH), np.uint8)
    outline = oracle.encode(np.asfortranarray(shape))
    outline["counts"] = outline["counts"].decode()
    if not packed:
        columns = shape.T.ravel()
        turns = np.flatnonzero(np.diff(columns, prepend=0, append=2))
        outline = {"size": [HEIGHT, WIDTH], "counts": np.diff(turns, prepend=0).tolist()}
    data = open_data(spoilt(tiny, annotations=annotations((11, 7, outline), iscrowd=1)))
    assert (np.array(masks(data)[0]) == shape * 255).all()
    assert "outlines of a crowd (iscrowd) drawn like the others: 1" in data.notes


@pytest.mark.parametrize("outline", [[], None])
def test_boxes_are_filled_where_there_is_no_outline(tiny: Path, outline: object) -> None:
    data = open_data(spoilt(tiny, segmentation=outline, bbox=[2, 2, 2, 2]))
    assert masks(data) == EXPECTED
    assert "filled boxes, as there is no outline, for 1 of 3 annotations" in data.notes


def test_what_reaches_beyond_the_image_is_cut_and_said(tiny: Path) -> None:
    data = open_data(spoilt(tiny, segmentation=square(-3, -3, 5)))
    assert masks(data)[0][0] == [2, 2, 0, 0, 0, 0, 0, 0] and masks(data)[0][1] == [2, 1, 1, 1, 1, 0, 0, 0]
    assert data.notes[-1] == "1 shape beyond the border of the image, cut off there"


@pytest.mark.parametrize("outline", [square(2.6, 2.6, 0.3), square(20, 20, 3), [[1, 1, 2, 2, 3, 3]]])
def test_what_covers_no_pixel_is_warned_of(tiny: Path, outline: object) -> None:
    data = open_data(spoilt(tiny, segmentation=outline))
    assert set(np.unique(masks(data)[0])) == {0, 1}
    assert data.notes[-1] == "warning: 1 shape without any pixel in the image: annotation 101 (a.png)"
    assert open_data(tiny).notes == data.notes, "what was met while drawing is kept with the masks"


# Where files lie


def _put(folder: Path, file: str, images: list[str], places: str) -> None:
    for name in images:
        image(folder / places / name)
    category = 7 if "train" in file else 2
    written(folder / file, entries(*images), annotations(*((11 + i, category, square(1, 1, 3)) for i in (0, 1))))


@pytest.mark.parametrize(
    ("train", "val", "places"),
    [
        ("annotations/instances_train2017.json", "annotations/instances_val2017.json", ("train2017", "val2017")),
        ("annotations/train.json", "annotations/val.json", ("images/train", "images/val")),
        ("train/_annotations.coco.json", "valid/_annotations.coco.json", ("train", "valid")),
        ("train/labels.json", "valid/labels.json", ("train/data", "valid/data")),
        ("train.json", "validation.json", ("images", "images")),
        ("Annotations/instances_train.json", "Annotations/instances_val.json", ("train", "val")),
    ],
)
def test_usual_folders_and_their_splits(tmp_path: Path, train: str, val: str, places: tuple[str, str]) -> None:
    root = tmp_path / "set"
    _put(root, train, ["1.png", "2.png"], places[0])
    _put(root, val, ["3.png", "4.png"] if places[0] == places[1] else ["1.png", "2.png"], places[1])
    data = open_data(root)
    assert data.split_counts() == {"train": 2, "val": 2, "test": 0}
    assert [Path(file).parent for file in data.table["image"]] == [root / places[0]] * 2 + [root / places[1]] * 2
    assert [int(np.max(mask)) for mask in masks(data)] == [2, 2, 1, 1]
    assert "; the files read as the split, 2 train, 2 val, 0 test" in data.notes[0]
    alone = open_data(root / train)
    assert len(alone) == 2 and not alone.has_split


def test_other_annotations_of_coco_beside_the_instances_are_left_alone(tmp_path: Path) -> None:
    _put(tmp_path / "set", "annotations/instances_train2017.json", ["1.png", "2.png"], "train2017")
    _put(tmp_path / "set", "annotations/person_keypoints_train2017.json", ["1.png", "2.png"], "train2017")
    (tmp_path / "set" / "annotations" / "captions_train2017.json").write_text("{}")
    (tmp_path / "set" / "annotations" / "labels.json").write_text('{"1": "cyst"}')
    assert len(open_data(tmp_path / "set")) == 2


@pytest.mark.parametrize("name", ["valid/annotations.json", "instances_more.json", "test.json"])
def test_a_broken_file_beside_whole_ones_is_refused_and_not_left_out(tmp_path: Path, name: str) -> None:
    _put(tmp_path / "set", "train/annotations.json", ["1.png", "2.png"], "train")
    broken = tmp_path / "set" / name
    broken.parent.mkdir(exist_ok=True)
    broken.write_text('{"images": [')
    with pytest.raises(DataError, match=rf"{name}: cannot be read as JSON"):
        open_data(tmp_path / "set")


def test_a_broken_file_that_is_named_as_coco_names_them(tmp_path: Path) -> None:
    image(tmp_path / "set" / "images" / "a.png")
    (tmp_path / "set" / "instances_default.json").write_text("")
    with pytest.raises(DataError, match=r"instances_default\.json: cannot be read as JSON"):
        open_data(tmp_path / "set")


@pytest.mark.parametrize("name", ["images\\a.png", "/elsewhere/pictures/a.png", "7/ab/a.png"])
def test_paths_of_another_machine(tiny: Path, name: str) -> None:
    assert open_data(spoilt(tiny, images=entries(name, "b.png"))).table["id"].tolist() == ["a", "b"]


def test_names_with_accents_and_signs(tmp_path: Path) -> None:
    names = ["Ä ö #1.png", "日本 😀.png"]
    _put(tmp_path / "set", "coco.json", names, "images")
    data = open_data(tmp_path / "set")
    assert data.table["id"].tolist() == ["Ä ö #1", "日本 😀"] and np.max(masks(data)) == 255


def test_patients_from_a_table_beside_the_file(tiny: Path) -> None:
    (tiny.parent / "patients.csv").write_text("file_name,patient,split\na.png,p1,train\nb.png,p2,test\n")
    data = open_data(tiny.parent)
    assert data.table["group"].tolist() == ["p1", "p2"] and data.table["split"].tolist() == ["train", "test"]


def test_images_that_nobody_listed_are_counted(tiny: Path) -> None:
    image(tiny.parent / "images" / "more.png")
    data = open_data(tiny.parent)
    assert len(data) == 2 and "left aside, as no annotations list it: 1 image, more.png" in data.notes


# Labels


def test_categories_as_labels(tiny: Path) -> None:
    data = open_data(tiny.parent, task="classification")
    assert data.classes is not None and data.classes.multilabel and data.classes.names == ("cyst", "nerve")
    assert data.table["target"].tolist() == ["cyst|nerve", "nerve"]
    turned = open_data(tiny, task="classification", classes=["nerve", "cyst"])
    assert turned.labels.tolist() == [[1, 1], [1, 0]] and turned.mask_values is None


def test_a_single_category_is_there_or_not(tiny: Path) -> None:
    data = open_data(spoilt(tiny, annotations=annotations((12, 7, square(0, 0, 1)))), task="classification")
    assert data.classes is not None and data.classes.names == ("no nerve", "nerve")
    assert data.labels.tolist() == [0, 1]


def test_labels_need_no_outline(tiny: Path, cache: Path) -> None:
    assert len(open_data(spoilt(tiny, segmentation=[[1]]), task="classification")) == 2
    assert not cache.exists()


# The cache


def test_masks_are_drawn_once(tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_data(tiny)
    monkeypatch.setattr(drawn_masks._Drawing, "draw", lambda *_: pytest.fail("drawn again"))
    again = open_data(tiny)
    assert again.table.equals(first.table) and again.notes == first.notes
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("changed", ["annotations", "image", "category"])
def test_what_changed_is_drawn_anew(tiny: Path, changed: str) -> None:
    before = open_data(tiny)
    if changed == "annotations":
        spoilt(tiny, segmentation=square(3, 3, 2))
    elif changed == "image":
        os.utime(tiny.parent / "images" / "a.png", ns=(1, 1))
    else:
        spoilt(tiny, categories=[{"id": 7, "name": "nerve"}, {"id": 9, "name": "cyst"}, {"id": 2, "name": "zyst"}])
    after = open_data(tiny)
    assert Path(after.table["target"][0]).parent != Path(before.table["target"][0]).parent
    assert (masks(after) == masks(before)) == (changed != "annotations")


@pytest.mark.parametrize("damage", ["emptied", "removed", "no index", "strange index"])
def test_damaged_masks_are_drawn_anew(tiny: Path, damage: str) -> None:
    file = Path(open_data(tiny).table["target"][1])
    index = file.parents[1] / "index.json"
    if damage == "emptied":
        file.write_bytes(b"")
    elif damage == "removed":
        file.unlink()
    elif damage == "no index":
        index.unlink()
    else:
        index.write_text("[]")
    assert masks(open_data(tiny)) == EXPECTED


def test_progress_is_told(tiny: Path) -> None:
    told: list[tuple[str, int, int]] = []
    open_data(tiny, progress=lambda *step: told.append(step))
    assert told == [("drawing masks", 1, 2), ("drawing masks", 2, 2)]


def test_a_cache_that_cannot_be_written(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"masks of annotations\.json cannot be drawn there .*MEDGRAFT_CACHE"):
        open_data(tiny)


# What is refused


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"segmentation": [[1, 1, 2, 2, 3, 1, 4]]}, "its polygon has 7 numbers, and x and y come in pairs"),
        ({"segmentation": [[1, 1, 2, 2]]}, "its polygon has 2 corners, and three are the least"),
        ({"segmentation": [[1, 1, math.nan, 2, 3, 3]]}, "its polygon holds what is no coordinate: nan"),
        ({"segmentation": [[1, 1, math.inf, 2, 3, 3]]}, "its polygon holds what is no coordinate: inf"),
        ({"segmentation": [[1, 1, 10**400, 2, 3, 3]]}, "its polygon holds what is no coordinate: 1000"),
        ({"segmentation": [[1, 1, "2", None, 3, 3]]}, "its polygon holds what is no coordinate: '2', None"),
        ({"segmentation": [[[1, 1], [2, 2], [3, 3]]]}, r"its polygon holds what is no coordinate: \[1, 1\]"),
        ({"segmentation": [1, 1, 2, 2, 3, 3]}, "its outline is no list of polygons"),
        ({"segmentation": "round"}, "its outline is no list of polygons"),
        ({"segmentation": []}, r"it has neither an outline \(segmentation\) nor a box \(bbox\)"),
        ({"segmentation": [], "bbox": [1, 1, 2]}, "its box is 1, 1, 2, and x, y, width and height are wanted"),
        ({"segmentation": [], "bbox": [1, 1, -2, 2]}, "its box is 1, 1, -2, 2, and x, y"),
        ({"segmentation": [], "bbox": 7}, "its box holds what is no coordinate: 7|its box holds"),
        ({"segmentation": {"size": [6, 8], "counts": [40]}}, "its RLE is 40 pixels long, and the image has 48"),
        ({"segmentation": {"size": [8, 6], "counts": [48]}}, r"its RLE is of size \[8, 6\], and the image is \[6, 8\]"),
        ({"segmentation": {"size": [6, 8], "counts": [50, -2]}}, "its RLE has a run of less than no pixel"),
        ({"segmentation": {"size": [6, 8], "counts": [2**70]}}, "its RLE has a run beyond all images"),
        ({"segmentation": {"size": [6, 8], "counts": [1.5]}}, "its RLE has no counts"),
        ({"segmentation": {"size": [6, 8], "counts": "~~"}}, "its counts are not COCO's compressed run lengths"),
    ],
)
def test_outlines_that_are_none(tiny: Path, cache: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=rf"annotations\.json, annotation 101 \(a\.png\): ({says})"):
        open_data(spoilt(tiny, **change))
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image_id": 99}, "1 annotation with a image_id that none of its images has: 99"),
        ({"category_id": 5}, "1 annotation with a category_id that none of its categories has: 5"),
        ({"category_id": None}, r"entry 0 \(from 0\) of its annotations has no category_id"),
        ({"annotations": []}, "its list of annotations is empty"),
        ({"images": []}, "its list of images is empty"),
        ({"images": [{"id": 1}]}, r"entry 0 \(from 0\) of its images has no file_name"),
        ({"images": ["a.png"]}, r"entry 0 \(from 0\) of its images has no id and no file_name"),
        ({"images": entries("a.png", "a.png")}, "several of its images have the same file_name: a.png"),
        ({"images": [entries("a.png")[0], entries("b.png")[0]]}, "several of its images have the same id: 11"),
        ({"images": entries("a.png", "images/a.png")}, "1 image annotated in several files or twice in one: "),
        ({"images": entries("x.png", "b.png")}, "1 image with annotations cannot be found: .*x.png"),
        ({"images": entries("x.png", "y" * 300)}, "2 images with annotations cannot be found: .*x.png, .*yyy"),
        ({"categories": [{"id": 7, "name": " "}]}, r"entry 0 \(from 0\) of its categories has no name"),
        (
            {"categories": [{"id": 7, "name": "cyst"}, {"id": 2, "name": "Cyst"}]},
            "several categories have the same name: cyst",
        ),
        (
            {"categories": [{"id": 7, "name": "a"}, {"id": 2, "name": "b"}, {"id": 2, "name": "c"}]},
            "several of its categories have the same id: 2",
        ),
    ],
)
def test_files_that_contradict_themselves(tiny: Path, cache: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=rf"annotations\.json: {says}"):
        open_data(spoilt(tiny, **change))
    assert not cache.exists()


@pytest.mark.parametrize("size", [("height", 7), ("width", 6)])
def test_images_of_another_size_are_named(tiny: Path, cache: Path, size: tuple[str, int]) -> None:
    images = entries("a.png", "b.png")
    images[1][size[0]] = size[1]
    stated = f"{images[1]['width']} x {images[1]['height']}"
    with pytest.raises(DataError, match=rf"b\.png is 8 x 6 pixels, and annotations\.json says {stated}"):
        open_data(spoilt(tiny, images=images))
    assert list(cache.iterdir()) == []


def test_sizes_need_not_be_said_but_must_be_sizes(tiny: Path) -> None:
    bare = [{"id": one["id"], "file_name": one["file_name"]} for one in entries("a.png", "b.png")]
    assert masks(open_data(spoilt(tiny, images=bare))) == EXPECTED
    with pytest.raises(DataError, match=r"annotations\.json: the image a\.png has height 'six' and width 8"):
        open_data(spoilt(tiny, images=[{**bare[0], "height": "six", "width": 8}, bare[1]]))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read as JSON"),
        ("", "cannot be read as JSON"),
        ("\ufffe", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[1]", "is no file of COCO instances: it holds list; wanted are the lists images, annotations, categories"),
        ("{}", "is no file of COCO instances: it holds an object with nothing"),
        ('{"images": [], "shapes": []}', "it holds an object with images, shapes; wanted are the lists"),
        ('{"images": {}, "annotations": {}, "categories": {}}', "it holds an object with images, annotations, cat"),
    ],
)
def test_json_that_is_not_coco(tiny: Path, text: str, says: str) -> None:
    tiny.write_text(text, encoding="utf-16" if text == "\ufffe" else "utf-8")
    with pytest.raises(DataError, match=rf"annotations\.json: .*{says}"):
        open_data(tiny)


def test_a_byte_order_mark_is_read(tiny: Path) -> None:
    tiny.write_bytes(b"\xef\xbb\xbf" + tiny.read_bytes())
    assert masks(open_data(tiny)) == EXPECTED


def test_all_that_is_missing_is_counted_and_ten_are_listed(tiny: Path) -> None:
    names = [f"{i:02d}.png" for i in range(14)]
    with pytest.raises(DataError, match=r"14 images .* cannot be found: .*00\.png, .*09\.png and 4 more\. Put the"):
        open_data(spoilt(tiny, images=entries(*names)))


def test_two_files_for_one_image(tiny: Path) -> None:
    written(tiny.with_name("instances.json"), entries("b.png"), annotations((11, 7, square(1, 1, 2))))
    with pytest.raises(
        DataError, match=r"1 image annotated in several files.*b\.png \(annotations\.json and instances\.json\)"
    ):
        open_data(tiny.parent)


def test_a_file_of_a_split_beside_one_of_none(tiny: Path) -> None:
    written(tiny.with_name("train.json"), entries("b.png"), annotations((11, 7, square(1, 1, 2))))
    with pytest.raises(DataError, match=r"of its files of annotations, annotations\.json tells no split by its name"):
        open_data(tiny.parent)


def test_categories_that_differ_between_files(tmp_path: Path) -> None:
    for split, names in (("train", ["cyst", "nerve"]), ("val", ["nerve", "cyst"])):
        _put(tmp_path / "set", f"{split}.json", [f"{split}{i}.png" for i in (1, 2)], "images")
        spoilt(
            tmp_path / "set" / f"{split}.json",
            categories=[{"id": i, "name": name} for i, name in zip((2, 7), names, strict=True)],
        )
    with pytest.raises(DataError, match=r"the category 2 is 'cyst' in one file and 'nerve' in .*val\.json; number"):
        open_data(tmp_path / "set")


def test_wishes_that_annotations_cannot_fulfil(tiny: Path) -> None:
    with pytest.raises(DataError, match="annotations have no columns, and the label column x is asked for"):
        open_data(tiny, label_column="x")
    with pytest.raises(DataError, match="there is no CSV beside the folders that could hold the column 'patient'"):
        open_data(tiny, group="patient")


def test_an_inspection_is_told_of_all_and_sees_the_rest(tiny: Path) -> None:
    """Of three images, one is not there and one is of another size."""
    image(tiny.parent / "images" / "c.png")
    images = entries("a.png", "b.png", "c.png", "d.png")
    images[1]["width"] = 9
    with collecting() as problems:
        data = open_data(spoilt(tiny, images=images))
    assert [problem.kind for problem in problems] == ["missing images", "masks not drawn"]
    assert problems[0].places == (str(tiny.parent / "d.png"),)
    assert problems[1].places == (str(tiny.parent / "images" / "b.png"),)
    assert data.table["id"].tolist() == ["a", "c"] and masks(data)[0] == EXPECTED[0]


def test_images_left_out_are_not_asked_for(tiny: Path) -> None:
    image(tiny.parent / "images" / "c.png")
    spoilt(tiny, images=[*entries("a.png", "b.png", "c.png"), {"id": 99, "file_name": "gone.png"}])
    (tiny.parent / "out.txt").write_text("images/c.png\ngone\n")
    data = open_data(tiny.parent, exclude=tiny.parent / "out.txt")
    assert masks(data) == EXPECTED and "out.txt: 2 images left out" in data.notes
