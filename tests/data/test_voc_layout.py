"""Pascal VOC annotations as masks and labels: boxes counted from 1, palette masks, official sets, hostile XML."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medgraft.data import Manifest, PixelStore, read_mask
from medgraft.data.layouts import drawn_masks, open_data
from medgraft.data.layouts.shapes import Outlines
from medgraft.data.layouts.voc_xml import read_description
from medgraft.data.problems import collecting
from medgraft.errors import DataError

HEIGHT, WIDTH = 6, 8
SIZE = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>1</depth></size>"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "masks"


def thing(name: str, *edges: object) -> str:
    box = "".join(f"<{tag}>{edge}</{tag}>" for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True))
    return f"<object><name>{name}</name><bndbox>{box}</bndbox></object>"


def described(root: Path, stem: str, *things: str, size: str = SIZE) -> Path:
    """An image and its annotation."""
    for folder in ("Annotations", "JPEGImages"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH), 90, np.uint8)).save(root / "JPEGImages" / f"{stem}.png")
    file = root / "Annotations" / f"{stem}.xml"
    file.write_text(f"<annotation><filename>{stem}.png</filename>{size}{''.join(things)}</annotation>")
    return file


def listed(root: Path, kind: str, **sets: str) -> None:
    folder = root / "ImageSets" / kind
    folder.mkdir(parents=True, exist_ok=True)
    for name, stems in sets.items():
        (folder / f"{name}.txt").write_text("\n".join(stems.split(",")) + "\n")


def masks(data: Manifest) -> list[list[list[int]]]:
    return [read_mask(file).tolist() for file in data.table["target"]]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """a has a nerve of 2 x 2 pixels on a cyst of 4 x 4, b the nerve alone, in its upper left corner."""
    root = tmp_path / "set"
    described(root, "a", thing("nerve", 3, 3, 4, 4), thing("cyst", 2, 2, 5, 5))
    described(root, "b", thing("nerve", 1, 1, 1, 1))
    return root


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


def test_boxes_by_hand(tiny: Path) -> None:
    data = open_data(tiny)
    assert data.task == "segmentation" and data.name == "set" and not data.has_split
    assert data.table["id"].tolist() == ["a", "b"] and masks(data) == EXPECTED
    assert data.mask_values == {"0": "background", "1": "cyst", "2": "nerve"}
    assert data.notes == (
        "folders of Pascal VOC: 2 images",
        "objects: cyst 1, nerve 2",
        "there are no masks, only boxes; they are filled",
        "where boxes overlap, the smaller one lies on top",
    )


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_box_from_first_to_last_pixel(data: st.DataObject) -> None:
    """Both ends are meant, and the first pixel is 1: the box holds (last - first + 1) pixels each way."""
    left, top = data.draw(st.integers(1, WIDTH)), data.draw(st.integers(1, HEIGHT))
    right, bottom = data.draw(st.integers(left, WIDTH)), data.draw(st.integers(top, HEIGHT))
    shape = Outlines.box(*_boxes(thing("x", left, top, right, bottom))[0])
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    shape.paint(mask, 1)
    assert mask[top - 1 : bottom, left - 1 : right].all()
    assert mask.sum() == (right - left + 1) * (bottom - top + 1) == shape.area


def test_a_box_beyond_the_image_is_cut(tiny: Path) -> None:
    described(tiny, "b", thing("nerve", 7, 5, 30, 40))
    data = open_data(tiny)
    assert masks(data)[1][4:] == [[0, 0, 0, 0, 0, 0, 2, 2]] * 2 and np.sum(masks(data)[1]) == 8
    assert data.notes[-1] == "1 shape beyond the border of the image, cut off there"


def test_an_annotation_without_objects_is_an_empty_mask(tiny: Path) -> None:
    described(tiny, "b")
    data = open_data(tiny)
    assert np.sum(masks(data)[1]) == 0
    assert "an empty mask for 1 annotation without an object: b.xml" in data.notes


def test_masks_are_drawn_once_and_anew_when_an_annotation_changes(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_data(tiny)
    with monkeypatch.context() as patch:
        patch.setattr(drawn_masks._Drawing, "draw", lambda *_: pytest.fail("drawn again"))
        assert open_data(tiny).table.equals(first.table)
    described(tiny, "b", thing("nerve", 2, 1, 2, 1))
    assert masks(open_data(tiny))[1][0] == [0, 2, 0, 0, 0, 0, 0, 0]


# Official sets and palette masks


def test_official_sets(tiny: Path) -> None:
    for stem in ("c", "d", "unlisted"):
        described(tiny, stem, thing("cyst", 1, 1, 2, 2))
    listed(tiny, "Main", train="a,c", val="b,d", trainval="a,c,b,d", cyst_train="a 1,c -1")
    data = open_data(tiny)
    assert data.table["id"].tolist() == ["a", "c", "b", "d"]
    assert data.table["split"].tolist() == ["train", "train", "val", "val"]
    assert data.notes[0] == "folders of Pascal VOC: 4 images; ImageSets/Main/ read as the split, 2 train, 2 val, 0 test"
    assert "left aside, as not listed or without a mask: 1 image, unlisted" in data.notes


@pytest.mark.parametrize("name", ["train", "trainval"])
def test_one_list_alone_is_no_split(tiny: Path, name: str) -> None:
    described(tiny, "c", thing("cyst", 1, 1, 2, 2))
    listed(tiny, "Main", **{name: "a,b"})
    data = open_data(tiny)
    assert data.table["id"].tolist() == ["a", "b"] and not data.has_split


def palette_mask(root: Path, stem: str, values: list[list[int]]) -> None:
    (root / "SegmentationClass").mkdir(exist_ok=True)
    picture = Image.fromarray(np.array(values, np.uint8)).convert("P")
    picture.putpalette([(index * 37 + shade) % 256 for index in range(256) for shade in (0, 85, 170)])
    picture.putdata(np.ravel(values).tolist())
    picture.save(root / "SegmentationClass" / f"{stem}.png")


def voc(root: Path) -> Path:
    """Three images of VOC's own classes, two of which have masks: dog (12) and person (15) with their borders."""
    for stem, name in (("a", "dog"), ("b", "person"), ("c", "cat")):
        described(root, stem, thing(name, 2, 2, 5, 5))
    ring = [[0] * 8, [0, 255, 255, 255, 255, 0, 0, 0], [0, 255, 12, 12, 255, 0, 0, 0], *[[0] * 8] * 3]
    palette_mask(root, "a", ring)
    palette_mask(root, "b", [[15] * 8] * 3 + [[255] * 8] * 3)
    return root


def test_masks_of_voc_are_used_and_borders_are_background(tmp_path: Path, cache: Path) -> None:
    root = voc(tmp_path / "VOC2012")
    listed(root, "Main", train="a,b", val="c")
    listed(root, "Segmentation", train="a", val="b", trainval="a,b")
    data = open_data(root)
    assert data.name == "VOC2012" and data.table["split"].tolist() == ["train", "val"]
    assert [Path(mask).parent for mask in data.table["target"]] == [root / "SegmentationClass"] * 2
    assert "left aside, as not listed or without a mask: 1 image, c" in data.notes
    assert any("255, the undecided border of objects, is background" in note for note in data.notes)
    store = PixelStore.open(data, 32)
    assert store.classes is not None and store.classes.count == 21
    assert store.classes.names[12] == "dog" and store.classes.names[15] == "person"
    assert store.foreground.tolist() == [2 / 48, 24 / 48]
    assert set(np.unique(store.masks)) == {0, 12, 15} and not cache.exists()


def test_without_lists_the_images_with_a_mask_are_taken(tmp_path: Path) -> None:
    data = open_data(voc(tmp_path / "set"))
    assert data.table["id"].tolist() == ["a", "b"] and not data.has_split


def test_masks_of_other_classes_are_left_to_the_user(tiny: Path) -> None:
    for stem in ("a", "b"):
        palette_mask(tiny, stem, EXPECTED[0])
    data = open_data(tiny)
    assert data.mask_values is None
    assert any("the objects (cyst, nerve) are not VOC's own" in note for note in data.notes)
    with pytest.raises(DataError, match=r"values 0 .*, 1 .*, 2 .* Map them, for example --mask-values"):
        PixelStore.open(data, 32)


def test_an_official_image_without_its_mask(tmp_path: Path) -> None:
    root = voc(tmp_path / "set")
    listed(root, "Segmentation", train="a", val="b,c")
    with pytest.raises(DataError, match="1 image without a mask in SegmentationClass/: c"):
        open_data(root)


def test_an_image_in_two_sets(tiny: Path) -> None:
    listed(tiny, "Main", train="a,b", val="b")
    with pytest.raises(DataError, match="1 image listed twice in ImageSets/: b"):
        open_data(tiny)


# Labels


def test_classes_as_labels(tiny: Path) -> None:
    data = open_data(tiny, task="classification")
    assert data.classes is not None and data.classes.multilabel and data.classes.names == ("cyst", "nerve")
    assert data.table["target"].tolist() == ["cyst|nerve", "nerve"]


def test_patients_from_a_table_beside_the_folders(tiny: Path) -> None:
    (tiny / "patients.csv").write_text("name,patient\na,p1\nb,p2\n")
    assert open_data(tiny).table["group"].tolist() == ["p1", "p2"]


# What is refused

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<annotation><object><name>&b;</name></object></annotation>"
)
OUTSIDE = '<!DOCTYPE z [<!ENTITY a SYSTEM "file:///etc/hostname">]><annotation><filename>&a;</filename></annotation>'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"<annotation><object>", r"cannot be read as XML \(no element found"),
        (b"", r"cannot be read as XML \(no element found"),
        (b"\x89PNG\r\n", r"cannot be read as XML \(not well-formed"),
        (b'<?xml version="1.0" encoding="nonsense"?><annotation/>', "cannot be read as XML"),
        (BOMB.encode(), r"cannot be read as XML \(it has a document type \(DOCTYPE\)"),
        (BOMB.encode("utf-16"), r"cannot be read as XML \(it has a document type \(DOCTYPE\)"),
        (OUTSIDE.encode(), r"cannot be read as XML \(it has a document type \(DOCTYPE\)"),
        (b"<html/>", "begins with <html>, and a VOC file begins with <annotation>"),
        (b"<annotation><object/></annotation>", "object 1 has no name"),
        (b"<annotation><object><name>x</name></object></annotation>", r"object 1 \(x\) has no box"),
        (thing("x", 1, 1, 2, "nan"), "the box of object 1 has ymax 'nan', which is no coordinate"),
        (thing("x", 1, "one", 2, 3), "the box of object 1 has ymin 'one', which is no coordinate"),
        (thing("x", 1, 1, 2, ""), "the box of object 1 has ymax '', which is no coordinate"),
        (thing("x", 5, 1, 2, 3), r"the box of object 1 \(x\) ends before it begins"),
        ("<size><width>wide</width><height>6</height></size>", "has height '6' and width 'wide'"),
    ],
)
def test_annotations_that_cannot_be_used(tiny: Path, cache: Path, text: str | bytes, says: str) -> None:
    written = text if isinstance(text, bytes) else f"<annotation>{text}</annotation>".encode()
    (tiny / "Annotations" / "b.xml").write_bytes(written)
    with pytest.raises(DataError, match=rf"b\.xml: {says}"):
        open_data(tiny)
    assert not cache.exists()


def test_another_size_than_the_file(tiny: Path, cache: Path) -> None:
    described(tiny, "b", thing("nerve", 1, 1, 1, 1), size=SIZE.replace("8", "9"))
    with pytest.raises(DataError, match=r"b\.png is 8 x 6 pixels, and b\.xml says 9 x 6"):
        open_data(tiny)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("size", ["", "<size><width>0</width><height>0</height></size>"])
def test_a_size_that_is_not_said(tiny: Path, size: str) -> None:
    described(tiny, "b", thing("nerve", 1, 1, 1, 1), size=size)
    assert masks(open_data(tiny)) == EXPECTED


def test_images_and_annotations_that_lack_each_other(tiny: Path) -> None:
    described(tiny, "c", thing("cyst", 1, 1, 2, 2)).unlink()
    with pytest.raises(DataError, match="1 image without a file in Annotations/: c"):
        open_data(tiny)
    described(tiny, "c", thing("cyst", 1, 1, 2, 2))
    (tiny / "JPEGImages" / "c.png").unlink()
    with pytest.raises(DataError, match="1 name in lists or annotations without an image: c"):
        open_data(tiny)
    with collecting() as problems:
        assert len(open_data(tiny)) == 2
    assert [problem.kind for problem in problems] == ["missing images"]


def test_names_that_differ_in_case(tiny: Path) -> None:
    described(tiny, "b", thing("Cyst", 1, 1, 1, 1))
    with pytest.raises(DataError, match="objects have names that differ in case alone: Cyst, cyst"):
        open_data(tiny)


def test_no_object_at_all(tiny: Path) -> None:
    for stem in ("a", "b"):
        described(tiny, stem)
    with pytest.raises(DataError, match="none of its 2 annotations names an object"):
        open_data(tiny)


def test_two_images_of_one_name(tiny: Path) -> None:
    (tiny / "JPEGImages" / "a.jpg").write_bytes((tiny / "JPEGImages" / "a.png").read_bytes())
    with pytest.raises(DataError, match="several images have the same name: a; keep one of each"):
        open_data(tiny)


def _boxes(*things: str) -> list[tuple[float, float, float, float]]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.xml"
        file.write_text(f"<annotation>{''.join(things)}</annotation>")
        return [one.box for one in read_description(file).things]
