"""At least 2,000 requests that make no sense: none ends in a fault of the server, none hangs, nothing grows."""

from __future__ import annotations

import gc
import json
import struct
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance
from tiny_models import file_of, picture

from dicom_making import dataset
from medgraft.serving.app import create_app

AT_ONCE = 8
GROWTH = 48 << 20
"""Bytes that a process may take more after all than after the first hundred requests; an image more for each request
would be ten times that."""

REFUSING = [400, 401, 403, 404, 405, 408, 413, 415, 422]
"""Statuses of a request that is turned away. 413 is for more images than are taken in one."""

CHECKED = SchemathesisConfig.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSING}}})

TOKEN = "a token of the tests"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}

COUNTED: Counter[int] = Counter()
"""Answers by status, over all tests of this file."""


def dicom():
    kept = BytesIO()
    made = dataset(np.arange(24 * 24, dtype=np.uint16).reshape(24, 24), WindowCenter=[300], WindowWidth=[500])
    made.save_as(kept, enforce_file_format=True)
    return kept.getvalue()


def seeds():
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    images = [Image.fromarray(noise), Image.fromarray(noise[..., 0]), Image.fromarray(noise[..., 0]).convert("P")]
    images.append(Image.fromarray(noise[..., 0].astype(np.uint16) * 257))
    files = [file_of(image, kind) for image in images for kind in ("PNG", "TIFF")]
    files += [file_of(images[0], "JPEG"), file_of(images[1], "JPEG"), dicom()]
    for compression in ("tiff_lzw", "jpeg", "tiff_deflate", "packbits"):
        kept = BytesIO()
        images[0].save(kept, "TIFF", compression=compression)
        files.append(kept.getvalue())
    return files


SEEDS = seeds()


@st.composite
def spoiled(draw):
    """A file of a type that is read, with bytes changed, cut out, put in, or its numbers made extreme."""
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        how = draw(st.sampled_from(("set", "cut", "put", "end", "number", "copy")))
        if how == "set" and content:
            content[place] = draw(st.integers(0, 255))
        elif how == "cut":
            del content[place : place + draw(st.integers(1, 64))]
        elif how == "put":
            content[place:place] = draw(st.binary(min_size=1, max_size=32))
        elif how == "end":
            del content[place:]
        elif how == "number":
            value = draw(st.sampled_from((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 65537)))
            content[place : place + 4] = struct.pack(draw(st.sampled_from(("<I", ">I"))), value)
        else:
            content += content[place : place + 512]
    return bytes(content)


STARTS = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", bytes(128) + b"DICM", b"PK\x03\x04", b""]
UPLOADS = st.one_of(
    spoiled(), spoiled(), st.builds(bytes.__add__, st.sampled_from(STARTS), st.binary(max_size=400)), st.just(picture())
)


@st.composite
def forms(draw):
    """A body that is nearly a form."""
    pieces = st.sampled_from(
        (b"--b\r\n", b"--b--\r\n", b"\r\n", b"\r\n\r\n", b'Content-Disposition: form-data; name="images"; filename="a"',
         b'Content-Disposition: form-data; name="model"', b"Content-Type: image/png", picture(), b"0.5", b"--b", b":")
    )  # fmt: skip
    return b"".join(draw(st.lists(st.one_of(pieces, st.binary(max_size=20)), max_size=14)))


@pytest.fixture(scope="module")
def memory(client):
    """Bytes of this process and of those that decode, now and after the first hundred requests."""

    def now():
        gc.collect()
        processes = [process.start().pid for process in client.app.state.service.decoders._processes]
        return [psutil.Process().memory_info().rss, *(psutil.Process(pid).memory_info().rss for pid in processes)]

    return now


@pytest.fixture(scope="module")
def senders():
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield pool


def count(answers):
    """Count the answers; each has a status that is not the server's fault, and its faults are sentences."""
    for answer in answers:
        COUNTED[answer.status_code] += 1
        assert answer.status_code in (200, *REFUSING), answer.text
        if answer.status_code != 200:
            assert json.loads(answer.text)["error"].endswith((".", ".)")), answer.text


def test_spoiled_uploads(client, memory, senders):
    before: list[list[int]] = []
    models = ["brightness", "light", "colours"]

    def send(number, content):
        files = [("images", (f"{number}", content))]
        return client.post("/v1/predict", files=files, data={"model": models[number % 3]})

    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(UPLOADS, min_size=AT_ONCE, max_size=AT_ONCE))
    def play(contents):
        count(senders.map(send, range(AT_ONCE), contents))
        if not before and sum(COUNTED.values()) >= 100:
            before.append(memory())

    play()
    assert sum(COUNTED.values()) >= 200 * AT_ONCE
    assert COUNTED[200] > 50 and COUNTED[422] > 200  # neither all good nor all turned away at the door
    grown = [last - first for first, last in zip(before[0], memory(), strict=True)]
    assert max(grown) < GROWTH, grown


def test_spoiled_forms(client, senders):
    def send(body):
        return client.post("/v1/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(forms(), min_size=AT_ONCE, max_size=AT_ONCE))
    def play(bodies):
        count(senders.map(send, bodies))

    play()


@pytest.fixture(scope="module")
def published(tiny_models):
    app = create_app(tiny_models, token=TOKEN)

    async def lasting(scope, receive, send):
        """The server starts and ends once, and not with every client that schemathesis makes."""
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
        else:
            await app(scope, receive, send)

    yield schemathesis.openapi.from_asgi("/openapi.json", lasting, headers=SHOWN, config=CHECKED)
    app.state.service.close()


def vanishes(case):
    """Whether a form loses a field on its way: requests sends none that is None or an empty list."""
    form = case.media_type == "multipart/form-data" and isinstance(case.body, dict)
    return form and any(value is None or value == [] for value in case.body.values())


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        ("GET", "/healthz", GenerationMode.POSITIVE),
        ("GET", "/metrics", GenerationMode.POSITIVE),
        ("GET", "/v1/models", GenerationMode.POSITIVE),
        ("POST", "/v1/predict", GenerationMode.POSITIVE),
        ("POST", "/v1/predict", GenerationMode.NEGATIVE),
    ],
)
def test_what_the_schema_allows_and_forbids(published, method, path, mode):
    @settings(max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(published[path][method].as_strategy(generation_mode=mode))
    def play(case):
        assume(not vanishes(case))
        answer = case.call(headers=SHOWN)
        COUNTED[answer.status_code] += 1
        # A schema cannot say which bytes are an image.
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])

    play()


def test_at_least_two_thousand_requests():
    """Counts what the tests above have sent; it says nothing when it is run alone."""
    if COUNTED:
        print(dict(COUNTED))
        assert sum(COUNTED.values()) >= 2000, dict(COUNTED)
        assert not [status for status in COUNTED if status >= 500]
