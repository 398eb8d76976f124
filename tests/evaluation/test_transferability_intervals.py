"""What was measured of encoders, with intervals: chance is found to be chance, and pairs are compared in pairs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from medgraft.evaluation.resampling import Bootstrap
from medgraft.evaluation.transferability import Transferability, difference, judge
from medgraft.ranking import auc
from medgraft.scores import Interval
from medgraft.transfer.transferability import LabelledFeatures, measure, probe_alone

DRAWS = Bootstrap(400)


def _data(strength, n=160, d=10, seed=0, groups=None, classes=2):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    if groups is not None:
        labels = (groups % classes).astype(int)
    shown = np.eye(classes)[labels] @ rng.normal(size=(classes, d))
    features = rng.normal(size=(n, d)) + strength * shown
    return LabelledFeatures.of(features, labels, groups, "binary" if classes == 2 else "multiclass", classes)


@pytest.fixture(scope="module")
def judged():
    return judge(measure(_data(0.5)), probe_alone(_data(0.0, seed=11)), DRAWS)


def test_values_are_areas_within_folds(judged):
    measured = measure(_data(0.5))
    areas = [
        auc(measured.data.labels[measured.folds == f], measured.probe.probabilities[measured.folds == f, 1])
        for f in range(5)
    ]
    assert judged.probe.value == pytest.approx(np.mean(areas))
    decided = measured.probe.probabilities.argmax(axis=1)
    recalls = [(decided[measured.data.labels == c] == c).mean() for c in (0, 1)]
    assert judged.balanced_accuracy.value == pytest.approx(np.mean(recalls))
    assert (judged.logme, judged.nleep, judged.hscore) == (measured.logme, measured.nleep, measured.hscore)
    assert judged.images == judged.groups == judged.probe.n == 160


def test_the_gain_is_paired_and_seen(judged):
    assert judged.random.low < 0.5 < judged.random.high
    assert judged.gain.value == pytest.approx(judged.probe.value - judged.random.value)
    assert judged.gain.low > 0.1 and judged.knn.low > 0.5


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("grouped", [False, True])
def test_labels_by_lot_are_found_to_be_chance(classes, grouped):
    groups = np.random.default_rng(3).integers(0, 60, 180) if grouped else None
    data = _data(0.0, 180, groups=groups, classes=classes)
    found = judge(measure(data), probe_alone(_data(0.0, 180, seed=5, groups=groups, classes=classes)), DRAWS)
    for interval in (found.probe, found.knn, found.random):
        assert interval.low < 0.5 < interval.high
    assert found.gain.low < 0 < found.gain.high and found.more_data != "helps"


def test_an_encoder_does_not_differ_from_itself():
    one = probe_alone(_data(0.5))
    same = difference(one, one, DRAWS)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_a_pair_tells_more_than_two_intervals():
    # A little noise on the features of one: each AUC is uncertain by far more than the difference is.
    data = _data(0.5, 120)
    rng = np.random.default_rng(1)
    noisy = replace(data, features=data.features + 0.1 * rng.normal(size=data.features.shape).astype(np.float32))
    one, other = probe_alone(data), probe_alone(noisy)
    found, alone = difference(one, other, DRAWS), judge(measure(data), other, DRAWS).probe
    assert found.high - found.low < 0.6 * (alone.high - alone.low)


def test_groups_make_intervals_wider():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    labels = groups % 2
    # Images of a patient share most of what they show, so they are fewer than they seem.
    features = (rng.normal(size=(40, 6)) + 0.5 * (np.arange(40) % 2)[:, None])[groups]
    features = features + 0.1 * rng.normal(size=features.shape)
    whole = measure(LabelledFeatures.of(features, labels, groups, "binary", 2))
    loose = replace(whole, data=replace(whole.data, groups=np.arange(200)))
    by_group, by_image = judge(whole, whole, DRAWS).probe, judge(loose, loose, DRAWS).probe
    assert by_group.value == by_image.value
    assert by_group.high - by_group.low > 1.4 * (by_image.high - by_image.low)


def test_the_curve_rises_where_there_is_more_to_learn(judged):
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 2
    # Forty features that each tell little: with more images more of them are found.
    features = rng.normal(size=(240, 40)) + 0.3 * labels[:, None]
    data = LabelledFeatures.of(features, labels, None, "binary", 2)
    found = judge(measure(data), probe_alone(data), DRAWS)
    values = [point.auc.value for point in found.curve]
    assert values[0] < values[1] < values[2] < values[3] == found.probe.value
    assert found.doubling.value == pytest.approx(values[3] - values[2])
    assert found.doubling.low > 0 and found.more_data == "helps"
    assert found.curve[-1].spread == 0 < found.curve[0].spread
    assert found.curve[-1].auc == found.probe


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.01, 0.04, "helps"), (0.001, 0.004, "flat"), (-0.02, 0.004, "flat"), (-0.01, 0.03, "unclear"),
     (float("nan"), float("nan"), "unclear")],
)  # fmt: skip
def test_what_the_last_doubling_says(judged, low, high, said):
    doubling = Interval((low + high) / 2, low, high, 100)
    assert replace(judged, doubling=doubling).more_data == said
    assert replace(judged, doubling=None).more_data == "unclear"


def test_of_a_few_dozen_images_there_is_an_interval_too():
    data = _data(0.5, 24, classes=3)
    found = judge(measure(data), probe_alone(data), DRAWS)
    assert found.probe.low < found.probe.value < found.probe.high


def test_several_labels_have_the_mean_of_their_scores():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(120, 6))
    easy, lot = (features[:, 0] + 0.3 * rng.normal(size=120) > 0).astype(int), rng.integers(0, 2, 120)
    data = LabelledFeatures.of(features, np.stack([easy, lot], axis=1), None, "multilabel", 2)
    measured = measure(data)
    found = judge(measured, probe_alone(data), DRAWS)
    said = measured.probe.probabilities
    pairs = ((easy, said[:, 0]), (lot, said[:, 1]))
    areas = [np.mean([auc(y[measured.folds == f], p[measured.folds == f]) for f in range(5)]) for y, p in pairs]
    assert found.probe.value == pytest.approx(np.mean(areas)) and areas[0] > 0.9
    rates = [((p >= 0.5) == y)[y == truth].mean() for y, p in pairs for truth in (0, 1)]
    assert found.balanced_accuracy.value == pytest.approx(np.mean(rates))


def test_it_can_be_written(judged):
    plain = replace(judged, knn=Interval(0.6, float("nan"), float("nan"), 160)).to_dict()
    back = json.loads(json.dumps(plain, allow_nan=False))
    assert back["knn"]["low"] is None and back["probe"]["value"] == judged.probe.value
    assert back["more_data"] == judged.more_data and len(back["curve"]) == len(judged.curve)
    assert set(back) == set(Transferability.__dataclass_fields__) | {"more_data"}


def test_other_patients_cannot_be_compared():
    with pytest.raises(ValueError, match="same groups"):
        difference(probe_alone(_data(0.5, 160)), probe_alone(_data(0.5, 120)))
