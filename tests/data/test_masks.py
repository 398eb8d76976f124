"""What mask values mean: inference, options, encoding and decoding."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.data.masks import MaskClasses
from medgraft.errors import DataError, RecipeError

FILES = {value: f"masks/m{value}.png" for value in range(256)}


@pytest.mark.parametrize(
    ("values", "foreground"), [({0, 255}, 255), ({0, 1}, 1), ({0}, 255), ({np.uint8(0), np.uint8(1)}, 1)]
)
def test_binary_masks_are_recognised(values: set[int], foreground: int) -> None:
    classes = MaskClasses.infer(values, FILES)
    assert classes.names == ("background", "foreground")
    assert classes.rule == f"0 = background, {foreground} = foreground"
    mask = np.array([[0, foreground]], np.uint8)
    assert classes.encode(mask, "m.png").tolist() == [[0, 1]]


@pytest.mark.parametrize("values", [{0, 128, 255}, {0, 1, 255}, {1, 2}, {255}, {1}, {0, 7}, {0, 1, 2}])
def test_other_values_are_refused_with_files_and_the_option(values: set[int]) -> None:
    with pytest.raises(DataError) as error:
        MaskClasses.infer(values, FILES)
    assert all(f"{value} (m{value}.png)" in str(error.value) for value in values)
    assert "--mask-values" in str(error.value)


def test_the_option_in_the_message_works_when_pasted() -> None:
    with pytest.raises(DataError) as error:
        MaskClasses.infer({0, 128, 255}, FILES)
    option = str(error.value).rpartition("--mask-values ")[2]
    classes = MaskClasses.from_option(dict(pair.split("=") for pair in option.split(",")))
    assert classes.count == 3
    assert classes.encode(np.array([0, 128, 255], np.uint8), "m.png").tolist() == [0, 1, 2]


def test_grey_levels_all_over_suggest_a_threshold() -> None:
    with pytest.raises(DataError, match="0-127=background,128-255=foreground"):
        MaskClasses.infer(set(range(250)), FILES)


def test_option_keeps_the_order_of_classes_after_the_background() -> None:
    classes = MaskClasses.from_option({"2": "lens", "0": "skin", "5": "hair", "3-4": "lens"})
    assert classes.names == ("skin", "lens", "hair")
    assert classes.encode(np.arange(6).reshape(2, 3)[:, ::2], "m.png").tolist() == [[0, 1], [1, 2]]
    assert classes.rule == "2 = lens, 0 = skin, 5 = hair, 3-4 = lens"


def test_a_class_named_background_wins_over_the_value_0() -> None:
    classes = MaskClasses.from_option({"0": "lesion", "255": "background"})
    assert classes.names == ("background", "lesion")
    assert classes.encode(np.array([0, 255]), "m.png").tolist() == [1, 0]
    assert classes.decode(np.array([0, 1])).tolist() == [255, 0]


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"1": "a", "2": "b"}, "which is the background"),
        ({"0": "background"}, "between 2 and 256"),
        ({"0": "background", "x": "lesion"}, "'x' is neither"),
        ({"0-127": "background", "100-255": "lesion"}, "100 is given twice"),
        ({"0": "background", "9-3": "lesion"}, "9-3 is no range"),
        ({"0": "background", "70000": "lesion"}, "70000-70000 is no range"),
    ],
)
def test_bad_options_are_refused(option: dict[str, str], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        MaskClasses.from_option(option)


def test_a_value_nobody_mapped_names_file_and_values() -> None:
    classes = MaskClasses.infer({0, 255}, FILES)
    mask = np.array([[0, 255, 128, 7]], np.uint8)
    with pytest.raises(DataError, match=r"m3\.png.*values 7, 128 .*0 = background, 255 = foreground") as error:
        classes.encode(mask, "masks/m3.png")
    assert "--mask-values 0=background,255=foreground,7=foreground" in str(error.value)


@pytest.mark.parametrize("mask", [np.array([0, 70000]), np.array([-1, 0]), np.array([300], np.uint16)])
def test_values_far_outside_are_refused(mask: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"m\.png"):
        MaskClasses.infer({0, 255}, FILES).encode(mask, "m.png")


def test_thresholded_mask_is_decoded_by_the_outer_values() -> None:
    classes = MaskClasses.from_option({"0-127": "background", "128-255": "lesion"})
    assert classes.encode(np.array([3, 127, 128, 250], np.uint8), "m.png").tolist() == [0, 0, 1, 1]
    decoded = classes.decode(np.array([0, 1]))
    assert decoded.tolist() == [0, 255] and decoded.dtype == np.uint8


def test_deep_masks_decode_as_sixteen_bits() -> None:
    classes = MaskClasses.from_option({"0": "background", "1000": "liver"})
    assert classes.encode(np.array([0, 1000], np.uint16), "m.png").tolist() == [0, 1]
    assert classes.decode(np.array([1, 0])).tolist() == [1000, 0]


@settings(max_examples=50, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 300), min_size=1, max_size=6, unique=True).map(sorted),
    draw=st.lists(st.integers(0, 6), min_size=1),
)
def test_encode_undoes_decode(cuts: list[int], draw: list[int]) -> None:
    edges = [0, *cuts, 301]
    spans = pairwise(edges)
    option = {f"{low}-{high - 1}": f"class {low}" for low, high in spans}
    classes = MaskClasses.from_option(option)
    indices = np.array(draw) % classes.count
    encoded = classes.encode(classes.decode(indices), "m.png")
    assert encoded.dtype == np.uint8 and np.array_equal(encoded, indices)


def test_plain_form_survives_json() -> None:
    classes = MaskClasses.from_option({"0-127": "background", "128-255": "lesion"})
    assert MaskClasses.from_dict(json.loads(json.dumps(classes.to_dict()))) == classes
