"""Holm's correction against cases worked by hand and against what it must hold to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.evaluation.multiplicity import holm


def test_cases_worked_by_hand():
    # Sorted 0.01, 0.03, 0.04: times 3, 2, 1 = 0.03, 0.06, 0.04, and none below the one before.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    # 0.005 x 4, 0.011 x 3, 0.02 x 2, 0.04: Holm's paper rejects step by step, all below 0.05 here.
    np.testing.assert_allclose(holm([0.02, 0.005, 0.04, 0.011]), [0.04, 0.02, 0.04, 0.033])
    # Ties: 0.02 x 3, 0.02 x 2 -> the larger of both. And no p is above 1.
    np.testing.assert_allclose(holm([0.02, 0.9, 0.02]), [0.06, 0.9, 0.06])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1.0, 1.0])
    assert holm([0.03]).tolist() == [0.03] and holm([]).tolist() == []


def test_what_is_no_test_is_not_counted():
    np.testing.assert_allclose(holm([np.nan, 0.01, 0.04]), [np.nan, 0.02, 0.04])


@pytest.mark.parametrize("values", [[1.2], [-0.1], [[0.1]]])
def test_what_is_no_p_value_is_refused(values):
    with pytest.raises(ValueError, match="0 to 1"):
        holm(values)


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.randoms())
def test_order_is_kept_and_bonferroni_is_stricter(values, random):
    found, p = holm(values), np.array(values)
    assert (found >= p - 1e-15).all() and (found <= np.minimum(p * len(p), 1) + 1e-15).all()
    ranks = np.argsort(p, kind="stable")
    assert (np.diff(found[ranks]) >= 0).all()
    shuffled = list(range(len(values)))
    random.shuffle(shuffled)
    np.testing.assert_allclose(holm(p[shuffled]), found[shuffled])
