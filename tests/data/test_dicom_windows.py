"""From stored values to grey levels, on files of a few pixels whose grey levels were worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom_making import dataset, lookup_table, make, save
from medgraft.data.formats import read_image
from medgraft.errors import DataError, RecipeError
from medgraft.recipe import Recipe
from medgraft.window import WindowOption


def levels(file, window="auto"):
    """Grey levels as shares of white."""
    found = read_image(file, channels=1, window=window)[..., 0]
    return found / (255 if found.dtype == np.uint8 else 65535)


def of(tmp_path, values, window="auto", dtype=np.uint16, **elements):
    return levels(make(tmp_path / "a.dcm", np.array([values], dtype), **elements), window)[0]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # PS3.3, C.11.2.1.2.1: c = 2048, w = 4096: ((x - 2047.5) / 4095 + 0.5), 0 up to x = 0, 1 from 4095 on.
        ("LINEAR", [0, 1 / 4095, 2048 / 4095, 1, 1]),
        # C.11.2.1.3.2: (x - 2048) / 4096 + 0.5
        ("LINEAR_EXACT", [0, 1 / 4096, 0.5, 4095 / 4096, 1]),
        # C.11.2.1.3.1: 1 / (1 + exp(-4 (x - 2048) / 4096)); at both ends 1 / (1 + e^2) and its complement.
        ("SIGMOID", [0.119203, 0.119306, 0.5, 0.880694, 0.982014]),
    ],
)
def test_the_three_functions_of_the_standard(tmp_path, function, expected):
    window = {"WindowCenter": 2048, "WindowWidth": 4096, "VOILUTFunction": function}
    found = of(tmp_path, [0, 1, 2048, 4095, 6144], **window)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_window_is_in_units_of_the_modality_and_white_where_the_modality_says(tmp_path):
    scaled = {"RescaleSlope": 2, "RescaleIntercept": -1000}
    # 40/400 is from -160 to 240 HU, which are stored as 420 and 620.
    np.testing.assert_allclose(of(tmp_path, [0, 420, 520, 620, 900], "40/400", **scaled), [0, 0, 0.5, 1, 1], atol=1e-5)
    np.testing.assert_allclose(of(tmp_path, [0, 100, 200], "-700/400", **scaled), [0, 0.25, 0.75], atol=1e-5)
    inverted = of(tmp_path, [420, 520, 570, 900], "40/400", PhotometricInterpretation="MONOCHROME1", **scaled)
    np.testing.assert_allclose(inverted, [1, 0.5, 0.25, 0], atol=1e-5)


def test_signed_values_and_their_full_range(tmp_path):
    ends = of(tmp_path, [-2048, -1024, 0, 2047], "full", np.int16, bits=12)
    np.testing.assert_allclose(ends, [0, 1024 / 4095, 2048 / 4095, 1], atol=1e-5)
    np.testing.assert_allclose(of(tmp_path, [0, 1023], "full", bits=10), [0, 1], atol=1e-5)


def test_one_of_several_windows_by_number_and_by_name(tmp_path):
    several = {
        "WindowCenter": [50, 150],
        "WindowWidth": [101, 101],
        "WindowCenterWidthExplanation": ["BRAIN", "BONE"],
        "VOILUTSequence": [lookup_table([0, 65535, 0], first=100)],
    }
    file = make(tmp_path / "a.dcm", np.array([[0, 99, 100, 101, 102, 199]], np.uint16), **several)
    np.testing.assert_allclose(levels(file), [[0, 0, 0, 1, 0, 0]])  # the table comes first
    np.testing.assert_allclose(levels(file, "2"), [[0.005, 0.995, 1, 1, 1, 1]], atol=1e-5)
    for bone in ("3", "#3", "bone", "BONE"):
        np.testing.assert_allclose(levels(file, bone), [[0, 0, 0.005, 0.015, 0.025, 0.995]], atol=1e-5)
    for missing in ("4", "LUNG"):
        with pytest.raises(DataError, match=rf"no window {missing}, it has the windows 1, 2 BRAIN, 3 BONE; choose"):
            read_image(file, window=missing)
    with pytest.raises(DataError, match="no window 1, it has no window of its own"):
        read_image(make(tmp_path / "b.dcm", np.zeros((2, 2), np.uint16)), window="1")


def test_a_table_of_eight_bits_and_ends_beyond_it(tmp_path):
    table = lookup_table([10, 128, 255], first=5, bits=8)
    expected = np.array([10, 10, 128, 255, 255]) / 255
    np.testing.assert_allclose(of(tmp_path, [0, 5, 6, 7, 99], VOILUTSequence=[table]), expected, atol=1e-5)


def test_a_width_of_zero_is_no_window(tmp_path):
    found = of(tmp_path, [0, 1000, 2000], WindowCenter=0, WindowWidth=0)
    np.testing.assert_allclose(found, of(tmp_path, [0, 1000, 2000], "percentile"))


def test_eight_bits_without_a_window_are_shown_as_they_are_and_with_one_by_it(tmp_path):
    values = np.array([[3, 40, 200]], np.uint8)
    np.testing.assert_array_equal(read_image(make(tmp_path / "a.dcm", values), channels=1)[..., 0], values)
    windowed = read_image(make(tmp_path / "b.dcm", values), channels=1, window="100/100")
    assert windowed.dtype == np.uint8 and windowed[..., 0].tolist() == [[0, 0, 255]]
    four = read_image(make(tmp_path / "c.dcm", np.array([[0, 5, 15]], np.uint8), bits=4), channels=3)
    assert four[0, :, 2].tolist() == [0, 85, 255]


def test_bits_above_those_stored_mean_something_else(tmp_path):
    expected = np.array([0, 0xFF, 0xFFF]) / 0xFFF
    overlaid = np.array([0x0000, 0xF0FF, 0x5FFF], np.uint16)
    np.testing.assert_allclose(of(tmp_path, overlaid, "full", bits=12), expected, atol=1e-5)
    high = np.array([0x0000, 0x0FFF, 0xFFF3], np.uint16)  # 12 bits in the upper ones, as old files have them
    np.testing.assert_allclose(of(tmp_path, high, "full", bits=12, HighBit=15), expected, atol=1e-5)


def test_padding_is_not_counted_among_the_values(tmp_path):
    values = np.concatenate([np.full(900, -2000), np.arange(100)]).astype(np.int16).reshape(10, 100)
    padded = dataset(values)
    padded.add_new("PixelPaddingValue", "SS", -2000)
    found = levels(save(tmp_path / "a.dcm", padded), "0-100")
    np.testing.assert_allclose(found[-1], np.arange(100) / 99, atol=1e-5)
    assert found[0].max() == 0
    padded.add_new("PixelPaddingRangeLimit", "SS", 49)
    found = levels(save(tmp_path / "b.dcm", padded), "0-100")
    np.testing.assert_allclose(found[-1], np.clip((np.arange(100) - 50) / 49, 0, 1), atol=1e-5)
    everything = dataset(np.full((4, 4), -2000, np.int16))
    everything.add_new("PixelPaddingValue", "SS", -2000)
    assert levels(save(tmp_path / "c.dcm", everything)).max() == 0


@given(
    st.lists(st.integers(-3000, 3000), min_size=4, max_size=30),
    st.sampled_from([(0.5, 99.5), (0, 100), (10, 60), (25, 75)]),
)
@settings(max_examples=30, deadline=None)
def test_percentiles_are_those_of_numpy(tmp_path_factory, values, percentiles):
    values = np.array([values], np.int16)
    low, high = np.percentile(values, percentiles)
    if low == high:
        low, high = float(values.min()), float(values.max())
    expected = np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros(values.shape)
    file = make(tmp_path_factory.mktemp("values") / "a.dcm", values)
    np.testing.assert_allclose(levels(file, f"{percentiles[0]}-{percentiles[1]}"), expected, atol=1e-5)


def test_frames_have_windows_and_units_of_their_own(tmp_path):
    values = np.array([[[0, 100, 200]], [[0, 100, 200]]], np.uint16)
    made = dataset(values, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=[_groups(1, 100), _groups(10, 1000)])
    made.SharedFunctionalGroupsSequence = [_groups(3, 7)]  # what a frame says itself goes before
    save(tmp_path / "a.dcm", made)
    for frame in (1, 2):
        np.testing.assert_allclose(levels(f"{tmp_path / 'a.dcm'}#{frame}"), [[0, 0.5, 1]], atol=1e-4)
    # 200 in the second frame are 2000, and 1000/1000 ends at 1500.
    np.testing.assert_allclose(levels(f"{tmp_path / 'a.dcm'}#2", "1000/1000"), [[0, 0.5, 1]], atol=1e-5)
    np.testing.assert_allclose(levels(f"{tmp_path / 'a.dcm'}#1", "1000/1000"), [[0, 0, 0]], atol=1e-5)


def _groups(slope, centre):
    units, window, group = Dataset(), Dataset(), Dataset()
    units.RescaleSlope, units.RescaleIntercept = slope, 0
    window.WindowCenter, window.WindowWidth, window.VOILUTFunction = centre, 2 * centre, "LINEAR_EXACT"
    group.PixelValueTransformationSequence, group.FrameVOILUTSequence = [units], [window]
    return group


def test_values_of_fractions_are_read_and_those_that_are_no_numbers_refused(tmp_path):
    made = dataset(np.zeros((1, 4), np.uint16))
    del made.PixelData, made.BitsStored, made.HighBit, made.PixelRepresentation
    made.BitsAllocated, made.FloatPixelData = 32, np.array([0.5, 1.0, 1.5, 2.5], np.float32).tobytes()
    np.testing.assert_allclose(levels(save(tmp_path / "a.dcm", made), "full"), [[0, 0.25, 0.5, 1]], atol=1e-5)
    made.FloatPixelData = np.array([0.5, np.nan, 1.5, 2.5], np.float32).tobytes()
    with pytest.raises(DataError, match=r"b\.dcm: holds values that are no numbers \(NaN or infinite\)"):
        read_image(save(tmp_path / "b.dcm", made))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("auto", WindowOption()),
        (" FULL ", WindowOption(full=True)),
        ("percentile", WindowOption(percentiles=(0.5, 99.5))),
        ("1-99", WindowOption(percentiles=(1, 99))),
        ("0.5%-99.5%", WindowOption(percentiles=(0.5, 99.5))),
        ("40/400", WindowOption(centre_width=(40, 400))),
        ("-600 / 1500", WindowOption(centre_width=(-600, 1500))),
        ("2", WindowOption(own=2)),
        ("#12", WindowOption(own=12)),
        ("soft  tissue", WindowOption(own="soft tissue")),
    ],
)
def test_what_the_option_may_say(text, read):
    assert WindowOption.parse(text) == read
    assert Recipe.make(window=text).window == text


@pytest.mark.parametrize("text", ["", "40/0", "40/-3", "99-1", "1-101", "0", "#", "-3", "a/b", None, 2.5, True])
def test_what_it_may_not(text):
    with pytest.raises(RecipeError, match="window: "):
        Recipe.make(window=text)


def test_a_number_in_yaml_is_one_of_the_files_own_windows(tmp_path):
    (tmp_path / "recipe.yaml").write_text("window: 2\n")
    assert Recipe.load(tmp_path / "recipe.yaml").window == "2"
