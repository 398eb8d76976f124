"""Pictures and tables with known faults: a clean set to begin with, and one function for each fault."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIDE = 96


def picture(seed: int, side: int = SIDE) -> np.ndarray:
    """A grey picture [side, side] uint8 of soft random shapes, unlike that of any other seed, of middle brightness."""
    coarse = np.random.default_rng(seed).normal(size=(9, 9)).astype(np.float32)
    smooth = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    ranks = np.argsort(np.argsort(smooth.ravel(), kind="stable"), kind="stable").reshape(smooth.shape)
    return (20 + 200 * ranks / ranks.size).astype(np.uint8)  # the same values in every picture


def save(path: Path, pixels: np.ndarray, *options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels, list(options))
    return path


class Labelled:
    """A table with labels, patients and splits; 64 images of 32 patients, none of them like another.

    Attributes
    ----------
    planted : by kind of finding, the names of what was planted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[list[str]] = []
        self.planted: dict[str, set[str]] = {}
        self.seed = 0
        for patient in range(32):
            split = "test" if patient % 4 == 0 else "train"
            for _ in range(2):
                self.add(f"p{patient:02d}", split, "xy"[self.seed * 7 % 11 % 2])

    def add(self, patient: str, split: str, label: str = "x", pixels: np.ndarray | None = None, name: str = "") -> str:
        """Save one picture and list it; returns its name."""
        name = name or f"im/{self.seed:03d}.png"
        save(self.folder / name, picture(self.seed) if pixels is None else pixels)
        self.seed += 1
        self.rows.append([name, label, patient, split])
        return name

    def plant(self, kind: str, *names: str) -> None:
        self.planted.setdefault(kind, set()).update(names)

    def row(self, name: str) -> list[str]:
        return next(row for row in self.rows if row[0] == name)

    def write(self) -> Path:
        lines = [",".join(("file", "label", "patient", "split")), *(",".join(row) for row in self.rows)]
        (self.folder / "labels.csv").write_text("\n".join(lines) + "\n")
        return self.folder / "labels.csv"

    def line(self) -> str:
        """The address of the last row."""
        return f"labels.csv:{len(self.rows) + 1}"


def plant_all_in_labels(folder: Path) -> Labelled:
    """Every fault that a table of labels can have."""
    data = Labelled(folder)
    for plant in (_files, _rows, _pixels, _copies, _classes_and_groups):
        plant(data)
    return data


def _files(data: Labelled) -> None:
    for number in range(2):
        name = data.add(f"f{number}", "train")
        encoded = (data.folder / name).read_bytes()
        (data.folder / name).write_bytes(encoded[: len(encoded) // 2])
        data.plant("unreadable-files", name)
    name = data.add("f2", "train")
    (data.folder / name).write_bytes(b"")
    data.plant("empty-files", name)
    deep = picture(data.seed).astype(np.uint16) * 257
    data.plant("mixed-depths", data.add("f4", "train", pixels=deep))
    colour = np.stack([picture(900), picture(900) // 2, np.minimum(picture(900), 200)], axis=2)
    data.plant("mixed-colour", data.add("f5", "train", pixels=colour))
    data.plant("mixed-formats", data.add("f6", "train", name="im/other.bmp"))
    data.plant("mixed-shapes", data.add("f7", "train", pixels=np.hstack([picture(910), picture(911), picture(912)])))
    data.plant("tiny-images", data.add("f8", "train", pixels=picture(920, 24)))
    save(data.folder / "im" / "nobody_lists_me.png", picture(930))
    data.plant("unlisted-files", "im/nobody_lists_me.png")


def _rows(data: Labelled) -> None:
    data.rows.append(["im/gone.png", "x", "r0", "train"])
    data.plant("missing-files", "im/gone.png")
    data.rows.append(["", "x", "r1", "train"])
    data.plant("rows-without-image", data.line())
    for blank in ("", "NaN"):
        data.add("r2", "train", blank)
        data.plant("rows-without-label", data.line())
        data.plant("unlisted-files", data.rows[-1][0])  # a row that is left out lists nothing
    data.rows.append(list(data.rows[0]))
    data.plant("listed-twice", data.line())
    name = data.add("r3", "train", "x")
    data.rows.append([name, "y", "r3", "train"])
    data.plant("two-labels", name)
    data.plant("unknown-splits", data.add("r4", "somewhere"))
    data.plant("label-spellings", data.add("r5", "train", "Y"))


def _pixels(data: Labelled) -> None:
    data.plant("blank-images", data.add("b0", "train", pixels=np.full((SIDE, SIDE), 90, np.uint8)))
    noise = np.random.default_rng(7).integers(118, 120, (SIDE, SIDE)).astype(np.uint8)
    data.plant("flat-images", data.add("b1", "train", pixels=noise))
    blown, black = picture(940), picture(941)
    blown[:60], black[:60] = 255, 0
    data.plant("white-images", data.add("b2", "train", pixels=blown))
    data.plant("black-images", data.add("b3", "train", pixels=black))
    for number, shown in enumerate((picture(950) // 8, 255 - picture(951) // 8)):
        data.plant("brightness-outliers", data.add(f"b{4 + number}", "train", pixels=shown))
    # half of a picture blown out or black moves its mean as far
    data.plant("brightness-outliers", data.rows[-4][0], data.rows[-3][0])


def _copies(data: Labelled) -> None:
    first = data.add("c0", "train")
    again = data.add("c0", "train", pixels=picture(data.seed - 1), name="im/again.png")
    data.plant("exact-duplicates", first, again)
    first = data.add("c1", "train", "x")
    data.plant("conflicting-labels", first, data.add("c1", "train", "y", pixels=picture(data.seed - 1)))
    first = data.add("c2", "train")
    data.plant("copies-across-splits", first, data.add("c3", "test", pixels=picture(data.seed - 1)))
    data.plant("exact-duplicates", *data.planted["copies-across-splits"])
    first = data.add("c4", "train")
    small = cv2.resize(picture(data.seed - 1), (48, 48), interpolation=cv2.INTER_AREA)
    again = data.add("c5", "test", pixels=small)
    data.plant("near-duplicates-across-splits", first, again)
    data.plant("near-duplicates", first, again)
    first = data.add("c6", "train")
    again = data.add("c7", "train", pixels=picture(data.seed - 1)[:, ::-1])
    data.plant("near-duplicates", first, again)
    first = data.add("c8", "train", "x")
    again = data.add("c8", "train", "y", pixels=np.clip(picture(data.seed - 1) * 0.9 + 9, 0, 255).astype(np.uint8))
    data.plant("near-duplicates", first, again)
    data.plant("conflicting-near-duplicates", first, again)


def _classes_and_groups(data: Labelled) -> None:
    for number in range(3):
        data.plant("rare-classes", data.add(f"z{number}", "train", "z"))
    data.plant("imbalance")
    data.plant("groups-of-several-labels")  # the labels of the clean set go by image
    data.plant("class-not-in-test")
    for split in ("train", "test"):
        data.plant("groups-across-splits", data.add("torn", split))
    data.plant("blank-groups", data.add("", "train"))


class Masked:
    """images/ and masks/: 30 pictures, each with a bright disc that its mask outlines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.planted: dict[str, set[str]] = {}
        for number in range(30):
            self.add(f"{number:03d}", number)

    def add(self, name: str, seed: int, pixels: np.ndarray | None = None, mask: np.ndarray | None = None) -> str:
        """Save an image and its mask; None draws them by the seed."""
        drawn = outline(seed)
        image = np.where(drawn > 0, 250, picture(seed) // 2).astype(np.uint8) if pixels is None else pixels
        save(self.folder / "images" / f"{name}.png", image)
        save(self.folder / "masks" / f"{name}.png", drawn if mask is None else mask)
        return f"images/{name}.png"

    def plant(self, kind: str, *names: str) -> None:
        self.planted.setdefault(kind, set()).update(names)


def outline(seed: int) -> np.ndarray:
    """A mask [SIDE, SIDE] of 0 and 255: an ellipse off the middle, so that no turn or flip leaves it as it is."""
    rng = np.random.default_rng(10_000 + seed)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    centre = int(rng.integers(24, 34)), int(rng.integers(60, 74))
    cv2.ellipse(mask, centre, (int(rng.integers(10, 18)), int(rng.integers(6, 9))), 30.0 + seed, 0, 360, 255, -1)
    return mask


def plant_all_in_masks(folder: Path) -> Masked:
    """Every fault that a folder of images and masks can have."""
    data = Masked(folder)
    name = data.add("no_mask", 101)
    (folder / "masks" / "no_mask.png").unlink()
    data.plant("images-without-mask", name)
    data.add("no_image", 102)
    (folder / "images" / "no_image.png").unlink()
    data.plant("masks-without-image", "masks/no_image.png")
    save(folder / "images" / "000.bmp", picture(103) // 2)
    data.plant("names-alike", "images/000.png")
    data.plant("mixed-formats", "images/000.bmp")
    data.plant("mask-sizes", data.add("small_mask", 104, mask=outline(104)[::2, ::2]))
    data.plant("mask-values", data.add("values", 105, mask=np.where(outline(105) > 0, 7, 0).astype(np.uint8)))
    name = data.add("broken_mask", 106)
    (folder / "masks" / "broken_mask.png").write_text("no picture")
    data.plant("unreadable-masks", name)
    data.plant("empty-masks", data.add("empty", 107, mask=np.zeros((SIDE, SIDE), np.uint8)))
    data.plant("full-masks", data.add("full", 108, mask=np.full((SIDE, SIDE), 255, np.uint8)))
    speck = np.zeros((SIDE, SIDE), np.uint8)
    speck[40:43, 40:43] = 255
    data.plant("tiny-masks", data.add("speck", 109, mask=speck))
    data.plant("inverted-masks", data.add("inverted", 110, mask=255 - outline(110)))
    frame = np.full((SIDE, SIDE), 255, np.uint8)
    frame[3:-3, 3:-3] = 0
    data.plant("masks-at-borders", data.add("frame", 111, mask=frame))
    other = data.add("other", 113, pixels=picture(113) // 2, mask=outline(112))
    data.plant("shared-masks", data.add("one", 112, mask=outline(112)), other)
    first = data.add("twin_a", 114)
    data.plant("conflicting-masks", first, data.add("twin_b", 114, mask=np.roll(outline(114), 1, axis=1)))
    data.plant("exact-duplicates", *data.planted["conflicting-masks"])
    for number in range(3):
        data.plant(
            "masks-out-of-place", data.add(f"flipped_{number}", 120 + number, mask=outline(120 + number)[:, ::-1])
        )
    return data
