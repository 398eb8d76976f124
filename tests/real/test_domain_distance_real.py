"""Lite0 on real images: photographs are nearer than medical images, and these nearer than noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medgraft.models import create_feature_encoder, find_weights
from medgraft.pipeline.distance import distance_between_data, distance_from_pretraining
from medgraft.progress import Observer
from medgraft.transfer.anchors import crops, photograph_files
from medgraft.transfer.distance import from_pretraining

SHARED = Path(__file__).resolve().parents[3] / "shared"
DATA = SHARED / "data"
SETS = ("isic2017", "nih_cxr", "blood_cells", "nuclei")
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here, so neither is its data")


@pytest.fixture(scope="module")
def reports():
    return {name: distance_from_pretraining(DATA / name, images=48, observer=Observer()) for name in SETS}


def test_photographs_then_medical_images_then_noise(reports):
    scale = reports["isic2017"].anchors
    values = {name: report.layers.value for name, report in reports.items()}
    assert scale.pictures == 8 and scale.photographs < 0.10
    for name in ("isic2017", "nih_cxr", "blood_cells"):
        assert 2 * scale.photographs < 0.22 < values[name] < 0.31, values
    assert 0.30 < values["nuclei"] < 0.47, "mostly fluorescence on black, the furthest of the four"
    assert max(values.values()) + 0.2 < scale.gaussian < scale.uniform < 1
    assert reports["nuclei"].layers.word == "far" and reports["blood_cells"].layers.word == "moderate"


def test_intervals_hold_what_all_images_give(reports):
    # Of 512 images (nuclei: 200), as the page has them.
    for name, value in (("isic2017", 0.264), ("nih_cxr", 0.274), ("blood_cells", 0.254), ("nuclei", 0.371)):
        layers = reports[name].layers
        width = layers.high - layers.low
        assert layers.low - width / 2 < value < layers.high + width / 2, (name, layers.low, layers.high)


def test_test_images_play_no_part_and_patients_are_drawn(reports):
    assert reports["blood_cells"].data.total == 1600 and reports["nih_cxr"].data.total == 600
    by_patient = distance_from_pretraining(DATA / "nih_cxr", images=48, group="nih_patient", observer=Observer())
    assert by_patient.layers.value == reports["nih_cxr"].layers.value
    assert 30 < by_patient.data.groups <= 48


def test_fewer_photographs_seem_further():
    encoder = create_feature_encoder("tf_efficientnet_lite0", weights=find_weights("tf_efficientnet_lite0"))
    two, eight = (
        from_pretraining(encoder, [crops(photograph_files()[:count], 32, 224, 3)], draws=1) for count in (2, 8)
    )
    assert eight.value < two.value and two.late > two.early, "two pictures have little content"


def test_the_classes_of_one_set_are_nearer_to_each_other_than_to_another_set():
    cells, other = DATA / "blood_cells" / "train", DATA / "nuclei" / "images"
    options = {"images": 40, "observer": Observer()}
    within = distance_between_data(cells / "eosinophil", cells / "neutrophil", **options)
    across = distance_between_data(cells / "eosinophil", other, **options)
    assert within.layers.high < across.layers.low and within.features.high < across.features.low
    assert np.isfinite([within.features.low, across.features.high]).all()
