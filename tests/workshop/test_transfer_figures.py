"""Figures of notebooks 4 to 7: no ground of their own, words for who cannot see them, and what they were given."""

import io

import numpy as np
import pytest
from PIL import Image

from medgraft.workshop.figures.calibration_curves import reliability_curves, threshold_curves
from medgraft.workshop.figures.decision_table import decision_table
from medgraft.workshop.figures.distance_ruler import distance_ruler
from medgraft.workshop.figures.encoder_pyramid import encoder_pyramid
from medgraft.workshop.figures.frozen_prefix import frozen_prefix
from medgraft.workshop.figures.learning_rates import block_rates, flattened, schedules
from medgraft.workshop.figures.outlines import gallery, outlines
from medgraft.workshop.figures.similarity_map import block_curves, similarity_map
from medgraft.workshop.figures.smart_up import smart_up
from medgraft.workshop.figures.training_curves import training_curves
from medgraft.workshop.figures.weight_histograms import weight_histograms

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (2, 24, 24, 3), dtype=np.uint8)
MASKS = np.zeros((2, 24, 24), np.uint8)
MASKS[:, 6:15, 6:15] = 1
SCORES, LABELS = np.array([0.1, 0.4, 0.6, 0.9]), np.array([0, 0, 1, 1])

FIGURES = {
    "pyramid": (lambda: encoder_pyramid((16, 24, 40, 112, 320), 96), "320"),
    "smart up": (smart_up, "112"),
    "prefix": (lambda: frozen_prefix(8), "The first 8 blocks"),
    "partial prefix": (lambda: frozen_prefix(8, learning=2), "The last 2 blocks"),
    "schedules": (schedules, "cosine"),
    "rates": (lambda: block_rates({"full": [1e-5, 1e-4, 1e-3]}), "1e-05"),
    "flattened": (lambda: flattened([1, 2], [[1, 2], [2, 2]], [[1, 2], [2, 4]]), "2 groups"),
    "table": (decision_table, "under 1,000 patients: frozen"),
    "histograms": (lambda: weight_histograms({k: RNG.normal(size=(8, 3, 3, 3)) for k in ("RI", "WT")}), "WT"),
    "map": (lambda: similarity_map(np.eye(3), ["stem", "mid", "end"]), "stem 1.00"),
    "curves": (lambda: block_curves({"WT": [0.5, 0.9]}, ["stem", "end"], "AUC", 0.5), "from 0.50 to 0.90"),
    "reliability": (lambda: reliability_curves({"own": [(0.2, 0.1, 5), (0.8, 0.9, 5)]}), "own in 2 bins"),
    "threshold": (lambda: threshold_curves(SCORES, LABELS), "where it is 1.00"),
    "ruler": (lambda: distance_ruler({"mine": 0.2}), "mine 0.20"),
    "outlines": (lambda: outlines(IMAGES, MASKS, {"a": MASKS}, {"a": np.ones(2)}), "1.00, 1.00"),
    "gallery": (lambda: gallery(list(IMAGES), ["x", "y"], [MASKS[0], MASKS[1]]), "x; y"),
    "training": (lambda: training_curves({"a": [(1.0, 0.5), (2.0, 0.75)]}, "s", "Dice"), "0.75"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_tells_its_content_and_has_no_ground(name):
    draw, told = FIGURES[name]
    made = draw()
    assert told in made.alt
    written = io.BytesIO()
    made.savefig(written, format="png", dpi=40)
    pixels = np.asarray(Image.open(written).convert("RGBA"))
    assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1], 3] == 0).all()
    assert (pixels[..., 3] > 100).any()


def test_the_decision_table_is_that_of_advise():
    from medgraft.advice.table import read_table

    alt = decision_table().alt
    rows = {row.name: row.step for row in read_table().rows}
    assert rows["few, similar"] == "frozen" and "under 1,000 patients: frozen" in alt
    assert rows["many, and very different"] == "scratch" and "scratch where far" in alt


def test_an_outline_on_a_notebook_has_its_words():
    data, metadata = smart_up()._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"} and metadata["image/png"]["alt"] == data["text/plain"]
