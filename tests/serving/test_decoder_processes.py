"""What one file does to the process that decodes it is not felt by the next file."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest
from PIL import Image
from tiny_models import file_of, picture

from dicom_making import inflating
from medgraft.serving.decoders import Decoders
from medgraft.serving.limits import Limits
from medgraft.serving.refusal import RefusedError


@pytest.fixture
def decode():
    """Decode a file with one process; its height and width. ``decode.process()`` is that process."""
    decoders = Decoders(Limits(max_bytes=1 << 20), count=1)

    def call(content):
        found = asyncio.run(decoders.decode(content, 32, 3, "auto", True))
        return found.height, found.width

    call.process = lambda: decoders._processes[0].start()
    yield call
    decoders.close()


def held(process):
    """Resident bytes of a process."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_file_after_one_that_filled_the_memory_is_decoded(decode):
    assert decode(picture()) == (40, 60)
    process = decode.process()
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (20 << 20)
    resource.prlimit(process.pid, resource.RLIMIT_AS, (most, most))
    with pytest.raises(RefusedError, match="takes more memory"):
        decode(file_of(Image.new("RGB", (4000, 3000))))
    assert decode(picture()) == (40, 60)


def test_what_a_file_leaves_in_memory_does_not_add_up(decode):
    decode(picture())
    before, bomb = held(decode.process()), inflating(110)
    assert len(bomb) < 200_000
    assert decode(bomb) == (8, 8)
    assert held(decode.process()) < before + (98 << 20)
    process = decode.process()
    decode(picture())
    decode(file_of(Image.new("L", (3000, 3000))))
    assert decode.process() is process, "an image as people send it ends no process"
