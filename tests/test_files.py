"""A reader never meets half a file."""

import os
import stat
from collections import namedtuple

import pytest

from medgraft.files import replacing, write_text


def test_text_is_written_and_folders_are_made(tmp_path):
    path = tmp_path / "deep" / "er" / "note.txt"
    write_text(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stands_until_the_block_ends(tmp_path):
    path = tmp_path / "picture.png"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.suffix == ".png"
        assert temporary.parent == tmp_path
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_two_writers_use_two_temporary_files(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as one, replacing(path) as other:
        assert one != other


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_folder_in_the_way_is_kept(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError):
        write_text(tmp_path / "a.txt", "")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_full_disk_is_said_whatever_the_writer_makes_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: namedtuple("Usage", "free")(0))
    with pytest.raises(OSError, match="No space left") as caught, replacing(tmp_path / "weights.bin") as temporary:
        temporary.write_bytes(b"half of i")
        raise RuntimeError("unexpected pos 64 vs 0")
    assert caught.value.filename == str(tmp_path / "weights.bin")
    assert list(tmp_path.iterdir()) == []
