"""Bland and Altman's own figures, limits by hand, and sizes from the rows of an evaluation."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress

from medgraft.errors import RunError
from medgraft.evaluation import bland_altman, size_agreement
from medgraft.evaluation.resampling import Bootstrap

# Peak expiratory flow of 17 people, in l/min, by a large and by a mini meter: the first of two readings each
# (Bland & Altman 1986, table 1).
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def test_the_figures_of_bland_and_altmans_paper():
    # The paper takes large less mini: bias -2.1 (95% interval -22.0 to 17.8), s = 38.8, and limits 2 s from it.
    found = bland_altman(MINI, LARGE, unit="l/min")
    assert found.bias.value == pytest.approx(-2.1, abs=0.05)
    assert (found.bias.low, found.bias.high) == (pytest.approx(-22.0, abs=0.1), pytest.approx(17.8, abs=0.1))
    assert found.deviation == pytest.approx(38.8, abs=0.05)
    assert (found.lower.value, found.upper.value) == (
        pytest.approx(-2.1 - 1.96 * 38.8, abs=0.1),
        pytest.approx(-2.1 + 1.96 * 38.8, abs=0.1),
    )
    # Its standard error of a limit, sqrt(3 s^2 / n), is 16.3, and t of 16 degrees 2.12: 34.6 to each side. The form of
    # 1999 has 1 / (n - 1) where that has 1 / n, and 1.96 for 2.
    reach = 2.12 * 38.8 * math.sqrt(1 / 17 + 1.96**2 / 32)
    assert found.upper.high - found.upper.value == pytest.approx(reach, rel=2e-3)
    assert found.upper.value - found.upper.low == pytest.approx(34.6, rel=0.02)
    assert (found.bias.n, found.unit) == (17, "l/min")


def test_the_slope_is_that_of_least_squares():
    found, differences, means = bland_altman(LARGE, MINI), np.subtract(MINI, LARGE), np.add(MINI, LARGE) / 2
    theirs = linregress(means, differences)
    assert found.slope.value == pytest.approx(theirs.slope)
    # t of 15 degrees of freedom at 97.5%.
    assert found.slope.high - found.slope.value == pytest.approx(2.1314 * theirs.stderr, rel=1e-4)
    np.testing.assert_allclose(found.differences, differences)
    np.testing.assert_allclose(found.means, means)


def test_a_prediction_that_is_always_a_tenth_too_large_has_that_slope():
    true = np.array([100.0, 200, 300, 400])
    found = bland_altman(true, 1.1 * true)
    assert found.bias.value == pytest.approx(25)
    assert found.slope.value == pytest.approx(0.1 / 1.05)


def test_where_all_agree_everything_is_zero_and_no_slope_can_be_told_of_one_size():
    found = bland_altman([5, 5, 5], [5, 5, 5])
    assert (found.bias.value, found.lower.value, found.upper.value, found.deviation) == (0, 0, 0, 0)
    assert math.isnan(found.slope.value)


def test_few_cases_have_no_interval():
    one, two = bland_altman([5], [7]), bland_altman([5, 6], [7, 9])
    assert one.bias.value == 2 and math.isnan(one.bias.low) and math.isnan(one.upper.value)
    assert two.bias.value == 2.5 and math.isnan(two.bias.low) and two.upper.value > 2.5


def test_several_cases_of_a_patient_are_drawn_together():
    rng = np.random.default_rng(0)
    own = np.repeat(rng.normal(0, 10, 12), 10)
    true = rng.uniform(50, 150, 120)
    predicted = true + own + rng.normal(0, 1, 120)
    alone = bland_altman(true, predicted).bias
    together = bland_altman(true, predicted, np.repeat(np.arange(12), 10), Bootstrap(1000)).bias
    assert together.value == pytest.approx(alone.value)
    # Twelve patients say far less than 120 cases that have nothing to do with each other: sqrt(10) times less.
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert bland_altman(true, predicted, np.arange(120)).bias == alone


def test_drawing_finds_about_the_interval_of_the_formula_where_both_hold():
    rng = np.random.default_rng(1)
    true = rng.uniform(50, 150, 200)
    predicted = true + rng.normal(3, 5, 200)
    formula = bland_altman(true, predicted)
    # Pairs of cases as patients, though they have nothing in common.
    drawn = bland_altman(true, predicted, np.repeat(np.arange(100), 2), Bootstrap(4000))
    for name in ("bias", "lower", "upper", "slope"):
        one, other = getattr(formula, name), getattr(drawn, name)
        assert other.value == pytest.approx(one.value)
        assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.25)


def test_cases_of_unknown_size_are_left_out_and_none_is_an_error():
    assert bland_altman([1, 2, np.nan], [2, np.nan, 3]).bias.n == 1
    with pytest.raises(ValueError, match="at least one"):
        bland_altman([np.nan], [1])
    with pytest.raises(ValueError, match="two sizes"):
        bland_altman([1, 2], [1])


def rows(**columns):
    return pd.DataFrame(
        {
            "id": list("abcd"),
            "image": list("abcd"),
            "pixels_true": [10, 20, 30, 40],
            "pixels_predicted": [12, 20, 30, 46],
        }
        | columns
    )


def test_areas_are_in_pixels_where_one_size_is_unknown_and_in_mm2_where_all_are_known():
    assert (size_agreement(rows()).unit, size_agreement(rows()).bias.value) == ("pixels", 2)
    assert size_agreement(rows(pixel_mm2=[0.25, 0.25, np.nan, 0.25])).unit == "pixels"
    found = size_agreement(rows(pixel_mm2=[0.25, 0.25, 0.5, 1.0]))
    assert found.unit == "mm²"
    assert found.true.tolist() == [2.5, 5, 15, 40]
    assert found.bias.value == pytest.approx((0.5 + 0 + 0 + 6) / 4)


def test_slices_of_a_file_are_added_up_to_a_volume_in_ml():
    images = ["one.nii.gz#axial-00", "one.nii.gz#axial-01", "two.nii.gz#axial-00", "one.nii.gz#axial-02"]
    found = size_agreement(rows(image=images, pixel_mm2=[4.0, 4, 1, 4], slice_mm=[5.0, 5, 2, 5], group=list("xxyx")))
    # One: (10 + 20 + 40) pixels of 4 mm2, 5 mm apart: 1400 mm3; two: 30 pixels, 2 mm apart: 60 mm3.
    assert found.unit == "ml"
    assert found.true.tolist() == [pytest.approx(1.4), pytest.approx(0.06)]
    assert found.predicted.tolist() == [pytest.approx(1.56), pytest.approx(0.06)]
    assert found.bias.n == 2


def test_a_class_of_its_own_and_a_table_of_an_older_version():
    found = size_agreement(rows(pixels_true_cup=[1, 2, 3, 4], pixels_predicted_cup=[1, 2, 3, 8]), "cup")
    assert found.bias.value == 1
    with pytest.raises(RunError, match="evaluate the run again"):
        size_agreement(pd.DataFrame({"id": ["a"], "dice": [0.5]}))
    with pytest.raises(RunError, match="no row"):
        size_agreement(rows().iloc[:0])
