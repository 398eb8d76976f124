"""COCO and Pascal VOC from outside: trained, resumed, predicted with, and refused, by the command line alone."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from medgraft import Run
from medgraft.cli.main import main
from medgraft.data.layouts import open_data
from medgraft.data.layouts.unpacking import in_silence
from medgraft.pipeline import open_for
from medgraft.progress import Observer
from medgraft.recipe import Recipe

TINY = (
    *("--model", "unet", "--strategy", "scratch", "--widths", "4,8", "--size", "32", "--epochs", "1"),
    *("--precision", "fp32", "--memory-format", "contiguous", "--bootstrap", "100"),
)
HEIGHT, WIDTH = 40, 48


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty current folder, and a cache that only this test uses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


def _scenes(count, seed):
    """Images of a bright disc, a square, or both; the disc's outline and the square's corners."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        image = rng.integers(60, 110, (HEIGHT, WIDTH)).astype(np.uint8)
        x, y, radius = int(rng.integers(10, 20)), int(rng.integers(10, 30)), int(rng.integers(5, 9))
        disc = cv2.ellipse2Poly((x, y), (radius, radius), 0, 0, 360, 15)
        disc = None if number % 4 == 1 else disc
        if disc is not None:
            cv2.fillPoly(image, [disc], 220)
        square = (28, 10, 40, 22) if number % 2 else None
        if square:
            cv2.rectangle(image, square[:2], square[2:], 180, -1)
        yield image, disc, square


def _coco(root, split, count, seed):
    (root / split).mkdir(parents=True)
    images, found = [], []
    for number, (image, disc, square) in enumerate(_scenes(count, seed)):
        name = f"{split} {number}.png"
        Image.fromarray(image).save(root / split / name)
        images.append({"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH})
        if disc is not None:
            found.append({"image_id": number, "category_id": 1, "segmentation": [disc.ravel().tolist()]})
        if square:
            left, top, right, bottom = square
            box = [left, top, right - left + 1, bottom - top + 1]
            found.append({"image_id": number, "category_id": 2, "segmentation": [], "bbox": box})
    found = [{"id": i} | one for i, one in enumerate(found)]
    categories = [{"id": 0, "name": "shapes"}, {"id": 1, "name": "disc"}, {"id": 2, "name": "square"}]
    text = json.dumps({"images": images, "annotations": found, "categories": categories})
    (root / split / "_annotations.coco.json").write_text(text)


@pytest.fixture
def coco(place):
    """A folder as annotation services export it: 8 images for training, 4 to validate on, 4 to test on."""
    for seed, (split, count) in enumerate((("train", 8), ("valid", 4), ("test", 4))):
        _coco(place / "shapes", split, count, seed)
    return place / "shapes"


@pytest.fixture
def voc(place):
    """The same shapes as boxes in the folders of a challenge, half for training and half to validate on."""
    root = place / "boxes"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    names = [f"{number:06d}" for number in range(16)]
    for name, (image, disc, square) in zip(names, _scenes(16, 9), strict=True):
        Image.fromarray(image).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
        boxes = [] if disc is None else [("disc", (*disc.min(axis=0), *disc.max(axis=0)))]
        boxes += [("square", square)] if square else []
        objects = "".join(
            f"<object><name>{kind}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
            f"<xmax>{x2 + 1}</xmax><ymax>{y2 + 1}</ymax></bndbox></object>"
            for kind, (x, y, x2, y2) in boxes
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>1</depth></size>"
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{size}{objects}</annotation>")
    (root / "ImageSets/Main/train.txt").write_text("\n".join(names[:10]))
    (root / "ImageSets/Main/val.txt").write_text("\n".join(names[10:]))
    return root


def test_a_coco_folder_is_trained_on_and_its_classes_keep_their_names(coco, capsys):
    assert main(["fit", str(coco), *TINY]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("shapes: 16 images with masks (0 = background, 1 = disc, 2 = square)")
    assert lines[0].endswith("8 train, 4 val, 4 test")
    assert "  filled boxes, as there is no outline, for 8 of 20 annotations" in lines
    assert "  categories that no annotation has are left out: shapes" in lines
    run = Run(Path(lines[-1]).parent)
    assert run.model_info["classes"]["names"] == ["background", "disc", "square"]
    assert run.recipe.mask_values == {"0": "background", "1": "disc", "2": "square"}
    image = coco / "test" / "test 1.png"
    assert main(["predict", str(run.folder), str(image), "--out", "found"]) == 0
    mask = np.asarray(Image.open(next(Path("found").rglob("*.png"))))
    assert mask.shape == (HEIGHT, WIDTH)


def test_a_run_on_coco_is_resumed_with_what_it_was_started_with(coco, capsys):
    assert main(["fit", str(coco), *TINY, "--out", "run"]) == 0
    assert main(["fit", str(coco), "--out", "run", "--resume"]) == 0
    assert "finished" in capsys.readouterr().out


def test_classes_can_be_put_together(coco, capsys):
    options = ["--mask-values", "0=background,1-2=anything", "--out", "run"]
    assert main(["fit", str(coco), *TINY, *options]) == 0
    assert "0 = background, 1-2 = anything" in capsys.readouterr().out
    assert Run("run").model_info["classes"]["names"] == ["background", "anything"]


def test_the_recipe_that_a_dry_run_prints_gives_the_same_classes(coco, capsys):
    assert main(["fit", str(coco), *TINY, "--dry-run"]) == 0
    Path("recipe.yaml").write_text(capsys.readouterr().out)
    assert Recipe.load("recipe.yaml").mask_values == {"0": "background", "1": "disc", "2": "square"}
    assert main(["fit", str(coco), "--recipe", "recipe.yaml", "--out", "run"]) == 0


def test_boxes_of_voc_are_trained_on(voc, capsys):
    assert main(["fit", str(voc), *TINY, "--out", "run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("boxes: 16 images with masks (0 = background, 1 = disc, 2 = square)")
    assert "  there are no masks, only boxes; they are filled" in lines
    assert lines[-1].endswith("report.html") and Path(lines[-1]).is_file()


def test_what_images_show_is_learned_as_labels(coco, voc, capsys):
    options = ["--size", "64", "--bootstrap", "100", "--engine", "torch", "--task", "classification"]
    assert main(["fit", str(coco), *options, "--out", "coco-run"]) == 0
    assert "16 images · 2 classes (an image may have several): disc 12, square 8" in capsys.readouterr().out
    assert main(["fit", str(voc), *options, "--dry-run"]) == 0
    assert "16 images · 2 classes (an image may have several): disc 12, square 8" in capsys.readouterr().out


def test_masks_drawn_for_both_are_those_of_the_pixels(coco, voc):
    """The square covers columns 28 to 40 and rows 10 to 22, both ends included, in either format."""
    for root in (coco, voc):
        table = open_data(root).table
        for file in table["target"]:
            mask = np.asarray(Image.open(file))
            assert not (mask == 2).any() or ((mask == 2)[10:23, 28:41].all() and (mask == 2).sum() == 13 * 13)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: (root / "train" / "train 3.png").unlink(), "1 image with annotations cannot be found"),
        (
            lambda root: (root / "valid" / "_annotations.coco.json").write_text('{"images"'),
            "_annotations.coco.json: cannot be read as JSON",
        ),
        (lambda root: Image.new("L", (9, 9)).save(root / "test" / "test 0.png"), "is 9 x 9 pixels, and _annotations"),
    ],
)
def test_mistakes_are_one_sentence_and_nothing_is_left_behind(coco, place, capsys, spoil, says):
    spoil(coco)
    code = main(["fit", str(coco), *TINY, "--out", "run"])
    said = capsys.readouterr()
    assert code == 2 and said.err.startswith("error: ") and "Traceback" not in said.err
    assert says in said.err and not Path("run").exists()
    assert not list((place / "cache").glob("*/*"))


class Told(Observer):
    def __init__(self):
        self.steps = []

    def working(self, what, done, total):
        self.steps.append((what, done, total))


def test_who_watches_sees_masks_being_drawn_and_images_unpacked(coco, place):
    told = Told()
    open_for(coco, Recipe(), told)
    assert told.steps[0] == ("drawing masks", 1, 16) and told.steps[-1] == ("drawing masks", 16, 16)
    arrays = {f"{split}_images": np.zeros((3, 5, 5), np.uint8) for split in ("train", "test")}
    labels = {f"{split}_labels": np.array([0, 1, 0]) for split in ("train", "test")}
    np.savez(place / "a.npz", **arrays, **labels)
    told.steps.clear()
    open_for(place / "a.npz", Recipe(), told)
    assert told.steps == [("unpacking images", done, 6) for done in range(1, 7)]
    told.steps.clear()
    open_for(place / "a.npz", Recipe(), told)
    assert told.steps == [] and in_silence("unpacking images", 1, 6) is None
