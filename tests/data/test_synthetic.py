"""The synthetic set: deterministic, labelled, exact masks, and not solved by a threshold."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medgraft.data.layouts import open_data
from medgraft.data.synthetic import draw, generate
from medgraft.data.synthetic_lesion import paint_lesion, paint_skin
from medgraft.errors import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("synthetic") / "set", count=12, size=96, seed=3)


def test_it_opens_as_a_data_set(folder: Path) -> None:
    manifest = open_data(folder)
    assert len(manifest) == 12
    for image, mask in zip(manifest.table["image"], manifest.table["target"], strict=True):
        values = np.asarray(Image.open(mask))
        assert values.shape == (96, 96) and set(np.unique(values)) == {0, 255}
        assert np.asarray(Image.open(image)).shape == (96, 96, 3)


def test_it_says_synthetic_everywhere(folder: Path) -> None:
    assert "SYNTHETIC" in (folder / "README.md").read_text()
    assert set(pd.read_csv(folder / "labels.csv")["source"]) == {"SYNTHETIC"}
    for file in (folder / "images").iterdir():
        assert "synthetic" in file.name and b"SYNTHETIC" in Image.open(file).info["comment"]


def test_the_same_seed_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    again = generate(tmp_path / "again", count=12, size=96, seed=3)
    files = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) == 2 * 12 + 2
    assert all((folder / file).read_bytes() == (again / file).read_bytes() for file in files)
    other = generate(tmp_path / "other", count=1, size=96, seed=4)
    name = Path("images") / "synthetic_0000.jpg"
    assert (other / name).read_bytes() != (folder / name).read_bytes()


def test_a_larger_set_starts_with_the_smaller_one(folder: Path, tmp_path: Path) -> None:
    small = generate(tmp_path / "small", count=2, size=96, seed=3)
    for file in (small / "masks").iterdir():
        assert file.read_bytes() == (folder / "masks" / file.name).read_bytes()


def test_a_folder_that_holds_the_set_is_left_alone_and_another_refused(folder: Path, tmp_path: Path) -> None:
    before = (folder / "labels.csv").stat().st_mtime_ns
    assert generate(folder, count=12, size=96, seed=3) == folder
    assert (folder / "labels.csv").stat().st_mtime_ns == before
    with pytest.raises(DataError, match="something else"):
        generate(folder, count=13, size=96, seed=3)
    (tmp_path / "empty").mkdir()
    generate(tmp_path / "empty", count=1, size=64)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_progress_is_told_and_a_break_leaves_nothing(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    generate(tmp_path / "a", count=3, size=64, progress=lambda *now: seen.append(now))
    assert seen == [(1, 3), (2, 3), (3, 3)]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "b", count=3, size=64, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_masks_are_exact_where_the_pigment_is() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        skin, _ = paint_skin(128, rng)
        image, mask, _ = paint_lesion(skin, rng)
        darker = (skin - image).mean(axis=2) / skin.mean(axis=2)
        well_inside = cv2.erode(mask, np.ones((3, 3)), iterations=3) > 0
        well_outside = cv2.dilate(mask, np.ones((3, 3)), iterations=12) == 0
        assert darker[well_inside].mean() > 0.1 > darker[well_outside].mean()
        # The pigment falls off steepest near the mask's outline, not at another distance from it.
        rim = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
        assert darker[well_inside].mean() > darker[rim].mean() > darker[well_outside].mean()


def test_lesions_vary_and_a_threshold_does_not_solve_them() -> None:
    dice, areas, tones, artefacts = [], [], set(), set()
    for seed in range(60):
        image, mask, facts = draw(96, np.random.default_rng([0, seed]))
        grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1)
        _, found = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
        dice.append(2 * (found & mask).sum() / (found.sum() + mask.sum()))
        areas.append(mask.mean())
        tones.add(facts["tone"])
        artefacts |= set(facts["artefacts"].split())
    assert 0.5 < np.mean(dice) < 0.85
    assert min(areas) > 0.005 and max(areas) < 0.7 and np.std(areas) > 0.08
    assert len(tones) >= 5
    assert {"hair", "ruler", "vignette", "rim", "ink", "bubbles"} <= artefacts
