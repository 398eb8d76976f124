"""The file that the tests fetch, and what they ask of its fetching."""

from __future__ import annotations

import hashlib
import random

import pytest
from catalog_server import hurried

from medgraft.catalog import RemoteFile
from medgraft.catalog.fetch import fetch
from medgraft.errors import DataError
from medgraft.progress import Observer

BODY = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(280_000)
PAGE = "https://example.org/set"
MD5, SHA256 = hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest()


def got(url, folder, patience=None, observer=None, **known):
    """Fetch to folder/f.bin; returns the path and its digests."""
    target = folder / "f.bin"
    digests = fetch(RemoteFile(url, name="f.bin", **known), target, PAGE, observer or Observer(), patience or hurried())
    return target, digests


def refused(url, folder, *parts, left=(), **options):
    """The fetch fails with one sentence that has all the parts, and leaves these files behind."""
    with pytest.raises(DataError) as error:
        got(url, folder, **options)
    for part in parts:
        assert part in str(error.value), (part, str(error.value))
    assert sorted(path.name for path in folder.iterdir()) == sorted(left)


PART = ("f.bin.part", "f.bin.part.json")
