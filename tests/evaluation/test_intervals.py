"""Bootstrap intervals: against scipy, against the truth of simulated data, and with groups."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from medgraft.errors import RunError
from medgraft.evaluation import bootstrap_mean, intervals, paired_difference, scores_table

RNG = np.random.default_rng(0)
VALUES = RNG.beta(8, 2, 83)


def test_scipy_gives_the_same_percentile_interval():
    ours = bootstrap_mean(VALUES, samples=20_000, seed=1)
    theirs = stats.bootstrap((VALUES,), np.mean, n_resamples=20_000, method="percentile", rng=2)
    low, high = theirs.confidence_interval
    assert ours.value == pytest.approx(VALUES.mean())
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.02 * (high - low))
    assert ours.n == 83


def test_interval_of_a_normal_mean_has_the_width_of_theory():
    values = np.random.default_rng(4).normal(0.0, 1.0, 400)
    ours = bootstrap_mean(values, samples=10_000, level=0.9)
    half = 1.6449 * values.std() / math.sqrt(400)
    assert (ours.high - ours.low) / 2 == pytest.approx(half, rel=0.04)
    assert ours.level == 0.9


def coverage(groups_of: int, by_group: bool) -> float:
    """How often the interval holds the true mean, over 300 simulated studies of 40 groups."""
    rng, hits = np.random.default_rng(11), 0
    for study in range(300):
        values = np.repeat(rng.normal(0.8, 0.1, 40), groups_of) + rng.normal(0, 0.02, 40 * groups_of)
        groups = np.repeat(np.arange(40), groups_of) if by_group else None
        found = bootstrap_mean(values, groups, samples=400, seed=study)
        hits += found.low <= 0.8 <= found.high
    return hits / 300


def test_a_95_percent_interval_holds_the_truth_about_95_times_in_100():
    assert 0.90 <= coverage(1, by_group=False) <= 0.98


def test_groups_keep_the_coverage_that_images_alone_lose():
    assert 0.90 <= coverage(5, by_group=True) <= 0.98
    assert coverage(5, by_group=False) < 0.75


def test_groups_of_identical_images_count_as_one_each():
    repeated, groups = np.repeat(VALUES, 4), np.repeat(np.arange(83), 4)
    by_image, by_group = bootstrap_mean(VALUES), bootstrap_mean(repeated, groups)
    assert (by_group.value, by_group.low, by_group.high) == pytest.approx(
        (by_image.value, by_image.low, by_image.high), abs=1e-12
    )
    assert by_group.n == 4 * 83


def test_groups_of_different_size_weigh_by_their_images():
    # Draws of two groups: (0,0) -> 0, (0,1) twice -> 3/4, (1,1) -> 1.
    found = bootstrap_mean([0.0, 1.0, 1.0, 1.0], ["a", "b", "b", "b"], samples=4000, level=0.4)
    assert found.value == 0.75
    assert (found.low, found.high) == (0.75, 0.75)
    wide = bootstrap_mean([0.0, 1.0, 1.0, 1.0], ["a", "b", "b", "b"], samples=4000, level=0.9)
    assert (wide.low, wide.high) == (0.0, 1.0)


def test_a_missing_group_is_a_group_of_its_own():
    groups = [f"p{i}" for i in range(79)] + [None, float("nan"), "", " "]
    assert bootstrap_mean(VALUES, groups) == bootstrap_mean(VALUES)


def test_undefined_values_are_left_out_and_counted():
    with_gaps = np.concatenate([VALUES, [np.nan, np.nan]])
    assert bootstrap_mean(with_gaps) == bootstrap_mean(VALUES)
    nothing = bootstrap_mean([np.nan, np.nan])
    assert math.isnan(nothing.value)
    assert nothing.n == 0
    assert bootstrap_mean([]).n == 0


@pytest.mark.parametrize(("values", "groups"), [([0.9], None), ([0.9, 0.7], ["a", "a"])])
def test_one_image_or_group_gives_no_interval(values, groups):
    found = bootstrap_mean(values, groups)
    assert found.value == pytest.approx(np.mean(values))
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_seed_decides_the_draws():
    assert bootstrap_mean(VALUES, seed=5) == bootstrap_mean(VALUES, seed=5)
    assert bootstrap_mean(VALUES, seed=5) != bootstrap_mean(VALUES, seed=6)


def test_draws_in_parts_are_the_draws_at_once(monkeypatch):
    whole = bootstrap_mean(VALUES, samples=501)
    monkeypatch.setattr(intervals, "DRAWS_AT_ONCE", 1000)
    assert bootstrap_mean(VALUES, samples=501) == whole


@pytest.mark.parametrize(
    "call",
    [
        lambda: bootstrap_mean(np.zeros((2, 2))),
        lambda: bootstrap_mean(VALUES, ["a"]),
        lambda: bootstrap_mean(VALUES, level=1.0),
        lambda: bootstrap_mean(VALUES, samples=0),
        lambda: paired_difference([1.0], [1.0, 2.0]),
    ],
)
def test_input_that_does_not_fit_is_refused(call):
    with pytest.raises(ValueError, match="wanted"):
        call()


def test_paired_difference_by_hand():
    found = paired_difference([0.9, 0.8, 0.5, np.nan, 0.3], [0.7, 0.8, 0.6, 0.1, 0.1 + 0.2])
    assert found.interval.value == pytest.approx((0.2 + 0.0 - 0.1 + 0.0) / 4)
    assert (found.better, found.equal, found.worse) == (1, 2, 1)
    assert found.interval.n == 4
    assert "better on 1 of 4" in str(found)


def test_pairing_sees_a_difference_that_two_intervals_would_hide():
    better = VALUES + 0.01 + np.random.default_rng(3).normal(0, 0.005, 83)
    found = paired_difference(better, VALUES)
    assert found.interval.low > 0
    assert bootstrap_mean(better).low < bootstrap_mean(VALUES).high


def test_scores_of_a_table_by_split_and_metric():
    table = pd.DataFrame(
        {
            "id": list("abcdef"),
            "split": ["test", "test", "test", "train", "val", "val"],
            "foreground": 0.1,
            "dice": [0.9, 0.7, 0.8, 0.95, 0.6, 0.8],
            "sensitivity": [0.9, np.nan, 0.7, 1.0, np.nan, np.nan],
        }
    )
    scores = scores_table(table)
    assert list(scores) == ["train", "val", "test"]
    assert set(scores["test"]) == {"dice", "sensitivity"}
    assert scores.test["dice"] == bootstrap_mean([0.9, 0.7, 0.8])
    assert scores.test["sensitivity"].n == 2
    assert scores.val["sensitivity"].n == 0


def test_scores_use_the_groups_of_the_table():
    dice = [0.9, 0.88, 0.7, 0.66, 0.3, 0.27, 0.5, 0.58]
    table = pd.DataFrame({"split": "test", "group": list("aabbccdd"), "dice": dice})
    assert scores_table(table).test["dice"] == bootstrap_mean(table["dice"], table["group"])
    assert scores_table(table).test["dice"] != bootstrap_mean(table["dice"])


@pytest.mark.parametrize("columns", [["id", "dice"], ["id", "split"]])
def test_a_table_without_split_or_metric_is_refused(columns):
    with pytest.raises(RunError, match="column split"):
        scores_table(pd.DataFrame({column: [0.5] for column in columns}))
