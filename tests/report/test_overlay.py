import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.report import Layer, overlay

BLUE, ORANGE = (0, 0, 255), (255, 128, 0)


def square(size: int = 64, low: int = 16, high: int = 48) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[low:high, low:high] = True
    return mask


def grey(size: int = 64) -> np.ndarray:
    return np.full((size, size, 3), 128, np.uint8)


def test_outline_runs_along_the_border_and_leaves_inside_and_outside_alone():
    image = grey()
    drawn = overlay(image, [(square(), BLUE)], width=3)
    assert tuple(drawn[16, 32]) == BLUE and tuple(drawn[32, 47]) == BLUE
    assert tuple(drawn[32, 32]) == (128, 128, 128) and tuple(drawn[4, 4]) == (128, 128, 128)
    assert (image == 128).all(), "the image given must not be drawn on"


def test_a_hole_has_an_outline_of_its_own():
    mask = square() & ~square(low=28, high=36)
    drawn = overlay(grey(), [(mask, BLUE)], width=3)
    assert tuple(drawn[32, 27]) == BLUE


def test_opacity_mixes_the_fill_by_hand():
    drawn = overlay(grey(), [(square(), (228, 28, 128))], opacity=0.25)
    # 0.75 * 128 + 0.25 * (228, 28, 128)
    assert tuple(drawn[32, 32]) == (153, 103, 128)
    assert tuple(drawn[2, 2]) == (128, 128, 128)


def test_dashes_leave_gaps():
    mask = square(256, 20, 236)
    solid = overlay(grey(256), [Layer(mask, BLUE)])
    dashed = overlay(grey(256), [Layer(mask, BLUE, dash=16)])
    blue = [(np.abs(d.astype(int) - BLUE).sum(-1) == 0).sum() for d in (solid, dashed)]
    assert 0.3 * blue[0] < blue[1] < 0.8 * blue[0]
    along = dashed[20, 20:236]
    assert (along == 128).all(-1).any(), "the image shows between dashes"


def test_casing_keeps_an_outline_visible_on_its_own_colour():
    image = np.full((64, 64, 3), BLUE, np.uint8)
    drawn = overlay(image, [(square(), BLUE)])
    assert drawn[32, :, 2].min() < 160, "dark beside the line"
    assert tuple(drawn[32, 16]) == BLUE


def test_later_masks_lie_on_top():
    drawn = overlay(grey(), [(square(), BLUE), (square(), ORANGE)], width=3)
    assert tuple(drawn[16, 32]) == ORANGE


def test_empty_and_missing_masks_change_nothing():
    empty = np.zeros((64, 64), bool)
    assert (overlay(grey(), [(empty, BLUE)], opacity=0.5) == 128).all()
    assert (overlay(grey(), []) == 128).all()


def test_sizes_and_opacity_are_checked():
    with pytest.raises(ValueError, match="cannot lie on"):
        overlay(grey(), [(square(32, 8, 16), BLUE)])
    with pytest.raises(ValueError, match="opacity"):
        overlay(grey(), [], opacity=1.5)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(0, 20))
def test_any_mask_of_any_size_keeps_shape_and_type(height, width, seed, dash):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    drawn = overlay(image, [Layer(rng.random((height, width)) < 0.5, ORANGE, dash)], opacity=0.3)
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
