"""Fetching one file from a server that lies about it, refuses it, or sends elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
from catalog_fetching import BODY, MD5, PAGE, PART, SHA256, got, refused
from catalog_server import claim, drop_after, hurried, redirect, status, web_page, without

from medgraft.catalog import RemoteFile, Size
from medgraft.catalog.web import _followed
from medgraft.errors import DataError


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_a_refusal_is_final(server, tmp_path, code):
    url = server.put("f", BODY, status(code))
    refused(url, tmp_path, str(code), f"see {PAGE}")
    assert len(server.asked) == 1


def test_a_web_page_is_no_file(server, tmp_path):
    refused(server.put("f", BODY, web_page), tmp_path, "web page instead of the file", PAGE)


def test_a_changed_length_is_refused_before_anything_is_read(server, tmp_path):
    url = server.put("f", BODY)
    refused(url, tmp_path, "300000 bytes", "299999 are expected", PAGE, size=Size(299_999))


def test_a_length_that_is_told_too_short_is_found(server, tmp_path):
    url = server.put("f", BODY, claim(1000))
    refused(url, tmp_path, "1000 bytes", "300000 are expected", size=Size(300_000))
    refused(server.put("g", BODY, claim(1000)), tmp_path, "its sha256 is", "was removed", sha256=SHA256)


def test_a_length_that_is_told_too_long_once_does_no_harm(server, tmp_path):
    url = server.put("f", BODY, claim(len(BODY) + 1000))
    assert got(url, tmp_path, sha256=SHA256)[0].read_bytes() == BODY


def test_a_length_that_is_always_told_too_long_ends(server, tmp_path):
    url = server.put("f", BODY)
    server.files["f"].always = claim(len(BODY) + 1000)
    refused(url, tmp_path, "3 times in a row", patience=hurried(tries=3), left=PART)


@pytest.mark.parametrize("nonsense", ["\xb2", "9" * 5000, "-5", "many"])
def test_a_length_that_is_no_number_is_none(server, tmp_path, nonsense):
    def says(reply, asked):
        return replace(reply, headers={**reply.headers, "Content-Length": nonsense})

    assert got(server.put("f", BODY, says), tmp_path, sha256=SHA256)[0].read_bytes() == BODY


@pytest.mark.parametrize("nonsense", ["\xb2", "soon", "Mon, 01 Jan 0001 00:00:00 -0000"])
def test_a_time_to_wait_that_is_none_is_our_own(server, tmp_path, nonsense):
    url = server.put("f", BODY, status(503, **{"Retry-After": nonsense}))
    assert got(url, tmp_path)[0].read_bytes() == BODY


def test_without_a_length_the_known_one_counts(server, tmp_path):
    bare = without("Content-Length")
    url = server.put("f", BODY, bare)
    assert got(url, tmp_path)[0].read_bytes() == BODY
    (tmp_path / "f.bin").unlink()
    url = server.put("g", BODY, bare)
    refused(url, tmp_path, "more comes than the 1000 bytes", size=Size(1000))
    cut = server.put("h", BODY, lambda reply, asked: bare(drop_after(1000)(reply, asked), asked))
    assert got(cut, tmp_path, size=Size(len(BODY)))[0].read_bytes() == BODY
    assert server.ranges("h") == [0, 1000]


@pytest.mark.parametrize("known", [{"md5": "0" * 32}, {"sha256": "0" * 64}])
def test_a_wrong_checksum_removes_the_file(server, tmp_path, known):
    (kind,) = known
    refused(server.put("f", BODY), tmp_path, f"its {kind} is", "was removed", "Run the same command again", **known)


def test_a_checksum_in_capitals_is_the_same(server, tmp_path):
    target, digests = got(server.put("f.bin", BODY), tmp_path, md5=MD5.upper(), sha256=f" {SHA256.upper()}\n")
    assert target.read_bytes() == BODY and digests["sha256"] == SHA256


def test_redirections_are_followed(server, tmp_path):
    server.put("there", BODY, drop_after(1000))
    url = server.put("f", b"", redirect("/there"), redirect(server.url("there")))
    assert got(url, tmp_path)[0].read_bytes() == BODY
    assert server.ranges("there") == [0, 1000]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/f", "data:,x"])
def test_but_not_to_another_scheme(server, tmp_path, target):
    refused(server.put("f", b"", redirect(target)), tmp_path, target, "is not followed")


def test_and_not_in_circles(server, tmp_path):
    url = server.put("f", b"")
    server.files["f"].always = redirect("/f")
    refused(url, tmp_path, "redirects more than 10 times")


class SendsElsewhere:
    """A session whose every answer is a redirection to http; nothing here has a certificate for a real one."""

    status_code = 302
    headers: ClassVar = {"Location": "http://example.org/f"}

    def get(self, *_, **__):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_nor_from_https_to_http():
    elsewhere = _followed(SendsElsewhere(), "https://example.org/f", {}, (1, 1))
    with pytest.raises(DataError, match="is not followed: only https"), elsewhere:
        pass


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.org/f", "/etc/passwd", "https:///f", "http://a.org/"])
def test_what_is_no_address_of_a_file(url):
    with pytest.raises(ValueError, match=r"no address of the web|no name of a file"):
        RemoteFile(url)
