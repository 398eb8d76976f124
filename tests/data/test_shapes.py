"""Which pixels lie in an outline or in run lengths: by hand, by properties, and against pycocotools."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as oracle

from medgraft.data.layouts.shapes import Outlines, Runs, unpacked_runs

QUARTERS = st.integers(-80, 160).map(lambda number: number / 4)
"""With these, sums are exact, so that even an edge through a pixel's centre is at the same place after a shift."""
POLYGONS = hnp.arrays(np.float64, st.tuples(st.integers(3, 9), st.just(2)), elements=QUARTERS)


def painted(shape: Outlines | Runs, height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    assert shape.paint(mask, 7) == mask.any()
    assert set(np.unique(mask)) <= {0, 7}
    return mask > 0


def outline(*corners: tuple[float, float]) -> Outlines:
    return Outlines((np.array(corners, np.float64),))


def drawn(*rows: str) -> np.ndarray:
    return np.array([[sign == "#" for sign in row] for row in rows])


def test_a_box_covers_its_pixels_and_no_border_more() -> None:
    assert painted(Outlines.box(1, 1, 4, 3), 5, 6).tolist() == drawn(
        "......", ".###..", ".###..", "......", "......"
    ).tolist()  # fmt: skip
    assert Outlines.box(1, 1, 4, 3).area == 6


def test_a_pixel_belongs_where_its_centre_lies() -> None:
    assert painted(Outlines.box(0.4, 0.4, 1.6, 1.6), 3, 3).tolist() == drawn("##.", "##.", "...").tolist()
    assert painted(Outlines.box(0.6, 0.6, 1.4, 1.4), 3, 3).sum() == 0
    # A centre on the left or upper edge is in, on the right or lower edge it is out.
    assert painted(Outlines.box(0.5, 0.5, 1.5, 1.5), 3, 3).tolist() == drawn("#..", "...", "...").tolist()


def test_a_triangle_by_hand() -> None:
    """The hypotenuse from (0, 4) to (4, 0): centres with x + y < 4."""
    assert painted(outline((0, 0), (4, 0), (0, 4)), 5, 5).tolist() == drawn(
        "###..", "##...", "#....", ".....", "....."
    ).tolist()  # fmt: skip


def test_what_an_outline_goes_round_twice_is_outside_of_it() -> None:
    twice = outline((0, 0), (6, 0), (6, 6), (0, 6), (0, 0), (2, 2), (4, 2), (4, 4), (2, 4), (2, 2))
    assert painted(twice, 6, 6)[2:4, 2:4].sum() == 0 and painted(twice, 6, 6).sum() == 32


def test_parts_are_joined_also_where_they_overlap() -> None:
    boxes = [Outlines.box(0, 0, 3, 3), Outlines.box(2, 2, 5, 5)]
    both = Outlines(tuple(box.parts[0] for box in boxes))
    assert (painted(both, 6, 6) == painted(boxes[0], 6, 6) | painted(boxes[1], 6, 6)).all()
    assert both.area == 18


def test_reaching_beyond_the_border() -> None:
    assert not Outlines.box(-0.9, 0, 5.9, 5).leaves(5, 5)
    assert Outlines.box(-1, 0, 5, 5).leaves(5, 5) and Outlines.box(0, 0, 5, 6).leaves(5, 5)
    assert painted(Outlines.box(-10, -10, 2, 1), 3, 3).tolist() == drawn("##.", "...", "...").tolist()
    assert painted(Outlines.box(5, 5, 9, 9), 3, 3).sum() == 0


@settings(max_examples=60, deadline=None)
@given(POLYGONS)
def test_what_is_cut_off_at_the_border_changes_nothing_inside(corners: np.ndarray) -> None:
    whole = painted(Outlines((corners + 20,)), 60, 60)
    assert (painted(Outlines((corners,)), 20, 15) == whole[20:40, 20:35]).all()


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 12), st.floats(0, 12), hnp.arrays(np.float64, (4, 2), elements=st.floats(0, 12)))
def test_outlines_that_share_a_border_share_no_pixel_and_leave_none_out(
    left: float, right: float, path: np.ndarray
) -> None:
    """A square cut in two along any path from top to bottom, even one that crosses itself."""
    cut = np.array([[left, 0], *path, [right, 12]])
    one = np.concatenate([[[0, 12], [0, 0]], cut])
    other = np.concatenate([[[12, 0], [12, 12]], cut[::-1]])
    assert (painted(Outlines((one,)), 12, 12) ^ painted(Outlines((other,)), 12, 12)).all()


def test_outlines_agree_with_pycocotools_but_for_its_rounding_to_fifths_of_a_pixel() -> None:
    rng, shares = np.random.default_rng(0), []
    for _ in range(150):
        height, width = map(int, rng.integers(40, 200, 2))
        angles, radii = np.sort(rng.uniform(0, 2 * np.pi, 12)), rng.uniform(0.5, 1, 12) * rng.uniform(5, 60)
        corners = rng.uniform(0.2, 0.8, 2) * [width, height] + radii[:, None] * np.c_[np.cos(angles), np.sin(angles)]
        ours = painted(Outlines((corners,)), height, width)
        theirs = oracle.decode(oracle.frPyObjects([corners.ravel().tolist()], height, width))[..., 0] > 0
        for row, column in np.argwhere(ours != theirs):
            centre = (float(column) + 0.5, float(row) + 0.5)
            assert abs(cv2.pointPolygonTest(corners.astype(np.float32)[:, None], centre, True)) < 0.3
        if ours.sum() >= 1000:
            shares.append((ours & theirs).sum() / (ours | theirs).sum())
    assert len(shares) > 50 and min(shares) >= 0.98 and np.mean(shares) >= 0.995


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 1)))
def test_run_lengths_of_pycocotools_are_read_exactly(mask: np.ndarray) -> None:
    packed = oracle.encode(np.asfortranarray(mask))
    runs = Runs(unpacked_runs(packed["counts"].decode()))
    assert (painted(runs, *mask.shape) == (mask > 0)).all()
    assert runs.area == float(oracle.area(packed)) == mask.sum()


def test_long_runs_and_falling_differences_are_read_exactly() -> None:
    """Runs beyond 2**15 pixels, and a long one before a short one, so that differences are negative."""
    mask = np.zeros((1500, 1000), np.uint8)
    mask[:, 100:600] = 1
    mask[3, 700] = mask[9, 702] = 1
    runs = unpacked_runs(oracle.encode(np.asfortranarray(mask))["counts"].decode())
    assert runs.tolist() == [150000, 750000, 150003, 1, 3005, 1, 446990]
    assert (painted(Runs(runs), 1500, 1000) == (mask > 0)).all()


def test_run_lengths_go_down_the_columns() -> None:
    assert painted(Runs(np.array([1, 3, 2])), 3, 2).tolist() == [[False, True], [True, False], [True, False]]
    assert painted(Runs(np.array([0, 6])), 3, 2).all()
    assert painted(Runs(np.array([6])), 3, 2).sum() == 0
    assert painted(Runs(np.array([2, 0, 2, 1, 1])), 3, 2).sum() == 1


@pytest.mark.parametrize("text", ["", "P", "aé", "0 1", "o" * 14 + "0", "\x20"])
def test_texts_that_are_no_run_lengths(text: str) -> None:
    with pytest.raises(ValueError, match="its counts"):
        unpacked_runs(text)


def test_runs_of_another_number_of_pixels() -> None:
    with pytest.raises(ValueError, match="its runs are 6 pixels, and the image has 8"):
        Runs(np.array([1, 3, 2])).paint(np.zeros((4, 2), np.uint8), 1)
