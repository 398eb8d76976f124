"""Fetching one file from a server that drops, lies, waits, changes its mind and sends elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace

import pytest
from catalog_fetching import BODY, MD5, OTHER, PART, SHA256, got, refused
from catalog_server import (
    Listener,
    drop_after,
    hold_after,
    hurried,
    ignore_if_range,
    ignore_range,
    running,
    status,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.catalog import Size
from medgraft.catalog import fetch as fetching
from medgraft.catalog.fetch import Patience


def test_a_file_is_fetched_and_checked(server, tmp_path):
    listener = Listener()
    target, digests = got(
        server.put("f", BODY), tmp_path, observer=listener, md5=MD5, sha256=SHA256, size=Size(len(BODY))
    )
    assert target.read_bytes() == BODY and digests == {"md5": MD5, "sha256": SHA256}
    assert list(tmp_path.iterdir()) == [target]
    assert listener.bytes[-1] == ("f.bin", len(BODY), len(BODY)) and listener.said == []
    (asked,) = server.asked
    assert "Range" not in asked.headers and asked.headers["Accept-Encoding"] == "identity"


def test_an_empty_file_is_a_file(server, tmp_path):
    target, _ = got(server.put("f", b""), tmp_path)
    assert target.read_bytes() == b""


def test_a_dropped_connection_is_resumed_where_it_broke(server, tmp_path):
    naps, listener = [], Listener()
    url = server.put("f", BODY, drop_after(100_000), drop_after(50_000))
    target, _ = got(url, tmp_path, hurried(naps), listener)
    assert target.read_bytes() == BODY
    assert server.ranges("f") == [0, 100_000, 150_000]
    assert [asked.headers.get("If-Range") for asked in server.asked] == [None, '"one"', '"one"']
    assert len(naps) == 2 and all("f.bin: the connection" in line and "trying again" in line for line in listener.said)


@settings(max_examples=15, deadline=None)
@given(drops=st.lists(st.integers(0, 120), max_size=6))
def test_wherever_it_drops_the_bytes_are_the_same(drops, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drops")
    with running() as server:
        url = server.put("f", BODY[:500], *map(drop_after, drops))
        target, _ = got(url, folder, hurried(tries=99))
        assert target.read_bytes() == BODY[:500]
        starts = server.ranges("f")
    assert starts == sorted(starts)


def test_a_server_that_ignores_ranges_starts_anew(server, tmp_path):
    url = server.put("f", BODY, drop_after(100_000), ignore_range)
    assert got(url, tmp_path)[0].read_bytes() == BODY
    assert server.ranges("f") == [0, 100_000]


def change_after(server, path, count, body, etag):
    """Drop after ``count`` bytes, and have another file there from then on."""

    def fault(reply, asked):
        server.files[path].body, server.files[path].etag = body, etag
        return drop_after(count)(reply, asked)

    return fault


def test_a_file_that_changes_is_not_spliced(server, tmp_path):
    url = server.put("f", BODY)
    server.files["f"].faults.append(change_after(server, "f", 100_000, OTHER, '"two"'))
    assert got(url, tmp_path)[0].read_bytes() == OTHER


@pytest.mark.parametrize("etag", ['"two"', ""])
def test_nor_where_the_server_does_not_look_at_if_range(server, tmp_path, etag):
    """The other ETag tells, or the other length."""
    url = server.put("f", BODY)
    server.files["f"].faults = [change_after(server, "f", 100_000, OTHER, etag), ignore_if_range(etag)]
    assert got(url, tmp_path)[0].read_bytes() == OTHER
    assert server.ranges("f") == [0, 100_000, 0]


def test_a_file_that_shrank_below_what_is_there_starts_anew(server, tmp_path):
    url = server.put("f", BODY)
    server.files["f"].faults = [change_after(server, "f", 290_000, OTHER, '"two"'), ignore_if_range('"two"')]
    assert got(url, tmp_path)[0].read_bytes() == OTHER
    assert server.ranges("f") == [0, 290_000, 0]


def test_a_part_from_elsewhere_is_not_taken(server, tmp_path):
    def shifted(reply, asked):
        reply.headers["Content-Range"] = f"bytes {asked.start + 5}-{len(BODY) - 1}/{len(BODY)}"
        return reply

    assert got(server.put("f", BODY, drop_after(1000), shifted), tmp_path)[0].read_bytes() == BODY


def test_without_a_way_to_tell_files_apart_it_starts_anew(server, tmp_path):
    url = server.put("f", BODY, drop_after(1000), etag="")
    assert got(url, tmp_path)[0].read_bytes() == BODY
    assert server.ranges("f") == [0, 0]


def test_a_checksum_is_a_way_to_tell_them_apart(server, tmp_path):
    url = server.put("f", BODY, drop_after(1000), etag="")
    assert got(url, tmp_path, sha256=SHA256)[0].read_bytes() == BODY
    assert server.ranges("f") == [0, 1000] and "If-Range" not in server.asked[1].headers


def test_a_weak_etag_is_not_asked_for(server, tmp_path):
    """RFC 9110, section 13.1.5: If-Range takes a strong one; the date does instead."""

    def dated(reply, asked):
        reply.headers["Last-Modified"] = "Tue, 01 Apr 2025 10:00:00 GMT"
        return drop_after(1000)(reply, asked)

    got(server.put("f", BODY, dated, etag='W/"one"'), tmp_path)
    assert server.asked[1].headers["If-Range"] == "Tue, 01 Apr 2025 10:00:00 GMT"


def test_a_busy_server_is_waited_for_as_long_as_it_asks(server, tmp_path):
    naps = []
    later = formatdate(time.time() + 40, usegmt=True)
    url = server.put("f", BODY, status(503, Retry_After="7"), status(429, Retry_After=later), status(500))
    assert got(url, tmp_path, hurried(naps))[0].read_bytes() == BODY
    assert naps[0] == 7 and 35 < naps[1] < 41 and 2 <= naps[2] <= 4


def test_a_server_that_asks_for_an_hour_is_left_alone(server, tmp_path):
    url = server.put("f", BODY, drop_after(1000), status(429, Retry_After="3600"))
    refused(url, tmp_path, "429", "60 minutes", "1 kB are kept", "same command goes on", left=PART)
    assert len(server.asked) == 2


def test_delays_double_up_to_the_longest_with_a_random_half():
    patience = Patience(first=1, longest=6)
    for failures, most in [(1, 1), (2, 2), (3, 4), (4, 6), (9, 6)]:
        delays = {patience.delay(failures, 0) for _ in range(50)}
        assert most / 2 <= min(delays) and max(delays) <= most and len(delays) > 1
    assert patience.delay(1, 50) == 50


def test_it_gives_up_and_the_next_run_goes_on(server, tmp_path):
    url = server.put("f", BODY, drop_after(1000))
    server.files["f"].always = status(503)
    refused(url, tmp_path, "503", "5 times in a row", "1 kB are kept", "same command goes on", left=PART)
    assert len(server.asked) == 5
    server.files["f"].always = None
    assert got(url, tmp_path)[0].read_bytes() == BODY
    assert server.ranges("f")[-1] == 1000


def test_a_drop_that_brought_much_is_not_counted(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_GAIN", 10_000)
    url = server.put("f", BODY, *[drop_after(20_000)] * 12)
    assert got(url, tmp_path, hurried(tries=2))[0].read_bytes() == BODY


def test_one_that_drops_and_cannot_resume_is_given_up(server, tmp_path, monkeypatch):
    """It gets further now and then, but never further than before."""
    monkeypatch.setattr(fetching, "_GAIN", 10_000)
    url = server.put("f", BODY, etag="")
    server.files["f"].faults = [drop_after(count) for count in (50_000, 1000, 50_000, 1000, 50_000)]
    refused(url, tmp_path, "3 times in a row", patience=hurried(tries=3), left=PART)
    assert len(server.asked) == 4


def test_nobody_listens(tmp_path):
    with running() as server:
        url = server.put("f", BODY)
    refused(url, tmp_path, "there is no connection (", "2 times in a row", patience=hurried(tries=2))


def test_a_silent_server_is_not_waited_for_forever(server, tmp_path):
    url = server.put("f", BODY, hold_after(100_000))
    patience = Patience(sleep=lambda _: None, timeout=(5, 0.3))
    assert got(url, tmp_path, patience)[0].read_bytes() == BODY
    first, second = server.ranges("f")
    assert first == 0 and 80_000 < second <= 100_000


def test_a_full_disk_is_said_before_the_bytes_come(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: SimpleNamespace(free=65 << 20))
    assert got(server.put("f", BODY), tmp_path)[0].read_bytes() == BODY
    (tmp_path / "f.bin").unlink()
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: SimpleNamespace(free=64 << 20))
    refused(server.put("f", BODY), tmp_path, "300 kB are still to come", "67.1 MB are free", "--out", left=PART)


def test_bytes_without_a_record_are_not_trusted(server, tmp_path):
    """A kill between removing the old bytes and writing the record of the new ones leaves one of the two."""
    (tmp_path / "f.bin.part").write_bytes(OTHER[:500])
    assert got(server.put("f", BODY), tmp_path)[0].read_bytes() == BODY
    (tmp_path / "f.bin.part").write_bytes(OTHER[:500])
    (tmp_path / "f.bin.part.json").write_text('{"url": "http://else.where/f", "mark": "x"}')
    assert got(server.put("f", BODY), tmp_path)[0].read_bytes() == BODY
    assert server.ranges("f") == [0, 0]


def test_a_whole_part_is_not_asked_for_again(server, tmp_path):
    """As after a kill between the last byte and the name."""
    url = server.put("f", BODY)
    (tmp_path / "f.bin.part").write_bytes(BODY)
    record = f'{{"url": "{url}", "mark": "\\"one\\"", "total": {len(BODY)}}}'
    (tmp_path / "f.bin.part.json").write_text(record)
    assert got(url, tmp_path, sha256=SHA256)[0].read_bytes() == BODY
    assert server.asked == []


FETCHER = """
import sys
from pathlib import Path
from medgraft.catalog import RemoteFile
from medgraft.catalog.fetch import Patience, fetch
from medgraft.progress import Observer
fetch(RemoteFile(sys.argv[1], name="f.bin"), Path(sys.argv[2], "f.bin"), "page", Observer(), Patience())
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_killed_fetch_goes_on(server, tmp_path):
    url = server.put("f", BODY, hold_after(200_000))
    child = subprocess.Popen([sys.executable, "-c", FETCHER, url, str(tmp_path)])
    part = Path(tmp_path, "f.bin.part")
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 100_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    had = part.stat().st_size
    assert 100_000 < had <= 200_000 and not (tmp_path / "f.bin").exists()
    assert got(url, tmp_path, sha256=SHA256)[0].read_bytes() == BODY
    assert server.ranges("f") == [0, had]
