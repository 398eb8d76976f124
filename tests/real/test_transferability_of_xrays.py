"""What an encoder pretrained on photographs is worth on real chest X-rays, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medgraft.pipeline.prepare import complete, open_for, prepare
from medgraft.pipeline.transferability import measure_encoder
from medgraft.progress import Observer
from medgraft.recipe import Recipe

SHARED = Path(__file__).resolve().parents[3] / "shared"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here, so neither is its data")


@pytest.fixture(scope="module")
def found():
    recipe = Recipe.make(strategy="frozen", size=96, group="nih_patient", bootstrap=500)
    manifest = open_for(SHARED / "data" / "nih_cxr" / "labels.csv", recipe)
    recipe = complete(recipe, manifest)
    return measure_encoder(prepare(manifest, recipe, Observer()), recipe, Observer())


def test_reuse_is_worth_something_on_xrays(found):
    result = found.result
    assert result.probe.low > 0.7 and result.knn.low > 0.6
    assert result.gain.low > 0.05 and result.gain.value > 0.1
    assert result.images == 420 and 300 < result.groups < 420
    assert result.doubling is not None and len(result.curve) == 4


def test_no_patient_is_on_both_sides(found):
    data, folds = found.measured.data, found.measured.folds
    assert all(len(np.unique(folds[data.groups == group])) == 1 for group in range(data.group_count))
    counts = [np.bincount(data.labels[folds == fold], minlength=2) for fold in range(5)]
    assert np.ptp(counts, axis=0).max() <= 8
