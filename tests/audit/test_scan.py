"""The one look at all files: facts against what was drawn, whatever the format, the workers, and what goes wrong."""

from __future__ import annotations

import builtins
import errno
import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from medgraft.audit import picture
from medgraft.audit.facts import EDGES, Scan
from medgraft.audit.hashing import TURNS, is_flat
from medgraft.audit.near import exact_duplicates, near_duplicates
from medgraft.audit.scan import scan
from medgraft.data.formats import parts_of
from medgraft.data.formats.raster import read_stored


def drawn(seed: int = 0, height: int = 96, width: int = 128) -> npt.NDArray[np.uint8]:
    """A colour picture of blobs of two sizes."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells, most in ((7, 120), (25, 60)):
        blobs = Image.fromarray(rng.integers(0, most, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(blobs.resize((width, height), Image.Resampling.BICUBIC))
    return (total + 30).astype(np.uint8)


def save(path: Path, pixels: npt.NDArray[Any], **options: Any) -> str:
    Image.fromarray(pixels).save(path, **options)
    return str(path)


@pytest.fixture
def kinds(tmp_path: Path) -> list[str]:
    """One picture in many ways."""
    colour = drawn()
    grey = colour[..., 0]
    with_alpha = np.dstack([colour, np.full(grey.shape, 200, np.uint8)])
    palette = Image.fromarray(colour).quantize(16)
    palette.save(tmp_path / "palette.png")
    return [
        save(tmp_path / "grey.png", grey),
        save(tmp_path / "colour.png", colour),
        save(tmp_path / "alpha.png", with_alpha),
        str(tmp_path / "palette.png"),
        save(tmp_path / "deep.png", grey.astype(np.uint16) * 16),
        save(tmp_path / "grey_as_colour.png", np.dstack([grey] * 3)),
        save(tmp_path / "photo.jpg", colour, quality=95),
        save(tmp_path / "colour.tif", colour),
        save(tmp_path / "bits.png", grey > 128),
    ]


def test_headers_are_told_as_they_are(kinds: list[str]) -> None:
    images = scan(kinds).images
    assert images["error"].tolist() == [""] * 9
    assert images["format"].tolist() == ["PNG"] * 6 + ["JPEG", "TIFF", "PNG"]
    assert images["channels"].tolist() == [1, 3, 4, 3, 1, 3, 3, 3, 1]
    assert images["bits"].tolist() == [8, 8, 8, 4, 16, 8, 8, 8, 1]
    assert images["grey"].tolist() == [True, False, False, False, True, True, False, False, True]
    assert set(zip(images["height"], images["width"], strict=True)) == {(96, 128)}
    assert images["bytes"].tolist() == [Path(name).stat().st_size for name in kinds]


def test_exact_duplicates_are_by_pixels_and_not_by_files(kinds: list[str]) -> None:
    groups = exact_duplicates(scan(kinds))
    # The colours as PNG, with transparency, and as TIFF; grey differs from grey saved as colour in its channels only.
    assert groups[1] == groups[2] == groups[7] >= 0
    assert groups[[3, 4, 6, 8]].tolist() == [-1] * 4


def test_values_are_shares_of_the_range(tmp_path: Path) -> None:
    steps = np.repeat(np.repeat(np.array([[0, 51], [102, 255]], np.uint8), 48, axis=0), 48, axis=1)
    found = scan([save(tmp_path / "a.png", steps), save(tmp_path / "b.png", steps.astype(np.uint16) * 257)])
    for row in (0, 1):
        facts = found.images.iloc[row]
        assert (facts["low"], facts["high"]) == (0, 1)
        assert (facts["black"], facts["white"]) == pytest.approx((0.25, 0.25), abs=1e-6)
        np.testing.assert_allclose(found.means[row], np.mean([0, 0.2, 0.4, 1]), atol=1e-6)
        np.testing.assert_allclose(found.stds[row], np.std([0, 0.2, 0.4, 1]), atol=1e-6)
        np.testing.assert_allclose(found.levels[row], [0, 0, 0.2, 0.4, 1], atol=1e-3)
        cells = found.layouts[row].reshape(8, 8)
        assert cells[0, 0] == 0 and cells[0, 7] == 51 and cells[7, 0] == 102 and cells[7, 7] == 255
        edges = found.edges[row].reshape(4, 3)  # mean, spread, share of black
        for edge, (one, other) in zip(EDGES, ((0, 0.2), (0.4, 1), (0, 0.4), (0.2, 1)), strict=True):
            mean, spread, black = edges[EDGES.index(edge)]
            assert (mean, spread) == pytest.approx(((one + other) / 2, (other - one) / 2), abs=1e-5)
            assert black == pytest.approx(0.5 * (one == 0))


def test_the_channels_of_the_whole_set_are_those_of_all_pixels(tmp_path: Path) -> None:
    pictures = [drawn(seed, 32, 48) for seed in range(5)]
    found = scan([save(tmp_path / f"{i}.png", pixels) for i, pixels in enumerate(pictures)])
    pixels = np.stack(pictures).reshape(-1, 3) / 255  # 32 rows: every one of them is in the sample
    np.testing.assert_allclose(found.channel_mean, pixels.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.channel_std, pixels.std(axis=0), atol=1e-6)


def broken(folder: Path) -> dict[str, str]:
    """Files that cannot be read, and a word of what is said of each."""
    good = drawn()
    jpeg, png = Path(save(folder / "cut.jpg", good, quality=95)), Path(save(folder / "cut.png", good))
    for path in (jpeg, png):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("no picture")
    (folder / "folder.png").mkdir()
    return {
        "cut.jpg": "damaged",
        "cut.png": "damaged",
        "empty.png": "0 bytes",
        "text.jpg": "not an image",
        "folder.png": "cannot be opened",
        "gone.png": "no such file",
    }


def test_what_cannot_be_read_is_noted_and_stops_nothing(tmp_path: Path) -> None:
    said = broken(tmp_path)
    names = [*said, "good.png"]
    save(tmp_path / "good.png", drawn())
    found = scan([str(tmp_path / name) for name in names], workers=2)
    assert found.readable.tolist() == [False] * len(said) + [True]
    for error, (name, word) in zip(found.images["error"], said.items(), strict=False):
        assert word in error and name in error
    assert (exact_duplicates(found) == -1).all()
    assert np.isnan(found.edges[0]).all() and not found.layouts[0].any() and is_flat(found.hashes)[0]
    assert not np.isnan(found.channel_mean).any()


def test_a_file_that_vanishes_in_the_middle_is_one_error(tmp_path: Path) -> None:
    names = [save(tmp_path / f"{i}.png", drawn(i)) for i in range(40)]

    def progress(done: int, total: int) -> None:
        if done == 1 or done == 16:
            (tmp_path / "39.png").unlink(missing_ok=True)

    found = scan(names, workers=1, progress=progress)
    assert found.readable.sum() >= 39 and len(found) == 40


def test_nothing_readable_has_no_brightness(tmp_path: Path) -> None:
    found = scan([str(tmp_path / "gone.png")])
    assert np.isnan(found.channel_mean).all() and np.isnan(found.channel_std).all()
    assert found.images["bytes"].tolist() == [0]


def equal(one: Scan, other: Scan) -> bool:
    arrays = ("hashes", "layouts", "edges", "text", "means", "stds", "levels")
    same = all(np.array_equal(getattr(one, n), getattr(other, n), equal_nan=n not in ("hashes",)) for n in arrays)
    return same and one.images.equals(other.images)


def test_the_result_is_the_same_whatever_the_number_of_workers(kinds: list[str], tmp_path: Path) -> None:
    names = kinds * 5 + [str(tmp_path / "gone.png")]
    assert equal(scan(names, workers=1), scan(names, workers=4))


def test_every_file_is_decoded_once_and_likely_copies_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(path: Path, page: str) -> Any:
        read.append(path.name)
        return read_stored(path, page)

    monkeypatch.setattr(picture, "read_stored", counted)
    monkeypatch.setattr(picture, "read_jpeg", lambda name: None)
    names = [save(tmp_path / f"{i}.jpg", drawn(i)) for i in range(4)] + [save(tmp_path / "a.png", drawn(4))]
    scan(names)
    assert sorted(read) == sorted(Path(name).name for name in names)
    read.clear()
    again = save(tmp_path / "b.png", drawn(4))
    assert exact_duplicates(scan([*names, again])).tolist() == [-1] * 4 + [0, 0]
    assert sorted(read) == sorted([*(Path(name).name for name in names), "b.png", "a.png", "b.png"])


def test_copies_but_for_one_pixel_are_no_exact_duplicates(tmp_path: Path) -> None:
    """Wherever the pixel is: the first digest sees an eighth of the rows."""
    names = [save(tmp_path / "a.png", drawn(5))]
    for row in range(16):
        pixels = drawn(5).copy()
        pixels[row, 3, 1] ^= 1
        names.append(save(tmp_path / f"{row}.png", pixels))
    assert (exact_duplicates(scan(names)) == -1).all()


def test_a_copy_that_goes_before_the_second_look_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [save(tmp_path / f"{name}.png", drawn(6)) for name in "abc"]

    def progress(done: int, total: int) -> None:
        (tmp_path / "b.png").unlink()

    found = scan(names, progress=progress)
    assert found.readable.all() and exact_duplicates(found).tolist() == [0, -1, 0]


def test_progress_ends_at_the_number_of_images(kinds: list[str]) -> None:
    told: list[tuple[int, int]] = []
    scan(kinds * 4, workers=2, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (36, 36) and told == sorted(told) and {total for _, total in told} == {36}


def test_memory_does_not_grow_with_the_pixels_of_all_images(tmp_path: Path) -> None:
    """200 images of 0.75 MB each: what is kept of them is a few hundred bytes an image."""
    name = save(tmp_path / "a.png", drawn(1, 512, 512))
    scan([name] * 20, workers=1)
    peaks = []
    for count in (40, 200):
        tracemalloc.start()
        scan([name] * count, workers=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 160 * 5_000


def test_copies_are_found_among_files(tmp_path: Path) -> None:
    original = Image.fromarray(drawn(3, 256, 256))
    original.save(tmp_path / "a.png")
    original.resize((128, 128), Image.Resampling.BICUBIC).save(tmp_path / "b.jpg", quality=50)
    original.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(tmp_path / "c.jpg", quality=75)
    original.save(tmp_path / "d.bmp")
    save(tmp_path / "e.png", drawn(4, 256, 256))
    found = scan([str(tmp_path / name) for name in ("a.png", "b.jpg", "c.jpg", "d.bmp", "e.png")])
    near = near_duplicates(found.hashes)
    assert near.clusters.tolist() == [0, 0, 0, 0, -1]
    assert exact_duplicates(found).tolist() == [0, -1, -1, 0, -1]
    turns = {(a, b): TURNS[t] for a, b, t in zip(near.first, near.second, near.turn, strict=True)}
    assert turns[0, 2] == "flipped up-down" and turns[0, 1] == ""


def test_a_file_that_may_not_be_read_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permission is taken by hand, as root is asked for none."""
    name = save(tmp_path / "a.png", drawn())
    plain = io.open

    def guarded(file, *rest, **options):
        if str(file) == name:
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return plain(file, *rest, **options)

    monkeypatch.setattr(io, "open", guarded)
    monkeypatch.setattr(builtins, "open", guarded)
    assert "cannot be opened" in scan([name]).images["error"].iloc[0]


def test_files_that_are_no_rasters_are_seen_too(tmp_path: Path) -> None:
    import nibabel
    from pydicom.data import get_testdata_file

    rng = np.random.default_rng(0)
    volume = np.asarray(Image.fromarray(rng.normal(0, 1, (9, 8)).astype(np.float32)).resize((40, 50)))
    slices = np.stack([volume * (z + 1) + 50 * z for z in range(3)], axis=2).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(slices, np.eye(4)), tmp_path / "scan.nii.gz")
    names = [str(get_testdata_file("CT_small.dcm")), *parts_of(tmp_path / "scan.nii.gz")]
    found = scan(names)
    assert found.images["error"].tolist() == [""] * 4
    assert found.images["format"].tolist() == ["DICOM"] + ["NIfTI"] * 3
    assert found.images["grey"].all() and set(found.images["channels"]) == {1}
    assert (found.images["height"][0], found.images["width"][0]) == (128, 128)


def test_pages_of_one_file_are_pictures_of_their_own(tmp_path: Path) -> None:
    pages = [Image.fromarray(drawn(seed)) for seed in (1, 2)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    found = scan([f"{tmp_path / 'stack.tif'}#{page}" for page in (1, 2)])
    assert found.readable.all() and exact_duplicates(found).tolist() == [-1, -1]


def test_grey_levels_are_the_same_pixels_in_one_channel_and_in_three(tmp_path: Path) -> None:
    grey = drawn()[..., 0]
    other = np.dstack([grey] * 3)
    other[50, 60, 2] ^= 1
    images = [
        save(tmp_path / "one.png", grey),
        save(tmp_path / "three.png", np.dstack([grey] * 3)),
        save(tmp_path / "three.tif", np.dstack([grey] * 3)),
        save(tmp_path / "nearly.png", other),
    ]
    assert exact_duplicates(scan(images)).tolist() == [0, 0, 0, -1]
