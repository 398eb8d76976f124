"""Pixels of masks: as many from each image, whatever the order, and what they say of all."""

import math

import numpy as np
import pytest
from forecast_cases import overconfident, probabilities_of
from label_tables import FOUR

from medgraft.errors import DataError
from medgraft.evaluation import PixelSample, calibration
from medgraft.evaluation.resampling import Bootstrap


def images_of(kind, count=12, side=40, factor=3.0):
    for index in range(count):
        logits, truth = overconfident(kind, side * side, seed=index, factor=factor)
        p = probabilities_of(logits, kind).T.reshape(-1, side, side)
        yield f"image {index}", p, truth.reshape(side, side)


@pytest.mark.parametrize(("kind", "names"), [("binary", ("ground", "lesion")), ("multiclass", FOUR)])
def test_pixels_give_the_temperature_of_all_pixels(kind, names):
    sample, some = PixelSample(names, pixels=40 * 40), PixelSample(names, pixels=400)
    for identity, p, truth in images_of(kind):
        sample.add(identity, p, truth)
        some.add(identity, p, truth)
    assert sample.temperature().temperature == pytest.approx(3, rel=0.05)
    assert some.temperature().temperature == pytest.approx(3, rel=0.1)
    assert some.temperature().n == 12 * 400
    found = calibration(some.outcomes(), some.temperature().temperature, some.groups, Bootstrap(100))
    assert found.kind == kind
    assert found.groups == 12
    assert found.change["nll"].high < 0


def test_the_pixels_drawn_do_not_depend_on_the_order_of_images():
    images = list(images_of("binary", 4))
    one, other = PixelSample(("a", "b"), 50, seed=3), PixelSample(("a", "b"), 50, seed=3)
    for image in images:
        one.add(*image)
    for image in reversed(images):
        other.add(*image)
    assert np.sort(one.outcomes().probabilities[:, 1]) == pytest.approx(np.sort(other.outcomes().probabilities[:, 1]))
    assert one.temperature().temperature == pytest.approx(other.temperature().temperature)


def test_pixels_of_one_patient_go_together():
    sample = PixelSample(("a", "b"), 10)
    for (identity, p, truth), patient in zip(images_of("binary", 4), ["x", "x", "", math.nan], strict=True):
        sample.add(identity, p[0], truth, patient)
    assert len(set(sample.groups)) == 3
    assert len(sample.groups) == 40


def test_masks_that_do_not_fit_are_refused():
    sample = PixelSample(("a", "b"))
    with pytest.raises(DataError, match="no image was added"):
        sample.temperature()
    with pytest.raises(DataError, match="case_7: probabilities"):
        sample.add("case_7", np.zeros((1, 4, 4)), np.zeros((4, 5)))
