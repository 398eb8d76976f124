"""Writing burned into pictures: found where it was written, and not where there is none."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from medgraft.audit.text_regions import FEATURES, text_features

Grey = npt.NDArray[np.uint8]


def plain(seed: int, height: int = 480, width: int = 512) -> Grey:
    """A soft picture with noise."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.normal(110, 40, (6, 6)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse + rng.normal(0, 5, coarse.shape), 0, 255).astype(np.uint8)


def write(grey: Grey, text: str, x: int, y: int, scale: float = 0.45) -> Grey:
    """White letters with a black outline, as scanners and viewers write them."""
    grey = grey.copy()
    for value, thickness in ((0, 3), (255, 1)):
        cv2.putText(grey, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, value, thickness, cv2.LINE_AA)
    return grey


def test_soft_pictures_have_none() -> None:
    for seed in range(30):
        assert not text_features(plain(seed)).any()


@pytest.mark.parametrize("text", ["PORTABLE", "AP SUPINE", "12-03-2020", "Dr. Smith"])
def test_most_writing_is_found(text: str) -> None:
    found = [text_features(write(plain(seed), text, 40 + 5 * seed, 40 + 9 * seed))[0] for seed in range(30)]
    assert np.mean(np.array(found) >= 1) >= 0.9


def test_where_it_is_written_is_told() -> None:
    found = text_features(write(plain(1), "PORTABLE", 400, 470))
    places = found[2:].reshape(4, 4)
    assert found[0] == 1 and places[3, 3] > 0 and places[:3].sum() == 0 and places[3, :2].sum() == 0
    assert found[1] == pytest.approx(places.mean(), rel=0.05)


def test_a_single_straight_edge_is_no_writing() -> None:
    grey = plain(2)
    grey[:, :60] = 0
    grey[:50] = 0
    assert text_features(grey)[0] == 0


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (15, 15), (16, 16), (17, 33), (2000, 40)])
def test_any_size_will_do(shape: tuple[int, int]) -> None:
    assert text_features(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)).shape == (FEATURES,)
