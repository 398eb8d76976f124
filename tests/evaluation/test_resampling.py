"""Draws of groups as weights: the same as drawing rows, for all scores at once."""

import math

import numpy as np
import pytest
from label_tables import BINARY, binary_case
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from medgraft.evaluation import read_outcomes, resampling
from medgraft.evaluation.label_metrics import LabelMeasure
from medgraft.evaluation.resampling import Bootstrap, group_draws, percentile_interval, resample

ONE = np.zeros(12, np.int64)


def drawn(strata, samples=50, seed=3, at_once=1000):
    return np.concatenate(list(group_draws(strata, samples, seed, at_once)), axis=1)


def test_draws_are_as_many_as_there_are_groups():
    counts = drawn(ONE)
    assert counts.shape == (12, 50)
    assert (counts.sum(axis=0) == 12).all()
    assert len(np.unique(counts, axis=1).T) == 50


def test_draws_are_the_numbers_that_the_seed_gives():
    rows = np.random.default_rng(3).integers(12, size=(50, 12))
    expected = np.stack([np.bincount(row, minlength=12) for row in rows], axis=1)
    assert (drawn(ONE) == expected).all()


def test_each_stratum_keeps_its_size():
    strata = np.array([0, 1, 1, 0, 2, 2, 2, 2, 2, 1, 0, 0])
    counts = drawn(strata)
    for stratum, size in enumerate([4, 3, 5]):
        assert (counts[strata == stratum].sum(axis=0) == size).all()


def test_strata_of_one_size_are_drawn_independently():
    counts = drawn(np.arange(12) % 2, samples=500)
    assert abs(np.corrcoef(counts[0], counts[1])[0, 1]) < 0.2
    # In one stratum the draws compete.
    assert np.corrcoef(counts[0], counts[2:12:2].sum(axis=0))[0, 1] == pytest.approx(-1)


@pytest.mark.parametrize("strata", [ONE, np.arange(12) % 2])
def test_draws_in_parts_are_the_draws_at_once(strata):
    assert (drawn(strata, at_once=7) == drawn(strata)).all()


def test_scores_of_draws_are_those_of_the_rows_drawn(monkeypatch):
    monkeypatch.setattr(resampling, "CELLS_AT_ONCE", 300)
    table = binary_case(n=48, seed=1)
    codes = np.arange(48) // 3
    measure = LabelMeasure(read_outcomes(table, BINARY, False, 0.5), codes)
    (found,) = resample([measure], np.zeros(16, np.int64), Bootstrap(samples=40, seed=9))
    for index, groups in enumerate(np.random.default_rng(9).integers(16, size=(40, 16))):
        rows = table.iloc[np.concatenate([np.flatnonzero(codes == group) for group in groups])]
        truth, given = rows["target"] == "pneumonia", rows["p_pneumonia"] >= 0.5
        assert found.draws["auc"][index] == pytest.approx(roc_auc_score(truth, rows["p_pneumonia"]))
        expected = average_precision_score(truth, rows["p_pneumonia"])
        assert found.draws["average_precision"][index] == pytest.approx(expected)
        assert found.draws["macro_f1"][index] == pytest.approx(f1_score(truth, given, average="macro"))
        assert found.draws["brier"][index] == pytest.approx(np.mean((rows["p_pneumonia"] - truth) ** 2))
    assert found.interval("auc", 48).low == pytest.approx(np.quantile(found.draws["auc"], 0.025))
    assert found.interval("auc", 48).high == pytest.approx(np.quantile(found.draws["auc"], 0.975))


def test_two_measures_see_the_same_draws():
    one, other = (
        LabelMeasure(read_outcomes(binary_case(seed=seed), BINARY, False, 0.5), np.arange(60)) for seed in (1, 2)
    )
    both = resample([one, other], np.zeros(60, np.int64), Bootstrap(samples=30))
    (alone,) = resample([other], np.zeros(60, np.int64), Bootstrap(samples=30))
    assert (both[1].draws["auc"] == alone.draws["auc"]).all()
    difference = both[0].minus(both[1], "auc", 60)
    assert difference.value == both[0].values["auc"] - both[1].values["auc"]
    assert difference.low == pytest.approx(np.quantile(both[0].draws["auc"] - both[1].draws["auc"], 0.025))


def test_one_group_leaves_nothing_to_draw_from():
    measure = LabelMeasure(read_outcomes(binary_case(), BINARY, False, 0.5), np.zeros(60, np.int64))
    (found,) = resample([measure], np.zeros(1, np.int64), Bootstrap())
    interval = found.interval("accuracy", 60)
    assert 0 < interval.value < 1
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert found.undefined("accuracy") == 0


NAN = math.nan


@pytest.mark.parametrize(
    ("value", "draws", "expected"),
    [
        (0.5, [0.0, 1.0, 0.5, 0.25, 0.75], (0.5, 0.25, 0.75, 9)),
        (0.5, [0.0, 1.0, NAN, NAN], (0.5, 0.25, 0.75, 9)),
        (0.5, [0.0, NAN, NAN], (0.5, NAN, NAN, 9)),
        (NAN, [NAN, 0.5], (NAN, NAN, NAN, 0)),
    ],
    ids=["all", "half undefined", "most undefined", "no value"],
)
def test_intervals_are_of_the_draws_that_are_defined(value, draws, expected):
    found = percentile_interval(value, np.array(draws), 9, level=0.5)
    assert (found.value, found.low, found.high, found.n) == pytest.approx(expected, nan_ok=True)
    assert found.level == 0.5


def test_the_share_of_undefined_draws_is_told():
    table = binary_case(n=20, seed=2)
    table["target"] = ["pneumonia"] + ["normal"] * 19
    measure = LabelMeasure(read_outcomes(table, BINARY, False, 0.5), np.arange(20))
    (found,) = resample([measure], np.zeros(20, np.int64), Bootstrap(samples=4000))
    # The one image is not drawn with a probability of (1 - 1/20)^20.
    assert found.undefined("auc") == pytest.approx(0.95**20, abs=0.03)
    assert found.undefined("accuracy") == 0


@pytest.mark.parametrize("options", [{"samples": 0}, {"level": 1.0}, {"level": 0.0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="wanted"):
        Bootstrap(**options)
