"""Reading raster files: every kind of pixel, orientation, and files that are not what they seem."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from medgraft.data.formats.raster import image_size, read_image, read_mask
from medgraft.errors import DataError

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65536, (5, 7, 3), dtype=np.uint16)


def saved(path: Path, pixels: np.ndarray, mode: str | None = None, **options: object) -> Path:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pillow's own 8-bit answer, as an index map, applied to any array."""
    index = Image.fromarray(np.arange(pixels.shape[0] * pixels.shape[1], dtype=np.uint8).reshape(pixels.shape[:2]))
    index.getexif()[274] = orientation
    order = np.asarray(ImageOps.exif_transpose(index)).astype(int)
    return pixels.reshape(-1, *pixels.shape[2:])[order]


@pytest.mark.parametrize("suffix", ["png", "tif", "tiff", "bmp"])
def test_rgb_is_read_as_written(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"a.{suffix}", RGB)
    assert np.array_equal(read_image(path), RGB)
    assert image_size(path) == (5, 7)


def test_result_is_contiguous_and_writable(tmp_path: Path) -> None:
    pixels = read_image(saved(tmp_path / "a.png", RGB))
    assert pixels.flags.c_contiguous and pixels.flags.writeable


def test_grey_is_repeated_and_colour_is_weighed(tmp_path: Path) -> None:
    grey = saved(tmp_path / "grey.png", RGB[..., 0])
    assert np.array_equal(read_image(grey), np.repeat(RGB[..., :1], 3, axis=2))
    assert np.array_equal(read_image(grey, channels=1), RGB[..., :1])
    pure = np.zeros((1, 3, 3), np.uint8)
    pure[0, [0, 1, 2], [0, 1, 2]] = 255
    # 255 times 0.299, 0.587 and 0.114
    assert read_image(saved(tmp_path / "pure.png", pure), channels=1).ravel().tolist() == [76, 150, 29]


def test_channels_are_one_or_three(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 or 3"):
        read_image(saved(tmp_path / "a.png", RGB), channels=4)


def test_palette_alpha_and_one_bit(tmp_path: Path) -> None:
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    palette.save(tmp_path / "p.png", transparency=1)
    assert read_image(tmp_path / "p.png").tolist() == [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
    alpha = np.dstack([RGB, np.zeros((5, 7), np.uint8)])
    assert np.array_equal(read_image(saved(tmp_path / "a.png", alpha)), RGB)
    bits = np.array([[True, False]])
    assert read_image(saved(tmp_path / "b.png", bits), channels=1).ravel().tolist() == [255, 0]


def test_cmyk_is_converted(tmp_path: Path) -> None:
    inks = np.zeros((2, 1, 4), np.uint8)
    inks[1, 0] = (0, 0, 0, 255)
    Image.frombytes("CMYK", (1, 2), inks.tobytes()).save(tmp_path / "c.tif")
    assert read_image(tmp_path / "c.tif")[:, 0].tolist() == [[255, 255, 255], [0, 0, 0]]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path, suffix: str) -> None:
    colour, grey = tmp_path / f"colour.{suffix}", tmp_path / f"grey.{suffix}"
    cv2.imwrite(str(colour), DEEP[..., ::-1])
    cv2.imwrite(str(grey), DEEP[..., 0])
    assert read_image(colour).dtype == np.uint16
    assert np.array_equal(read_image(colour), DEEP)
    assert np.array_equal(read_image(grey, channels=1), DEEP[..., :1])
    assert np.array_equal(read_mask(grey), DEEP[..., 0])
    luminance = DEEP @ np.array([0.299, 0.587, 0.114])
    assert np.abs(read_image(colour, channels=1)[..., 0] - luminance).max() <= 0.5


def test_sixteen_bits_with_transparency(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.dstack([DEEP[..., ::-1], DEEP[..., 0]]))
    assert np.array_equal(read_image(tmp_path / "a.png"), DEEP)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "raw grey tif", "deep tif"])
def test_orientation_is_applied_to_images_and_masks(tmp_path: Path, orientation: int, kind: str) -> None:
    path = tmp_path / f"a.{kind.rpartition(' ')[2]}"
    pixels = {"raw grey tif": RGB[..., 0], "deep tif": DEEP[..., 0]}.get(kind, RGB)
    exif = Image.Exif()
    exif[274] = orientation
    saved(path, pixels, exif=exif, **({"quality": 100} if kind == "jpg" else {}))
    stored = np.asarray(Image.open(path)) if kind == "jpg" else pixels
    wanted = turned(stored, orientation)
    assert np.array_equal(read_image(path)[..., 0], wanted if wanted.ndim == 2 else wanted[..., 0])
    assert image_size(path) == wanted.shape[:2]
    if pixels.ndim == 2:
        assert np.array_equal(read_mask(path), wanted)


@settings(max_examples=50, deadline=None)
@given(width=st.integers(40, 900), height=st.integers(40, 900), at_least=st.integers(1, 500))
def test_reduced_jpeg_keeps_the_short_side(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, at_least: int
) -> None:
    path = tmp_path_factory.mktemp("jpeg") / "a.jpg"
    Image.new("RGB", (width, height), (200, 100, 50)).save(path)
    reduced = read_image(path, at_least=at_least)
    assert min(reduced.shape[:2]) >= min(at_least, height, width)
    assert reduced.shape[0] / height == pytest.approx(reduced.shape[1] / width, abs=0.03)


def test_reduced_jpeg_is_smaller_and_looks_the_same(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 512).astype(np.uint8), (512, 1))
    path = saved(tmp_path / "a.jpg", np.dstack([ramp] * 3))
    reduced = read_image(path, at_least=128)
    assert reduced.shape == (128, 128, 3)
    expected = cv2.resize(np.dstack([ramp] * 3), (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(reduced.astype(int) - expected).max() <= 4


def test_mask_values_are_as_stored(tmp_path: Path) -> None:
    values = np.array([[0, 1, 2, 3]], np.uint8)
    palette = Image.fromarray(values)
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.save(tmp_path / "p.png", bits=4)
    assert np.array_equal(read_mask(tmp_path / "p.png"), values)
    assert np.array_equal(read_mask(saved(tmp_path / "rgb.png", np.dstack([values] * 3))), values)
    alpha = np.dstack([values] * 3 + [values + 9])
    assert np.array_equal(read_mask(saved(tmp_path / "rgba.png", alpha)), values)
    assert read_mask(saved(tmp_path / "b.png", np.array([[True, False]]))).tolist() == [[1, 0]]


def test_two_bit_grey_masks_are_not_stretched(tmp_path: Path) -> None:
    """A PNG of bit depth 2, written by hand: Pillow shows its values 0 to 3 as 0, 85, 170, 255."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 4, 1, 2, 0, 0, 0, 0)
    rows = zlib.compress(bytes([0, 0b00011011]))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    assert read_mask(tmp_path / "a.png").tolist() == [[0, 1, 2, 3]]


def test_colour_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.png.*colour image where a mask"):
        read_mask(saved(tmp_path / "a.png", RGB))


def truncated_jpeg(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:-1000])


def truncated_deep_png(path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (64, 64, 3), dtype=np.uint16)
    data = cv2.imencode(".png", deep)[1].tobytes()
    path.write_bytes(data[: len(data) // 2])


def floating_tiff(path: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(path, "TIFF")


def stack_of_two(path: Path) -> None:
    frames = [Image.new("L", (4, 4), level) for level in (1, 2)]
    frames[0].save(path, "TIFF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("read", [read_image, read_mask])
@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("cut.jpg", truncated_jpeg, "damaged"),
        ("cut.png", truncated_deep_png, "damaged"),
        ("none.png", lambda path: path.write_bytes(b""), r"empty \(0 bytes\)"),
        ("text.png", lambda path: path.write_text("a,b\n1,2\n"), "not an image"),
        ("float.tif", floating_tiff, "floating-point"),
        ("stack.tif", stack_of_two, r"2 pages where one image is wanted; name one of them, as stack\.tif#1"),
        ("folder.png", lambda path: path.mkdir(), "cannot be opened"),
        ("gone.png", lambda path: None, "no such file"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, read: object, name: str, make: object, says: str) -> None:
    make(tmp_path / name)
    with pytest.raises(DataError, match=f"{name}.*{says}"):
        read(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_size_of_a_bad_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png"):
        image_size(tmp_path / "a.png")
