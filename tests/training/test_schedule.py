"""The schedule, worked by hand."""

import math

import pytest

from medgraft.training import warmup_cosine


def test_rise_then_half_cosine():
    # 2 of 10 steps rise: 1/2, 1; then 8 steps of a half cosine from 1.
    factors = [warmup_cosine(step, 10, 0.2) for step in range(10)]
    expected = [0.5, 1.0] + [0.5 * (1 + math.cos(math.pi * k / 8)) for k in range(8)]
    assert factors == pytest.approx(expected)
    assert factors[6] == pytest.approx(0.5), "half-way down after 4 of 8"
    assert factors[-1] > 0


def test_without_a_share_one_step_rises():
    assert warmup_cosine(0, 5, 0.0) == 1.0
    assert warmup_cosine(0, 1, 0.0) == 1.0
