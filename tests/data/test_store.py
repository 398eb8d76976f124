"""The PixelStore: right pixels, built once, never taken for whole when it is not."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import medgraft
from medgraft.data import staging as staging_module
from medgraft.data import store_build
from medgraft.data.manifest import Manifest
from medgraft.data.resize import resize_image, resize_mask
from medgraft.data.staging import staging
from medgraft.data.store import PixelStore, cache_folder
from medgraft.errors import DataError

# Opens the store of a folder in a process of its own; what `progress` does is filled in.
CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_store import manifest_of
from medgraft.data.store import PixelStore
folder, cache, me, other = map(Path, sys.argv[1:])
def progress(done, total):
{body}
store = PixelStore.open(manifest_of(folder), 32, cache=cache, workers=1, progress=progress)
print(int(store.images.sum()), int(store.masks.sum()), flush=True)
"""


def write_pair(folder: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    for kind, pixels in (("images", image), ("masks", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / kind / f"{name}.png"), pixels)


def manifest_of(folder: Path) -> Manifest:
    images = sorted((folder / "images").iterdir())
    columns = {
        "id": [path.stem for path in images],
        "image": [str(path) for path in images],
        "target": [str(folder / "masks" / f"{path.stem}.png") for path in images],
    }
    return Manifest(pd.DataFrame(columns), folder, "data")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(6):
        mask = np.zeros((40, 60), np.uint8)
        mask[10:20, 15 : 30 + number] = 255
        image = rng.integers(0, 100, (40, 60, 3), dtype=np.uint8)
        write_pair(tmp_path / "data", f"a{number}", image + (mask // 2)[..., None], mask)
    return tmp_path / "data"


def start(body: str, *arguments: Path) -> subprocess.Popen[str]:
    source = str(Path(medgraft.__file__).parents[1])
    code = CHILD.format(tests=str(Path(__file__).parent), body="\n".join("    " + b for b in body.splitlines()))
    env = os.environ | {"PYTHONPATH": source}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


def wait_for(file: Path) -> None:
    end = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < end, f"{file} did not appear"
        time.sleep(0.02)


def visible(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if not path.name.startswith(".building-")]


def test_rows_hold_the_resized_files_in_manifest_order(data: Path, tmp_path: Path) -> None:
    manifest = manifest_of(data)
    store = PixelStore.open(manifest, 20, cache=tmp_path / "cache")
    assert store.images.shape == (6, 20, 20, 3) and store.images.dtype == np.uint8
    assert store.masks.shape == (6, 20, 20) and set(np.unique(store.masks)) == {0, 1}
    assert store.sizes.tolist() == [[40, 60]] * 6
    # The square is 10 rows by 15 + n columns of 40 x 60 pixels.
    np.testing.assert_allclose(store.foreground, [10 * (15 + n) / 2400 for n in range(6)])
    for row, (image, target) in enumerate(zip(manifest.table["image"], manifest.table["target"], strict=True)):
        whole = cv2.imread(image)[..., ::-1]
        # 40 x 60 to 20 x 20: each pixel is the mean of 2 x 3.
        mean = whole.reshape(20, 2, 20, 3, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(store.images[row], mean, atol=0.51)
        # The middle of three columns; of two rows both are as near, and the square starts on an even row.
        np.testing.assert_array_equal(store.masks[row], cv2.imread(target, 0)[::2, 1::3] // 255)
    assert not store.images.flags.writeable


def test_the_order_of_rows_follows_the_manifest(data: Path, tmp_path: Path) -> None:
    manifest = manifest_of(data)
    backwards = Manifest(manifest.table.iloc[::-1], data, "data")
    first = PixelStore.open(manifest, 16, cache=tmp_path / "cache")
    second = PixelStore.open(backwards, 16, cache=tmp_path / "cache")
    np.testing.assert_array_equal(first.images, second.images[::-1])


def test_mask_and_image_keep_lying_on_each_other_when_resized() -> None:
    mask = np.zeros((100, 70), np.uint8)
    cv2.circle(mask, (30, 55), 20, 1, -1)
    for size in (16, 33, 64, 128):
        image = resize_image(mask[..., None] * np.uint8(255), size)[..., 0] > 127
        other = resize_mask(mask, size).astype(bool)
        rim = cv2.dilate(other.astype(np.uint8), np.ones((3, 3))) != cv2.erode(other.astype(np.uint8), np.ones((3, 3)))
        assert not (image != other)[~rim].any()
        ys, xs = np.nonzero(image)
        my, mx = np.nonzero(other)
        assert abs(ys.mean() - my.mean()) < 0.15 and abs(xs.mean() - mx.mean()) < 0.15


def test_worked_resizing() -> None:
    ramp = np.arange(16, dtype=np.uint8).reshape(4, 4, 1) * 4
    assert resize_image(ramp, 2)[..., 0].tolist() == [[10, 18], [42, 50]]  # means of 2 x 2
    assert resize_image(np.array([[[0], [100]]], np.uint8), 4)[0, :, 0].tolist() == [0, 25, 75, 100]
    # Six pixels to two: centres at 1 and 4.
    assert resize_mask(np.tile(np.arange(6, dtype=np.uint8), (6, 1)), 2)[0].tolist() == [1, 4]


def test_grey_stores_have_one_channel(data: Path, tmp_path: Path) -> None:
    assert PixelStore.open(manifest_of(data), 16, channels=1, cache=tmp_path / "c").images.shape == (6, 16, 16, 1)


def test_sixteen_bits_stay_and_eight_bits_join_them_by_257(tmp_path: Path) -> None:
    mask = np.full((8, 8), 255, np.uint8)
    write_pair(tmp_path / "d", "a", np.full((8, 8), 200, np.uint8), mask)
    write_pair(tmp_path / "d", "b", np.full((8, 8), 40000, np.uint16), mask - 255)
    store = PixelStore.open(manifest_of(tmp_path / "d"), 8, channels=1, cache=tmp_path / "c")
    assert store.images.dtype == np.uint16
    assert np.unique(store.images[0]).tolist() == [200 * 257] and np.unique(store.images[1]).tolist() == [40000]
    assert PixelStore.load(store.path).images.dtype == np.uint16


def test_a_second_opening_decodes_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(store_build, "read_image", refuse)
    monkeypatch.setattr(store_build, "read_mask", refuse)
    again = PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c")
    assert again.path == first.path and again.classes == first.classes
    np.testing.assert_array_equal(again.images, first.images)
    np.testing.assert_array_equal(again.foreground, first.foreground)


def test_progress_counts_to_the_end(data: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c", progress=lambda *now: seen.append(now))
    assert seen == [(n, 6) for n in range(1, 7)]


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_changed_file_rebuilds(data: Path, tmp_path: Path, kind: str) -> None:
    first = PixelStore.open(manifest_of(data), 40, cache=tmp_path / "c")
    before = first.images.copy(), first.masks.copy()
    pixels = np.zeros((40, 60, 3) if kind == "images" else (40, 60), np.uint8)
    assert cv2.imwrite(str(data / kind / "a3.png"), pixels)
    second = PixelStore.open(manifest_of(data), 40, cache=tmp_path / "c")
    which = kind == "masks"
    after = (second.images, second.masks)[which]
    assert not after[3].any() and before[which][3].any()
    np.testing.assert_array_equal(after[4], before[which][4])


@pytest.mark.parametrize("options", [{"size": 24}, {"channels": 1}, {"mask_values": {"0": "skin", "255": "mole"}}])
def test_other_options_get_another_store(data: Path, tmp_path: Path, options: dict[str, object]) -> None:
    base = PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c")
    other = PixelStore.open(manifest_of(data), **({"size": 16} | options), cache=tmp_path / "c")
    assert other.path != base.path


def test_a_kill_in_the_middle_leaves_nothing_that_is_taken_for_whole(data: Path, tmp_path: Path) -> None:
    cache, ready = tmp_path / "c", tmp_path / "ready"
    child = start("if done == 3:\n    me.touch()\n    time.sleep(600)", data, cache, ready, ready)
    try:
        wait_for(ready)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert child.returncode == -signal.SIGKILL
    (left,) = cache.iterdir()
    assert visible(cache) == []
    with pytest.raises(DataError, match="not a whole pixel store"):
        PixelStore.load(left)
    old = time.time() - 3600
    os.utime(left, (old, old))
    store = PixelStore.open(manifest_of(data), 32, cache=cache)
    assert store.images[5].any() and store.masks[5].any()
    assert list(cache.iterdir()) == [store.path], "what the killed process left is swept"


def test_two_processes_that_build_at_once_agree(data: Path, tmp_path: Path) -> None:
    cache, one, two = tmp_path / "c", tmp_path / "one", tmp_path / "two"
    body = "me.touch()\nwhile not other.exists():\n    time.sleep(0.01)"
    children = [start(body, data, cache, one, two), start(body, data, cache, two, one)]
    printed = [child.communicate(timeout=200)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    store = PixelStore.open(manifest_of(data), 32, cache=cache)
    assert printed == [f"{int(store.images.sum())} {int(store.masks.sum())}\n"] * 2
    assert list(cache.iterdir()) == [store.path]


def test_sweeping_spares_the_living_and_the_young(tmp_path: Path) -> None:
    old = time.time() - 3600
    with staging(tmp_path) as living:
        os.utime(living, (old, old))
        young = tmp_path / ".building-young"
        young.mkdir()
        with staging(tmp_path):
            assert living.exists() and young.exists()
    os.utime(young, (old, old))
    with staging(tmp_path):
        assert not young.exists()


def test_a_damaged_store_is_built_anew(data: Path, tmp_path: Path) -> None:
    store = PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c")
    expected, path = store.images.copy(), store.path
    del store
    os.truncate(path / "images.bin", 100)
    again = PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c")
    np.testing.assert_array_equal(again.images, expected)
    assert visible(tmp_path / "c") == [path.name]


def test_no_space_left_is_said_and_leaves_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(staging_module.os, "posix_fallocate", full)
    with pytest.raises(DataError, match="No space left") as caught:
        PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c")
    assert str(tmp_path / "c") in str(caught.value) and "MEDGRAFT_CACHE" in str(caught.value)
    assert list((tmp_path / "c").iterdir()) == []


def test_a_cache_that_is_a_file_is_said(data: Path, tmp_path: Path) -> None:
    (tmp_path / "c").touch()
    with pytest.raises(DataError, match="MEDGRAFT_CACHE"):
        PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c")


def test_all_bad_files_are_collected(data: Path, tmp_path: Path) -> None:
    (data / "images" / "a1.png").write_bytes(b"")
    (data / "images" / "a4.png").write_text("no image")
    whole = (data / "masks" / "a5.png").read_bytes()
    (data / "masks" / "a5.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError) as caught:
        PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c")
    message = str(caught.value)
    assert "3 of 6" in message
    assert [line.count(name) for line, name in zip(message.splitlines()[1:], ("a1", "a4", "a5"), strict=True)] == [
        1
    ] * 3
    assert list((tmp_path / "c").iterdir()) == []


def test_a_mask_of_another_size_names_both_files(data: Path, tmp_path: Path) -> None:
    assert cv2.imwrite(str(data / "masks" / "a2.png"), np.full((60, 40), 255, np.uint8))
    with pytest.raises(DataError, match=r"images/a2\.png is 60 x 40 .*masks/a2\.png is 40 x 60"):
        PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c")


def test_empty_masks_everywhere_are_refused(data: Path, tmp_path: Path) -> None:
    for file in (data / "masks").iterdir():
        assert cv2.imwrite(str(file), np.zeros((40, 60), np.uint8))
    with pytest.raises(DataError, match="all 6 masks are empty"):
        PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c")


def test_unmapped_values_name_the_file(data: Path, tmp_path: Path) -> None:
    assert cv2.imwrite(str(data / "masks" / "a2.png"), np.full((40, 60), 128, np.uint8))
    with pytest.raises(DataError, match=r"128 \(a2\.png\)"):
        PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c")
    with pytest.raises(DataError, match=r"a2\.png.*128"):
        PixelStore.open(manifest_of(data), 16, mask_values={"0": "skin", "255": "mole"}, cache=tmp_path / "c")


def test_a_mapping_decides_the_classes(data: Path, tmp_path: Path) -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[:10], mask[10:30] = 128, 255
    assert cv2.imwrite(str(data / "masks" / "a2.png"), mask)
    mapping = {"0": "background", "128": "rim", "255": "core"}
    store = PixelStore.open(manifest_of(data), 40, mask_values=mapping, cache=tmp_path / "c")
    assert store.classes.names == ("background", "rim", "core")
    assert [np.unique(store.masks[2][rows]).tolist() for rows in (slice(10), slice(10, 30), slice(30, 40))] == [
        [1],
        [2],
        [0],
    ]
    assert store.foreground[2] == pytest.approx(0.75)


def test_files_that_change_while_they_are_read_are_said(data: Path, tmp_path: Path) -> None:
    def meddle(done: int, total: int) -> None:
        if done == total:
            os.utime(data / "images" / "a0.png", ns=(1, 1))

    with pytest.raises(DataError, match="changed while"):
        PixelStore.open(manifest_of(data), 16, cache=tmp_path / "c", progress=meddle)
    assert list((tmp_path / "c").iterdir()) == []


def test_a_store_pickles_as_its_path(data: Path, tmp_path: Path) -> None:
    store = PixelStore.open(manifest_of(data), 64, cache=tmp_path / "c")
    packed = pickle.dumps(store)
    assert len(packed) < 1000
    np.testing.assert_array_equal(pickle.loads(packed).images, store.images)


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named" / "stores"
    assert cache_folder(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("MEDGRAFT_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "medgraft" / "stores"
