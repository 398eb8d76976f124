"""Unpacking archives that try to escape, to swell, to overwrite, or that are cut short."""

from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import stat
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.catalog.unpack import Limits, unpack
from medgraft.errors import DataError
from medgraft.progress import Observer

GOOD = {"set/images/a b.png": b"a" * 700, "set/images/é.png": b"", "set/masks/a b.png": bytes(range(256)) * 8}
TIGHT = Limits(members=100, ratio=10, spare=10_000)


def zipped(path, members, method=zipfile.ZIP_DEFLATED):
    """A zip of (name or ZipInfo, bytes) pairs."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def tarred(path, members, mode="w"):
    """A tar of (name or TarInfo, bytes) pairs."""
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(data))
    return path


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def special(name, kind, target="", device=None):
    """A member of a tar that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def refused(archive, kind, tmp_path, *parts, limits=None):
    """Nothing but the folder appears, and the sentence has all the parts."""
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(DataError) as error:
        unpack(archive, kind, tmp_path / "out", Observer(), limits)
    for part in (archive.name, *parts):
        assert part in str(error.value), (part, str(error.value))
    beside = {path for path in tmp_path.rglob("*") if (tmp_path / "out") not in (path, *path.parents)}
    assert beside == before


@pytest.mark.parametrize(("kind", "mode"), [("zip", ""), ("tar", "w"), ("tar", "w:gz")])
def test_members_come_out_as_they_went_in(tmp_path, kind, mode):
    path = tmp_path / f"set.{kind}"
    members = [("set/", b""), *GOOD.items()] if kind == "zip" else list(GOOD.items())
    archive = zipped(path, members) if kind == "zip" else tarred(path, members, mode)
    unpack(archive, kind, tmp_path / "out", Observer())
    assert contents(tmp_path / "out") == GOOD


def test_a_file_packed_by_gzip(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"file,label\n" * 90))
    unpack(path, "gz", tmp_path / "out", Observer())
    assert contents(tmp_path / "out") == {"table.csv": b"file,label\n" * 90}


def test_what_file_managers_leave_is_left_out(tmp_path):
    members = [("a.png", b"1"), ("__MACOSX/._a.png", b"2"), ("x/.DS_Store", b"3")]
    unpack(zipped(tmp_path / "a.zip", members), "zip", tmp_path / "zip", Observer())
    unpack(tarred(tmp_path / "a.tar", members), "tar", tmp_path / "tar", Observer())
    assert contents(tmp_path / "zip") == contents(tmp_path / "tar") == {"a.png": b"1"}


ESCAPES = ["../out.png", "a/../../out.png", "/tmp/out.png", "..", "C:\\out.png", "c:out.png", "..\\out.png", "\\out"]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_leaves_the_folder(tmp_path, kind, name):
    pack = zipped if kind == "zip" else tarred
    archive = pack(tmp_path / f"evil.{kind}", [("fine.png", b"1"), (name, b"2")])
    refused(archive, kind, tmp_path, "leaves the folder", repr(name))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.sampled_from(["..", ".", "a", "/", "\\", "b.png", "", " "]), min_size=1, max_size=6))
def test_whatever_the_name_nothing_leaves_the_folder(parts, tmp_path_factory):
    room = tmp_path_factory.mktemp("room")
    archive = zipped(room / "x.zip", [("/".join(parts) or "a", b"1"), ("".join(parts) or "b", b"2")])
    with contextlib.suppress(DataError):
        unpack(archive, "zip", room / "in" / "out", Observer())
    assert {path.name for path in room.iterdir()} == {"x.zip", "in"}
    assert [path.name for path in (room / "in").iterdir()] == ["out"]


def test_a_link_in_a_zip(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = zipped(tmp_path / "evil.zip", [(link, "/etc"), ("link/passwd", b"x")])
    refused(archive, "zip", tmp_path, "'link' is a link or a device")


@pytest.mark.parametrize(
    "member",
    [
        special("link", tarfile.SYMTYPE, "/etc"),
        special("link", tarfile.SYMTYPE, "inside.png"),
        special("link", tarfile.LNKTYPE, "/etc/passwd"),
        special("null", tarfile.CHRTYPE),
        special("disk", tarfile.BLKTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda member: f"{member.type.decode()} {member.linkname}",
)
def test_a_link_or_a_device_in_a_tar(tmp_path, member):
    archive = tarred(tmp_path / "evil.tar", [("inside.png", b"1"), (member, b"")])
    refused(archive, "tar", tmp_path, f"{member.name!r} is a link or a device")


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(tmp_path, kind):
    pack = zipped if kind == "zip" else tarred
    for second in ("a/b.png", "a//b.png", "./a/b.png"):
        archive = pack(tmp_path / f"evil.{kind}", [("a/b.png", b"1"), (second, b"2")])
        refused(archive, kind, tmp_path, "there twice")
    archive = pack(tmp_path / f"evil.{kind}", [("c", b"1"), ("c/d", b"2")])
    refused(archive, kind, tmp_path, "another member is a file")


def test_an_encrypted_member(tmp_path):
    archive = zipped(tmp_path / "secret.zip", [("a.png", b"12345")])
    raw = bytearray(archive.read_bytes())
    raw[6] |= 1  # general purpose flag of the local header
    raw[raw.index(b"PK\1\2") + 8] |= 1  # and of the central directory
    archive.write_bytes(raw)
    refused(archive, "zip", tmp_path, "encrypted")


def test_archives_that_swell(tmp_path):
    zeros = bytes(2_000_000)
    refused(zipped(tmp_path / "bomb.zip", [("a.png", zeros)]), "zip", tmp_path, "swells", limits=TIGHT)
    refused(tarred(tmp_path / "bomb.tar.gz", [("a.png", zeros)], "w:gz"), "tar", tmp_path, "swells", limits=TIGHT)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(zeros))
    refused(tmp_path / "bomb.gz", "gz", tmp_path, "swells", limits=TIGHT)


def test_no_more_is_written_than_allowed(tmp_path):
    archive = zipped(tmp_path / "bomb.zip", [("a.png", bytes(60_000_000))])
    refused(archive, "zip", tmp_path, "swells", limits=TIGHT)
    assert (tmp_path / "out" / "a.png").stat().st_size <= 10_000 + 10 * archive.stat().st_size


def test_many_small_members_swell_too(tmp_path):
    members = [(f"{number}.png", bytes(20_000)) for number in range(50)]
    refused(zipped(tmp_path / "bomb.zip", members), "zip", tmp_path, "swells", limits=TIGHT)


def test_zeros_behind_the_end_of_a_tar_count(tmp_path):
    with gzip.open(tmp_path / "bomb.tar.gz", "wb") as out:
        out.write(tarred(tmp_path / "a.tar", [("a.png", b"1")]).read_bytes() + bytes(3_000_000))
    refused(tmp_path / "bomb.tar.gz", "tar", tmp_path, "swells", limits=TIGHT)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_more_members_than_allowed(tmp_path, kind):
    pack = zipped if kind == "zip" else tarred
    archive = pack(tmp_path / f"many.{kind}", [(f"{number}.png", b"") for number in range(101)])
    refused(archive, kind, tmp_path, "more than 100 members", limits=TIGHT)


def test_a_header_that_claims_to_be_huge(tmp_path):
    """tarfile reads an extended header into memory, as long as it says it is."""
    header = special("x", tarfile.XHDTYPE)
    header.size = 1 << 30
    (tmp_path / "evil.tar").write_bytes(header.tobuf() + bytes(4096))
    refused(tmp_path / "evil.tar", "tar", tmp_path, "a header of 1073741824 bytes")


def test_a_size_in_the_directory_that_is_a_lie(tmp_path):
    """The central directory says 10 bytes, and a million come: only what is written counts, and it does not fit."""
    archive = zipped(tmp_path / "lie.zip", [("a.png", bytes(1_000_000))])
    raw = bytearray(archive.read_bytes())
    place = raw.index(b"PK\1\2") + 24
    raw[place : place + 4] = (10).to_bytes(4, "little")
    archive.write_bytes(raw)
    refused(archive, "zip", tmp_path, "damaged or cut short")


def cuts(length):
    return [0, 10, length // 3, length // 2, length - 10]


@pytest.mark.parametrize(("kind", "mode"), [("zip", ""), ("tar", "w"), ("tar", "w:gz"), ("gz", "")])
def test_an_archive_that_is_cut_short(tmp_path, kind, mode):
    path = tmp_path / f"set.{kind}"
    whole = {
        "zip": lambda: zipped(path, GOOD.items(), zipfile.ZIP_STORED),
        "tar": lambda: tarred(path, GOOD.items(), mode),
        "gz": lambda: path.write_bytes(gzip.compress(b"12345" * 99)),
    }
    whole[kind]()
    raw = path.read_bytes()
    # The end of a plain tar is padded with zeros up to 10 KiB, so a cut there takes nothing away.
    lengths = [0, 512, 1024, 1536, 2048, 3000] if mode == "w" else cuts(len(raw))
    for number, length in enumerate(lengths):
        short = tmp_path / f"{number}.{kind}"
        short.write_bytes(raw[:length])
        with pytest.raises(DataError, match="damaged or cut short"):
            unpack(short, kind, tmp_path / f"out{number}", Observer())


@pytest.mark.parametrize("kind", ["zip", "tar", "gz"])
def test_a_damaged_or_foreign_file(tmp_path, kind):
    path = tmp_path / "page"
    for body in (b"<html>not found</html>" * 50, bytes(5000)):
        path.write_bytes(body)
        if kind == "tar" and not any(body):
            continue  # blocks of zeros are an archive without members
        refused(path, kind, tmp_path, "damaged or cut short")


def test_a_flipped_bit_is_found(tmp_path):
    raw = bytearray(zipped(tmp_path / "a.zip", [("a.png", b"x" * 500)], zipfile.ZIP_STORED).read_bytes())
    raw[200] ^= 1
    (tmp_path / "a.zip").write_bytes(raw)
    refused(tmp_path / "a.zip", "zip", tmp_path, "damaged")
    packed = bytearray(tarred(tmp_path / "a.tar.gz", [("a.png", b"x" * 500)], "w:gz").read_bytes())
    packed[-6] ^= 1  # the checksum of gzip, behind the last member
    (tmp_path / "a.tar.gz").write_bytes(packed)
    refused(tmp_path / "a.tar.gz", "tar", tmp_path, "damaged")


def test_rights_are_not_taken_over(tmp_path):
    info = tarfile.TarInfo("tool")
    info.mode = 0o6777
    unpack(tarred(tmp_path / "a.tar", [(info, b"#!")]), "tar", tmp_path / "out", Observer())
    assert not (tmp_path / "out" / "tool").stat().st_mode & 0o7111


def test_a_list_of_members_that_points_before_the_beginning_is_damage(tmp_path):
    archive = zipped(tmp_path / "set.zip", [("a.txt", b"a"), ("b.txt", b"b")])
    data = bytearray(archive.read_bytes())
    # Where the last record says that the list begins: zipfile moves every member by what is wrong with it.
    data[-6:-2] = (data.index(b"PK\x01\x02") + 400).to_bytes(4, "little")
    archive.write_bytes(bytes(data))
    refused(archive, "zip", tmp_path, "damaged")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_folders_in_folders_without_end_are_refused(tmp_path, kind):
    make = zipped if kind == "zip" else tarred
    # Each member alone would be made; together they are deeper than anything that removes them goes.
    members = [("a/" * depth + "x.txt", b"1") for depth in (600, 1200, 1800)]
    refused(make(tmp_path / f"set.{kind}", members), kind, tmp_path, "more than 64 folders deep")
    unpack(make(tmp_path / f"good.{kind}", [("a/" * 63 + "x.txt", b"1")]), kind, tmp_path / "good", Observer())
    assert contents(tmp_path / "good") == {"a/" * 63 + "x.txt": b"1"}
