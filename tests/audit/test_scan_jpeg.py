"""JPEG files by OpenCV: bit for bit Pillow's pixels, and every file that is not ordinary is left to Pillow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgraft.audit.jpeg import read_jpeg
from medgraft.audit.scan import scan
from medgraft.data.formats.raster import read_stored


def picture(seed: int, mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (20, 26, 3), dtype=np.uint8))
    return coarse.resize((131, 97), Image.Resampling.BICUBIC).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"quality": 40}, {"subsampling": 0}, {"progressive": True}, {"dpi": (72, 72)}])
def test_the_pixels_are_pillows(mode: str, options: dict[str, Any], tmp_path: Path) -> None:
    for seed in range(5):
        picture(seed, mode).save(tmp_path / "a.jpg", **options)
        ours, theirs = read_jpeg(str(tmp_path / "a.jpg")), read_stored(tmp_path / "a.jpg")
        assert ours is not None
        assert (ours.format, ours.channels, ours.bits) == (theirs.format, theirs.channels, theirs.bits)
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)


def turned() -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    encoded = io.BytesIO()
    picture(0).save(encoded, "JPEG", exif=exif)
    return encoded.getvalue()


def encoded(mode: str = "RGB", kind: str = "JPEG") -> bytes:
    content = io.BytesIO()
    picture(1, mode).save(content, kind)
    return content.getvalue()


ODD = {
    "exif": turned(),
    "cmyk": encoded("CMYK"),
    "png": encoded(kind="PNG"),
    "no end": encoded()[:-2],
    "cut": encoded()[:700],
    "nothing but a begin": encoded()[:8] + b"\xff\xd9",
    "empty": b"",
    "begin and end": b"\xff\xd8\xff\xd9",
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_what_is_not_ordinary_is_left(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert read_jpeg(str(tmp_path / "a.jpg")) is None


def test_a_turned_photograph_is_seen_as_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(turned())
    images = scan([str(tmp_path / "a.jpg")]).images
    assert (images["height"][0], images["width"][0]) == (131, 97)


def test_a_header_that_claims_too_much_is_left(tmp_path: Path) -> None:
    content = bytearray(encoded())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    (tmp_path / "a.jpg").write_bytes(bytes(content))
    assert read_jpeg(str(tmp_path / "a.jpg")) is None
    assert scan([str(tmp_path / "a.jpg")]).images["error"][0]


def test_a_gap_in_the_middle_is_read_as_pillow_reads_it(tmp_path: Path) -> None:
    content = encoded()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2] + content[-2:])
    ours = read_jpeg(str(tmp_path / "a.jpg"))
    if ours is not None:  # libjpeg fills what is missing, for both
        np.testing.assert_array_equal(ours.pixels, read_stored(tmp_path / "a.jpg").pixels)
