"""What is turned away, and with which sentence: wrong types, bombs, forms that make no sense."""

from __future__ import annotations

import asyncio
import base64
import pickle
import struct
import threading
import time
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian
from tiny_models import file_of, picture

from dicom_making import inflating, make
from medgraft.serving.decoders import Decoders
from medgraft.serving.limits import Limits
from medgraft.serving.refusal import RefusedError
from medgraft.serving.service import Service


def predict(client, content, name="x.png", **options):
    return client.post("/v1/predict", files=[("images", (name, content))], data=options)


def refused(answer, status, words):
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
    return answer.json()["error"]


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, pixels=b"", more=(), bits=8):
    """A PNG of grey pixels with any header."""
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), *more, chunk(b"IDAT", zlib.compress(pixels, 9)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def zipped():
    kept = BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("scan.png", picture())
    return kept.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(), "ZIP"),
        (pickle.dumps({"a": 1}), "pickle"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"  <?xml version='1.0'?><svg/>", "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (file_of(Image.new("L", (4, 4)), "GIF"), "GIF"),
        (file_of(Image.new("L", (4, 4)), "BMP"), "BMP"),
        (file_of(Image.new("RGB", (4, 4)), "WEBP"), "WebP"),
        (b"\x00" * 500, "first bytes"),
        (b"hello", "first bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("name", ["x.png", "x.dcm"])
def test_types_are_told_by_content(client, content, words, name):
    refused(predict(client, content, name), 415, words)


def test_more_pixels_than_pillow_opens(client):
    refused(predict(client, png(1 << 20, 1 << 20, b"")), 413, "too many pixels")


def test_a_second_header_does_not_hide_the_size(client):
    real = chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0))
    refused(predict(client, png(8, 8, bytes(72), [real])), 413, "81,000,000 pixels")


def test_empty_upload(client):
    refused(predict(client, b""), 400, "empty (0 bytes)")


def test_hundred_megapixels_in_two_kilobytes(client):
    bomb = png(10_000, 10_000, bytes(1_250 * 1_600), bits=1)
    assert len(bomb) < 2100
    refused(predict(client, bomb), 413, "100,000,000 pixels, and at most 32,000,000")


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "DICOM"])
def test_pixels_are_counted_in_every_header(small_server, kind, tmp_path):
    client = small_server(max_pixels=1000)
    contents = {
        "DICOM": lambda: make(tmp_path / "a.dcm", np.zeros((40, 40), np.uint8)).read_bytes(),
        "JPEG": lambda: picture(height=40, width=40, kind="JPEG"),
        "TIFF": lambda: picture(height=40, width=40, kind="TIFF"),
    }
    refused(predict(client, contents[kind]()), 413, "1,600 pixels")


def test_damaged_images(client):
    whole = file_of(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)))
    for content in (
        whole[: len(whole) // 2],
        whole[:20],
        b"\xff\xd8\xff\xe0",
        b"II*\x00\x08\x00",
        b"MM\x00*" + b"\xff" * 90,
    ):
        error = refused(predict(client, content), 422, "")
        assert "/proc" not in error and "upload" not in error, error


def test_dicom_with_a_private_transfer_syntax(client, tmp_path):
    content = make(tmp_path / "a.dcm", np.zeros((8, 8), np.uint16)).read_bytes()
    plain = str(ExplicitVRLittleEndian).encode()  # 19 signs, and a zero that makes them even
    private = b"1.2.276.0.7230010.9"
    assert content.count(plain) == 1 and len(plain) == len(private)
    refused(predict(client, content.replace(plain, private)), 422, "private transfer syntax")


def test_files_of_several_pictures(client, tmp_path):
    frames = make(tmp_path / "a.dcm", np.zeros((3, 8, 8), np.uint8), NumberOfFrames=3).read_bytes()
    error = refused(predict(client, frames), 422, "3 frames")
    assert error == "Holds 3 frames where one image is wanted; save the one you mean as a file of its own."
    kept = BytesIO()
    Image.new("L", (8, 8)).save(kept, "TIFF", save_all=True, append_images=[Image.new("L", (8, 8))])
    refused(predict(client, kept.getvalue()), 422, "2 pages")


def test_text_in_a_png_that_inflates(client):
    bomb = png(8, 8, bytes(9 * 8), [chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 << 20), 9))])
    assert len(bomb) < 300_000
    assert predict(client, bomb).status_code in (200, 422)
    assert predict(client, picture()).status_code == 200


def test_memory_is_bounded_while_decoding(small_server):
    client = small_server(max_pixels=10_000, max_bytes=4 << 20)
    small = predict(client, inflating(1))
    assert small.status_code == 200, small.text
    bomb = inflating(1500)
    assert len(bomb) < 4 << 20
    refused(predict(client, bomb), 422, "")
    assert predict(client, picture()).status_code == 200


def test_time_is_bounded_while_decoding():
    """A large image takes longer than 20 ms; what decodes it is ended, and another takes its place."""
    large = png(8000, 4000, bytes(8001 * 4000))
    assert len(large) < 100_000
    decoders = Decoders(Limits(decode_seconds=0.02), count=1)
    try:
        with pytest.raises(RefusedError, match="more time or memory"):
            asyncio.run(decoders.decode(large, 32, 3, "auto", True))
        assert asyncio.run(decoders.decode(picture(77), 32, 3, "auto", False)).pixels.mean() == 77
    finally:
        decoders.close()


def test_a_decoder_that_dies_is_replaced(small_server):
    client = small_server()
    assert predict(client, picture()).status_code == 200
    service: Service = client.app.state.service
    for process in service.decoders._processes:
        process.start().kill()
        process.start().wait()
    assert [predict(client, picture()).status_code for _ in range(4)] == [200] * 4


def test_decoders_keep_to_themselves(client):
    """They cannot make core dumps or long files, and the token is not among what they know."""
    process = client.app.state.service.decoders._processes[0].start()
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    environment = Path(f"/proc/{process.pid}/environ").read_text()
    bounds = {line[:25].strip(): line[25:].split()[0] for line in limits.splitlines()}
    assert bounds["Max core file size"] == "0"
    assert int(bounds["Max file size"]) == Limits().max_bytes
    assert 1 << 30 < int(bounds["Max address space"]) < 8 << 30
    assert "MEDGRAFT_TOKEN" not in environment


def test_too_many_images(client):
    files = [("images", ("x.png", picture()))] * 17
    refused(client.post("/v1/predict", files=files), 413, "At most 16 images")
    image = {"data": base64.b64encode(picture()).decode()}
    refused(client.post("/v1/predict", json={"images": [image] * 17}), 413, "At most 16 images")


def test_too_long_a_body_with_and_without_a_stated_length(small_server):
    client = small_server(max_bytes=10_000)
    refused(predict(client, picture() + bytes(10_000)), 413, "longer than 10,000 bytes")
    sent = []

    def pieces():
        yield b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
        for _ in range(100):
            sent.append(1)
            yield bytes(1000)

    answer = client.post("/v1/predict", content=pieces(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    refused(answer, 413, "longer than 10,000 bytes")


FORM = {"Content-Type": "multipart/form-data; boundary=b"}
PART = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("headers", "body", "status", "words"),
    [
        ({"Content-Type": "text/plain"}, b"x", 415, "multipart/form-data"),
        ({}, b"x", 415, "multipart/form-data"),
        ({"Content-Type": "multipart/form-data"}, b"x", 400, "boundary"),
        ({"Content-Type": "multipart/form-data; boundary=" + "b" * 500}, b"x", 400, "boundary"),
        (FORM, b"", 400, "ends in the middle"),
        (FORM, b"nonsense", 400, "damaged"),
        (FORM, PART + b"abc", 400, "ends in the middle"),
        (FORM, b"--b--\r\n", 422, "holds no image"),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="images2"\r\n\r\nx\r\n--b--\r\n', 422, "none of images"),
        (FORM, b"--b\r\n" + b"A: b\r\n" * 5000 + b"\r\nx\r\n--b--\r\n", 400, "damaged"),
        (FORM, b"--b\r\nA: " + b"b" * 100_000 + b"\r\n\r\nx\r\n--b--\r\n", 400, "damaged"),
        (FORM, b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n' + b"x" * 9000, 413, "4096"),
        (FORM, (b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n' * 99) + b"--b--\r\n", 413, "parts"),
        ({"Content-Type": "application/json"}, b"", 422, "JSON"),
        ({"Content-Type": "application/json"}, b"{", 422, "JSON"),
        ({"Content-Type": "application/json"}, b"[" * 100_000, 422, "JSON"),
        ({"Content-Type": "application/json"}, b'{"images": [{"data": "\\ud800"}]}', 422, "JSON"),
        ({"Content-Type": "application/json"}, b'{"images": [], "path": "/etc/passwd"}', 422, "JSON"),
        ({"Content-Type": "application/json"}, b'{"images": [{"data": "AAAA"}], "threshold": NaN}', 422, "threshold"),
    ],
)  # fmt: skip
def test_bodies_that_make_no_sense(client, headers, body, status, words):
    refused(client.post("/v1/predict", content=body, headers=headers), status, words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "nobody"}, "no model of that name"),
        *(({"threshold": value}, "between 0 and 1") for value in ("0", "1", "nan", "inf", "-0.5", "half", "1e999")),
        ({"explain": "2"}, "explain has to be 0 or 1"),
        ({"explain": ""}, "explain has to be 0 or 1"),
        ({"pictures": " 1"}, "pictures has to be 0 or 1"),
        ({"pictures": "yes"}, "pictures has to be 0 or 1"),
    ],
)
def test_options_that_do_not_fit(client, options, words):
    refused(predict(client, picture(), **options), 422, words)


def test_errors_do_not_say_back_what_was_sent(client):
    for plain in ({"images": "SECRET"}, {"images": [], "SECRET": 1}, {"images": [{"data": "x"}], "model": ["SECRET"]}):
        answer = client.post("/v1/predict", json=plain)
        assert answer.status_code == 422
        assert "SECRET" not in answer.json()["error"] or plain.get("SECRET")


def test_past_the_bound_a_request_is_turned_away_and_the_room_comes_back(small_server, monkeypatch):
    client = small_server(queue=3, max_images=3)
    service: Service = client.app.state.service
    gate, original = threading.Event(), service.decoders._work

    def held(items):
        assert gate.wait(20)
        return original(items)

    monkeypatch.setattr(service.decoders.waiting, "_work", held)
    answers = []
    send = lambda: answers.append(client.post("/v1/predict", files=[("images", ("a.png", picture()))] * 2))  # noqa: E731
    first = threading.Thread(target=send)
    first.start()
    while service.room.images < 2:
        time.sleep(0.01)
    full = client.post("/v1/predict", files=[("images", ("a.png", picture()))] * 2)
    assert (full.status_code, full.headers["retry-after"]) == (503, "1")
    assert "full" in full.json()["error"]
    assert service.room.images == 2  # what was turned away holds nothing
    gate.set()
    first.join(20)
    assert answers[0].status_code == 200
    assert (service.room.images, service.room.content) == (0, 0)
    assert predict(client, picture()).status_code == 200
