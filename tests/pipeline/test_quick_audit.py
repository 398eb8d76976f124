"""What a training says of its data by itself: copies across splits, labels at odds, rare classes; else nothing."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from medgraft.data import PixelStore, open_data
from medgraft.pipeline.quick_audit import remarks


def picture(seed, side=64):
    coarse = np.random.default_rng(seed).integers(20, 230, (9, 9)).astype(np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def table(tmp_path):
    """Write a table of pictures (seed or pixels, label, split); returns its remarks."""

    def write(rows, depth=np.uint8):
        lines = ["file,label,split"]
        for number, (pixels, label, split) in enumerate(rows):
            pixels = picture(pixels) if isinstance(pixels, int) else pixels
            cv2.imwrite(str(tmp_path / f"{number:02d}.png"), pixels.astype(depth) * (257 if depth == np.uint16 else 1))
            lines.append(f"{number:02d}.png,{label},{split}")
        (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
        manifest = open_data(tmp_path / "labels.csv")
        return remarks(manifest, PixelStore.open(manifest, 64))

    return write


def rows(count=24):
    return [(seed, "xy"[seed % 2], "test" if seed > 17 else "train") for seed in range(count)]


def test_nothing_to_say(table):
    assert table(rows()) == []


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_copies_across_splits(table, depth):
    again = [(3, "y", "test"), (cv2.GaussianBlur(picture(5), (3, 3), 0)[:, ::-1], "y", "test")]
    assert table(rows() + again, depth) == [
        "warning: 1 pair of equal images in two splits: 03 (train) and 24 (test); medgraft inspect shows them",
        "warning: 1 pair of near-duplicates in two splits: 05 (train) and 25 (test); medgraft inspect shows them",
    ]


def test_copies_within_a_split_are_left_to_an_inspection(table):
    assert table([*rows(), (3, "y", "train")]) == []


def test_equal_images_with_different_labels(table):
    (said,) = table([*rows(), (3, "x", "train")])
    assert said.startswith("warning: 1 pair of equal images with different labels: 03 (train) and 24 (train)")


def test_a_class_of_a_few_images(table):
    (said,) = table([*rows(), (40, "z", "train"), (41, "z", "test")])
    assert said == "warning: 1 class has fewer than 10 images: z (2)"


def test_many_pairs_are_cut_short(table):
    (said,) = table([*rows(), *[(seed, "xy"[seed % 2], "test") for seed in range(8)]])
    assert said.startswith("warning: 8 pairs of equal images in two splits") and "and 3 more" in said


def test_it_takes_a_fraction_of_the_decoding(table, tmp_path):
    table(rows(60))
    manifest = open_data(tmp_path / "labels.csv")
    start = time.perf_counter()
    store = PixelStore.open(manifest, 224, workers=1)
    decoding = time.perf_counter() - start
    start = time.perf_counter()
    remarks(manifest, store)
    # A second for 1000 images of 224 pixels; ten times that, for a machine at work.
    assert time.perf_counter() - start < max(0.6, 2 * decoding)
