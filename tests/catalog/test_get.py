"""From a name to a folder that Medgraft reads: served by a server of our own, in the layouts of the publishers."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from catalog_archives import below, opened, outline, pairs, picture, zipped
from catalog_server import Listener, drop_after, hold_after, hurried, one_set, status
from PIL import Image

from medgraft.catalog import Edition, RemoteFile, Size
from medgraft.catalog import get as getting
from medgraft.catalog.claim import claimed
from medgraft.catalog.get import ABOUT, MARKER, get
from medgraft.data import open_data
from medgraft.errors import DataError, RecipeError


def plain_set(server, *faults, **changes):
    """A set of one zip."""
    url = server.put("set.zip", pairs(), *faults)
    return one_set("plain", RemoteFile(url, unpack="zip"), **changes)


def test_a_zip_becomes_a_folder_that_is_read(server, place):
    listener = Listener()
    folder = get(plain_set(server), observer=listener, patience=hurried())
    assert folder == Path("data/plain")
    assert below(folder) == sorted(f"{what}/{n}.png" for n in range(4) for what in ("images", "masks"))
    assert [path.name for path in Path("data").iterdir()] == ["plain"]
    assert listener.said == ["plain: 3 images in 1 file, about 1 B · licence: CC0"]
    assert {what for what, _, _ in listener.bytes} == {"set.zip", "unpacking set.zip"}
    manifest = open_data(folder)
    assert len(manifest) == 4 and manifest.classes is None


def test_it_says_what_it_is(server, place):
    folder = get(plain_set(server), patience=hurried())
    record = json.loads((folder / MARKER).read_text())
    assert record["name"] == "plain" and record["licence"] == "CC0" and record["files"] == 8
    assert record["sources"][0]["url"] == server.url("set.zip") and len(record["sources"][0]["sha256"]) == 64
    about = (folder / ABOUT).read_text()
    assert "CC0" in about and "medgraft fit data/plain" in about and "nobody" in about


def test_medmnist_like_files_in_two_sizes(server, place):
    editions = []
    for side in (28, 64):
        rng, out = np.random.default_rng(side), io.BytesIO()
        arrays = {}
        for split, count in (("train", 6), ("val", 3), ("test", 3)):
            arrays[f"{split}_images"] = rng.integers(0, 255, (count, side, side), dtype=np.uint8)
            arrays[f"{split}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 2
        np.savez_compressed(out, **arrays)
        stem = "toymnist" if side == 28 else f"toymnist_{side}"
        url = server.put(f"{stem}.npz", out.getvalue(), drop_after(200))
        file = RemoteFile(url, size=Size(len(out.getvalue())))
        editions.append(Edition(stem, (file,), Size(len(out.getvalue())), side))
    entry = one_set("toymnist", editions=tuple(editions), fit=("medgraft fit {folder}/{file}",))
    for side, name in ((None, "toymnist"), (64, "toymnist_64")):
        folder = get(entry, size=side, patience=hurried())
        assert below(folder) == [f"{name}.npz"]
        (command,) = entry.commands(str(folder), side)
        manifest = opened(command)
        assert manifest.table["split"].value_counts().to_dict() == {"train": 6, "val": 3, "test": 3}
        assert Image.open(manifest.table["image"][0]).size == (side or 28,) * 2
    with pytest.raises(DataError, match="holds toymnist_64, not toymnist;"):
        get(entry, "data/toymnist_64")
    with pytest.raises(RecipeError, match="no pictures of 99 pixels"):
        get(entry, size=99)


def test_a_set_that_is_there_is_not_fetched_again(server, place):
    entry, listener = plain_set(server), Listener()
    folder = get(entry, "sets/a", patience=hurried())
    (folder / "labels.csv").write_text("the user's own")
    assert get(entry, "sets/a", observer=listener) == folder
    assert len(server.asked) == 1 and "holds plain already (9 files, " in listener.said[0]


def test_a_set_that_lost_files_is_not_taken_for_whole(server, place):
    folder = get(plain_set(server), patience=hurried())
    (folder / "images" / "1.png").unlink()
    with pytest.raises(DataError, match="lacks 1 of its 8 files; remove it"):
        get(plain_set(server))


def test_a_folder_of_the_users_is_left_alone(server, place):
    Path("mine").mkdir()
    Path("mine", "x.png").write_bytes(b"x")
    Path("file").write_bytes(b"x")
    for name in ("mine", "file"):
        with pytest.raises(DataError, match=f"{name} exists and was not made by medgraft"):
            get(plain_set(server), name)
    assert below("mine") == ["x.png"] and server.asked == []


def test_an_empty_folder_is_filled(server, place):
    Path("sets/a").mkdir(parents=True)
    assert len(below(get(plain_set(server), "sets/a", patience=hurried()))) == 8


def two_files(server, *faults):
    first = RemoteFile(server.put("one.zip", zipped({"images/0.png": picture()})), unpack="zip")
    second = RemoteFile(server.put("two.zip", zipped({"0.png": outline(1)}), *faults), unpack="zip", into="masks")
    table = RemoteFile(server.put("table.csv", b"file,patient\n0.png,a\n"))
    return one_set("plain", first, second, table)


def test_several_files_make_one_set(server, place):
    folder = get(two_files(server), patience=hurried())
    assert below(folder) == ["images/0.png", "masks/0.png", "table.csv"]


def test_files_that_are_whole_are_kept_when_a_later_one_fails(server, place):
    entry = two_files(server)
    server.files["two.zip"].always = status(503)
    with pytest.raises(DataError, match="same command"):
        get(entry, patience=hurried(tries=2))
    assert not Path("data/plain").exists()
    server.files["two.zip"].always = None
    get(entry, patience=hurried())
    assert server.ranges("one.zip") == [0] and [p.name for p in Path("data").iterdir()] == ["plain"]


def test_a_kept_file_of_another_address_is_fetched_anew(server, place):
    entry = two_files(server, status(404))
    with pytest.raises(DataError):
        get(entry, patience=hurried())
    server.put("other/one.zip", zipped({"images/0.png": picture(), "images/1.png": picture()}))
    files = entry.editions[0].files
    moved = replace(files[0], url=server.url("other/one.zip"))
    get(replace(entry, editions=(replace(entry.editions[0], files=(moved, *files[1:])),)), patience=hurried())
    assert "images/1.png" in below("data/plain")


def test_a_kept_file_is_held_against_a_checksum_that_is_known_by_now(server, place):
    entry = two_files(server, status(404))
    with pytest.raises(DataError):
        get(entry, patience=hurried())
    files = entry.editions[0].files
    for known in ({"sha256": "0" * 64}, {"md5": "0" * 32}, {"size": Size(5)}):
        told = (replace(files[0], **known), *files[1:])
        with pytest.raises(DataError, match=r"not the file that the catalogue knows|are expected"):
            get(replace(entry, editions=(replace(entry.editions[0], files=told),)), patience=hurried())


@pytest.mark.parametrize("note", ["[]", "{}", '{"url": 1}', "5"])
def test_a_note_that_says_nothing_is_not_trusted(server, place, note):
    entry = two_files(server, status(404))
    with pytest.raises(DataError):
        get(entry, patience=hurried())
    Path("data/.plain.download/one.zip.json").write_text(note)
    assert get(entry, patience=hurried()).is_dir()


@pytest.mark.parametrize("out", [".", "..", "sub/.."])
def test_a_place_without_a_name_is_refused_before_anything_is_fetched(server, place, monkeypatch, out):
    (place / "sub").mkdir()
    monkeypatch.chdir(place / "sub")
    (place / "sub" / "sub").mkdir()
    if out == ".":
        (place / "sub" / "sub").rmdir()
    with pytest.raises(RecipeError, match="no name of a folder of its own"):
        get(plain_set(server), out, patience=hurried())
    assert not server.asked and not list(place.rglob("*download*"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (zipped({"images/0.png": b"1", "../../evil.png": b"2"}), "leaves the folder"),
        (pairs()[:300], "damaged or cut short"),
    ],
)
def test_a_refused_archive_leaves_nothing(server, place, body, message):
    entry = one_set("plain", RemoteFile(server.put("set.zip", body), unpack="zip"))
    before = sorted(place.parent.rglob("*.png"))
    with pytest.raises(DataError, match=message) as error:
        get(entry, patience=hurried())
    assert "It was removed" in str(error.value) and server.url("set.zip") in str(error.value)
    assert [path.name for path in Path("data").iterdir()] == [".plain.download"]
    assert [path.name for path in Path("data/.plain.download").iterdir() if path.suffix == ".zip"] == []
    assert sorted(place.parent.rglob("*.png")) == before
    # The next run fetches it again.
    server.put("set.zip", pairs())
    assert len(below(get(entry, patience=hurried()))) == 8


def test_too_little_room_to_unpack_keeps_what_was_fetched(server, place, monkeypatch):
    monkeypatch.setattr(getting.shutil, "disk_usage", lambda _: SimpleNamespace(free=64 << 30))
    entry = plain_set(server)
    real = getting._refuse_full_disk

    def full(archive, folder):
        monkeypatch.setattr(getting.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
        real(archive, folder)

    monkeypatch.setattr(getting, "_refuse_full_disk", full)
    with pytest.raises(DataError, match=r"100 B are free\. Make room"):
        get(entry, patience=hurried())
    monkeypatch.undo()
    monkeypatch.chdir(place)
    get(entry, patience=hurried())
    assert len(server.asked) == 1


def test_two_at_once_do_not_mix(server, place):
    with claimed(Path("data/.plain.download")), pytest.raises(DataError, match="another medgraft is fetching"):
        get(plain_set(server), patience=hurried())
    assert len(below(get(plain_set(server), patience=hurried()))) == 8


@pytest.mark.parametrize(("name", "step"), [("aptos2019", "accept"), ("chexpert", "agreement"), ("ddsm", "NBIA")])
def test_what_only_a_person_can_get(name, step, place):
    with pytest.raises(DataError) as error:
        get(name, "here")
    message = str(error.value)
    assert "cannot be fetched for you" in message and step in message and "medgraft fit here/" in message
    assert "{folder}" not in message and not any(place.iterdir())


GETTER = """
import sys
sys.path.insert(0, sys.argv[1])
from catalog_server import one_set
from medgraft.catalog import RemoteFile
from medgraft.catalog.get import get
get(one_set("plain", RemoteFile(sys.argv[2], unpack="zip")), "set")
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_get_goes_on(server, place):
    body = zipped({"images/0.png": os.urandom(300_000), "masks/0.png": outline()})
    url = server.put("set.zip", body, hold_after(200_000))
    child = subprocess.Popen([sys.executable, "-c", GETTER, str(Path(__file__).parent), url], cwd=place)
    part = place / ".set.download" / "set.zip.part"
    deadline = time.monotonic() + 90
    while not (part.exists() and part.stat().st_size > 100_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    had = part.stat().st_size
    folder = get(one_set("plain", RemoteFile(url, unpack="zip")), "set", patience=hurried())
    assert below(folder) == ["images/0.png", "masks/0.png"] and server.ranges("set.zip") == [0, had]
    assert had > 100_000 and [path.name for path in place.iterdir()] == ["set"]


def test_where_files_cannot_be_linked_they_are_copied(server, place, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(getting.os, "link", no_links)
    folder = get(two_files(server), patience=hurried())
    assert (folder / "table.csv").read_bytes().startswith(b"file,patient")
    shutil.rmtree(folder)
