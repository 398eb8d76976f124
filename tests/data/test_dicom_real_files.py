"""Real DICOM files (those that come with pydicom and pydicom-data) against pydicom's functions, applied by hand."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array

from medgraft.data.formats import image_size, parts_of, read_image
from medgraft.errors import DataError

OWN = Path(pydicom.__file__).parent / "data" / "test_files"
MORE = Path(pytest.importorskip("data_store").__file__).parent / "data"


def file_of(name):
    return OWN / name if (OWN / name).is_file() else MORE / name


def shares(name):
    """What pydicom makes of the first frame, from 0 (the window's black) to 1 (its white)."""
    elements = pydicom.dcmread(file_of(name))
    shown = apply_voi_lut(apply_modality_lut(elements.pixel_array, elements), elements).astype(np.float64)
    ends = np.array([-1e7, 1e7]) if "WindowCenter" in elements else np.array([0, 1 << 15])
    black, white = apply_voi_lut(ends, elements).astype(np.float64)
    found = (shown - black) / (white - black)
    return 1 - found if elements.PhotometricInterpretation == "MONOCHROME1" else found


@pytest.mark.parametrize(
    "name",
    [
        "693_UNCR.dcm",  # CT: slope and intercept, a window of 40/100, padding
        "MR2_UNCI.dcm",  # MR: 12 of 16 bits, a slope of 3.77
        "MR_small.dcm",  # MR: signed
        "RG1_UNCR.dcm",  # CR of a chest: MONOCHROME1, 15 bits
        "RG3_UNCI.dcm",  # CR: MONOCHROME1, 10 bits
        "MR-SIEMENS-DICOM-WithOverlays.dcm",  # two windows
        "examples_overlay.dcm",
        "bad_sequence.dcm",  # CT: JPEG lossless, two windows
    ],
)
def test_grey_levels_are_those_of_the_files_own_first_window(name):
    found = read_image(file_of(name), channels=1)
    assert found.dtype == np.uint16
    np.testing.assert_allclose(found[..., 0], shares(name) * 65535, atol=0.51)


def test_a_second_window_is_taken_by_its_number():
    elements = pydicom.dcmread(file_of("MR-SIEMENS-DICOM-WithOverlays.dcm"))
    shown = apply_voi_lut(elements.pixel_array, elements, index=1)
    black, white = apply_voi_lut(np.array([-1e7, 1e7]), elements, index=1)
    expected = (shown - black) / (white - black) * 65535
    for window in ("2", "#2"):
        found = read_image(elements.filename, channels=1, window=window)
        np.testing.assert_allclose(found[..., 0], expected, atol=0.51)
    assert not np.array_equal(found, read_image(elements.filename, channels=1))


def test_a_lookup_table_is_a_window():
    elements = pydicom.dcmread(file_of("vlut_04.dcm"))
    entries = np.asarray(elements.VOILUTSequence[0].LUTData, np.float64)
    expected = apply_voi_lut(elements.pixel_array, elements) / max(entries.max(), 255) * 255
    np.testing.assert_allclose(read_image(elements.filename, channels=1)[..., 0], expected, atol=0.51)


def test_a_modality_table_comes_before_the_window():
    elements = pydicom.dcmread(file_of("mlut_18.dcm"))
    values = apply_modality_lut(elements.pixel_array, elements).astype(np.float64)
    found = read_image(elements.filename, channels=1, window="1000/800")[..., 0]
    np.testing.assert_allclose(found, np.clip((values - 600) / 800, 0, 1) * 65535, atol=0.51)


@pytest.mark.parametrize(
    ("name", "window", "low", "high"),
    [
        ("CT_small.dcm", "auto", 0.5, 99.5),
        ("CT_small.dcm", "5-60", 5, 60),
        ("explicit_VR-UN.dcm", "percentile", 0.5, 99.5),
    ],
)
def test_percentiles_are_numpys(name, window, low, high):
    elements = pydicom.dcmread(file_of(name))
    values = apply_modality_lut(elements.pixel_array, elements)
    padding = elements.get("PixelPaddingValue")
    measured = values if padding is None else values[elements.pixel_array != padding]
    black, white = np.percentile(measured, (low, high))
    expected = np.clip((values - black) / (white - black), 0, 1) * 65535
    found = read_image(elements.filename, channels=1, window=window)[..., 0]
    np.testing.assert_allclose(found, expected, atol=0.51)


@pytest.mark.parametrize(
    ("encoded", "plain"),
    [
        ("693_J2KR.dcm", "693_UNCR.dcm"),
        ("RG3_J2KR.dcm", "RG3_UNCR.dcm"),
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("MR_small_implicit.dcm", "MR_small.dcm"),
        ("MR_small_padded.dcm", "MR_small.dcm"),
        ("US1_J2KR.dcm", "US1_UNCR.dcm"),
        ("SC_rgb_rle.dcm", "SC_rgb.dcm"),
        ("SC_rgb_expb_16bit.dcm", "SC_rgb_16bit.dcm"),
        ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb.dcm"),  # JPEG lossless
        ("color-pl.dcm", "color-px.dcm"),  # colours in planes
        ("OBXXXX1A_rle.dcm", "OBXXXX1A.dcm"),  # palettes
        ("OBXXXX1A_expb.dcm", "OBXXXX1A.dcm"),
        ("gdcm-US-ALOKA-16_big.dcm", "gdcm-US-ALOKA-16.dcm"),
    ],
)
def test_how_pixels_are_encoded_makes_no_difference(encoded, plain):
    first, second = read_image(file_of(encoded)), read_image(file_of(plain))
    assert first.dtype == second.dtype and first.shape == (*image_size(file_of(encoded)), 3)
    assert first.max() > first.min()
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["emri_small_RLE.dcm", "emri_small_big_endian.dcm", "emri_small_jpeg_ls_lossless.dcm"])
def test_every_frame_is_a_picture_of_its_own(name):
    frames = parts_of(file_of("emri_small.dcm"))
    assert [frame.rpartition("#")[2] for frame in frames[:2]] == ["01", "02"] and len(frames) == 10
    others = parts_of(file_of(name))
    for first, second in zip(frames[::3], others[::3], strict=True):
        np.testing.assert_array_equal(read_image(first), read_image(second))
    assert not np.array_equal(read_image(frames[0]), read_image(frames[5]))
    assert image_size(frames[3]) == (64, 64)


@pytest.mark.parametrize(
    ("name", "frame"),
    [("examples_rgb_color.dcm", 0), ("examples_ybr_color.dcm", 29), ("SC_ybr_full_uncompressed.dcm", 0),
     ("SC_ybr_full_422_uncompressed.dcm", 0), ("color3d_jpeg_baseline.dcm", 77)],
)  # fmt: skip
def test_colours_are_rgb(name, frame):
    address = parts_of(file_of(name))[frame]
    expected = pixel_array(file_of(name), index=frame)
    np.testing.assert_array_equal(read_image(address), expected)
    grey = read_image(address, channels=1)[..., 0]
    np.testing.assert_allclose(grey, expected @ [0.299, 0.587, 0.114], atol=0.51)


def test_a_palette_is_looked_up():
    elements = pydicom.dcmread(file_of("examples_palette.dcm"))
    tables = [getattr(elements, f"{c}PaletteColorLookupTableData") for c in ("Red", "Green", "Blue")]
    entries = np.stack([np.frombuffer(table, "<u2") >> 8 for table in tables], axis=1)
    np.testing.assert_array_equal(read_image(elements.filename), entries[elements.pixel_array])


def test_deep_colours_stay_deep_and_fill_the_range():
    np.testing.assert_array_equal(read_image(file_of("SC_rgb_16bit.dcm")), pixel_array(file_of("SC_rgb_16bit.dcm")))
    deeper = pixel_array(file_of("SC_rgb_32bit.dcm")).astype(np.float64)
    np.testing.assert_allclose(read_image(file_of("SC_rgb_32bit.dcm")), deeper * (65535 / (2**32 - 1)), atol=0.51)


def test_a_deflated_file_and_eight_bits_are_taken_as_they_are():
    np.testing.assert_array_equal(
        read_image(file_of("image_dfl.dcm"), channels=1)[..., 0], pydicom.dcmread(file_of("image_dfl.dcm")).pixel_array
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("rtplan.dcm", "RT Plan Storage, which holds no picture"),
        ("reportsi.dcm", "Basic Text SR Storage, which holds no picture"),
        ("MR_truncated.dcm", "its pixels are cut short (8,130 of 8,192 bytes are there)"),
        ("liver_1frame.dcm", "a DICOM segmentation, which is a mask and no image"),
        ("JPEG-lossy.dcm", "its pixels"),  # of a kind that no decoder here takes
        ("badVR.dcm", "cannot be read as DICOM"),  # its number of frames is 1A
    ],
)
def test_what_is_no_image_is_refused_by_name(name, reason):
    with pytest.raises(DataError) as refused:
        [read_image(part) for part in parts_of(file_of(name))]
    assert str(file_of(name)) in str(refused.value) and reason in str(refused.value)
