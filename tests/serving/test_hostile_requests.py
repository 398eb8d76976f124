"""Heads and bodies that somebody made to confuse, stall or fill the server."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from tiny_models import file_of, picture

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//[", "http://\u00e9\u212a", "null", ""])
def test_an_origin_that_makes_no_sense_is_another_one(client, origin):
    answer = client.get("/v1/models", headers={"Origin": origin.encode()})
    assert (answer.status_code, answer.json()) == (403, {"error": "Pages of another origin are not answered."})


@pytest.mark.parametrize("host", ["127.0.0.2:8000", "127.255.1.1", "[::1]", "[::1]:80", "LOCALHOST:8000"])
def test_every_loopback_address_is_this_machine(client, host):
    """As ``medgraft serve --host`` takes each of them without a token."""
    assert client.get("/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["[", "[::1", "[::1].example.org", "127.0.0.1.example.org", "127.1", "2130706433", "localhost@example.org"]
)
def test_what_only_looks_like_this_machine_is_not(client, host):
    assert client.get("/v1/models", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b'{"images": [' + b"0," * 100_000 + b"0]}",
        b'{"images": [' + b"{}," * 100_000 + b"{}]}",
        b"{" + b",".join(b'"%x": 0' % number for number in range(100_000)) + b"}",
    ],
    ids=["numbers", "objects", "keys"],
)
def test_json_of_very_many_parts_is_not_unpacked(client, body):
    """64 MiB of them would take minutes and tens of gigabytes, in the thread that answers everybody."""
    answer = client.post("/v1/predict", content=body, headers=JSON)
    assert (answer.status_code, "more than 4,096 commas" in answer.json()["error"]) == (413, True)


def test_names_may_hold_commas(client):
    image = {"name": ", ".join("abc" * 20) + ".png", "data": base64.b64encode(picture()).decode()}
    answer = client.post("/v1/predict", json={"images": [image] * 16})
    assert [result["name"] for result in answer.json()["results"]] == [image["name"]] * 16


def test_a_scan_without_a_picture_says_so(client):
    plan = Path(get_testdata_file("rtplan.dcm")).read_bytes()
    answer = client.post("/v1/predict", files=[("images", ("plan", plan))])
    said = "RT Plan Storage, which holds no picture; send an image instead."
    assert (answer.status_code, answer.json()["error"]) == (422, said)


@pytest.mark.parametrize(("height", "width"), [(1, 1_000_001), (1_000_001, 1)])
def test_a_side_that_no_mask_can_have(client, height, width):
    """A PNG of one's own has at most a million pixels a side in libpng, so no mask of such an image can be answered."""
    content = file_of(Image.new("L", (width, height)))
    answer = client.post("/v1/predict", files=[("images", ("x.png", content))], data={"model": "light"})
    assert (answer.status_code, "1,000,001 pixels long, and at most 1,000,000" in answer.text) == (413, True)


def test_a_long_image_that_a_mask_can_have(client):
    content = file_of(Image.new("L", (1_000_000, 1), 200))
    answer = client.post("/v1/predict", files=[("images", ("x.png", content))], data={"model": "light"})
    (result,) = answer.json()["results"]
    assert (result["width"], result["height"]) == (1_000_000, 1) and result["area_fraction"] == {"foreground": 1.0}
