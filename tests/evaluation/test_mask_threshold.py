"""The threshold of masks: counts against masks decided at each threshold, stretches by hand, and what has none."""

import numpy as np
import pytest

from medgraft.data import MaskClasses
from medgraft.errors import DataError, RecipeError
from medgraft.evaluation import PixelCounts, choose_mask_threshold, segmentation_row
from medgraft.evaluation.mask_threshold import GRID
from medgraft.evaluation.resampling import Bootstrap
from medgraft.prediction import decide_mask

FEW = Bootstrap(50)


def images(count=6, side=24, seed=0):
    """Probabilities in steps of 0.01, so that many lie exactly on a threshold."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        truth = rng.random((side, side)) < rng.uniform(0.1, 0.5)
        shares = np.clip(truth * 0.3 + rng.random((side, side)) * 0.6, 0, 1)
        yield np.round(shares, 2).astype(np.float32), truth.astype(np.uint8)


def counted(cases, groups=None, thresholds=GRID):
    counts = PixelCounts(thresholds)
    for index, (p, truth) in enumerate(cases):
        counts.add(p, truth, None if groups is None else groups[index])
    return counts


def test_counts_give_the_dice_of_the_masks_that_a_model_decides():
    cases = list(images())
    dice, rates = counted(cases).dice(), counted(cases).rates()
    classes = MaskClasses.from_dict({"names": ["background", "foreground"], "ranges": [[0, 0, 0], [255, 255, 1]]})
    for row, (p, truth) in enumerate(cases):
        for column, threshold in enumerate(GRID):
            decided = decide_mask(p[None], *truth.shape, classes, threshold).classes
            expected = segmentation_row(decided, truth, ("background", "foreground"))
            assert dice[row, column] == pytest.approx(expected["dice"], abs=1e-12)
            assert rates["sensitivity"][row, column] == pytest.approx(expected["sensitivity"], abs=1e-12)
            assert rates["specificity"][row, column] == pytest.approx(expected["specificity"], abs=1e-12)


def test_empty_masks_count_as_everywhere():
    counts = counted(
        [(np.full((2, 2), 0.3), np.zeros((2, 2))), (np.full((2, 2), 0.3), np.ones((2, 2)))], None, [0.2, 0.4]
    )
    assert counts.dice().tolist() == [[0, 1], [1, 0]]
    assert np.isnan(counts.rates()["sensitivity"][0]).all()
    assert np.isnan(counts.rates()["specificity"][1]).all()


def test_the_best_mean_dice_is_taken():
    counts = counted(images())
    found = choose_mask_threshold(counts, bootstrap=FEW)
    mean = counts.dice().mean(axis=0)
    assert found.scores["dice"].value == pytest.approx(mean.max())
    assert mean[round(found.threshold * 100) - 1] == mean.max()
    assert found.scores["dice_at_0.5"].value == pytest.approx(mean[49])
    assert found.scores["gain"].value == pytest.approx(mean.max() - mean[49])
    assert found.n == 6
    assert found.rule == "dice"


def test_the_middle_of_the_stretch_is_taken():
    # All foreground at 0.8, all else at 0.2: every threshold from 0.21 to 0.80 is right.
    truth = np.eye(4, dtype=np.uint8)
    found = choose_mask_threshold(counted([(np.where(truth, 0.8, 0.2), truth)]), bootstrap=FEW)
    assert (found.low, found.high, found.threshold) == (0.21, 0.8, 0.5)
    assert found.scores["dice"].value == 1
    assert found.notes == ("the threshold rests on 1 image.",)


def test_of_equally_long_stretches_the_first_is_taken():
    # Dice of the two images is (1, 0), (1, 0), (0, 0), (0, 1), (0, 1) at five thresholds.
    one = (np.array([[0.25, 0.1]]), np.array([[1, 0]]))
    other = (np.array([[0.35, 0.1]]), np.array([[0, 0]]))
    found = choose_mask_threshold(counted([one, other], None, [0.15, 0.25, 0.3, 0.4, 0.5]), bootstrap=FEW)
    assert (found.low, found.high, found.threshold) == (0.15, 0.25, 0.15)


def test_patients_are_drawn_together():
    cases = [case for case in images(8) for _ in range(2)]
    alone = choose_mask_threshold(counted(cases), bootstrap=Bootstrap(500)).scores["dice"]
    together = choose_mask_threshold(counted(cases, np.repeat(np.arange(8), 2)), bootstrap=Bootstrap(500)).scores[
        "dice"
    ]
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


def test_a_number_is_taken_as_it_is():
    counts = counted(images())
    found = choose_mask_threshold(counts, 0.3, FEW)
    assert (found.threshold, found.low, found.high) == (0.3, 0.3, 0.3)
    assert found.scores["dice"].value == pytest.approx(counts.dice()[:, 29].mean())


def test_what_has_no_threshold_is_said():
    with pytest.raises(RecipeError, match="is for labels"):
        choose_mask_threshold(counted(images()), "youden")
    with pytest.raises(DataError, match="there is none"):
        choose_mask_threshold(PixelCounts())
    with pytest.raises(DataError, match="of several structures"):
        PixelCounts().add(np.zeros((3, 4, 4)), np.zeros((4, 4)))
    for thresholds in ([], [0.5, 0.5], [0, 0.5], [0.5, 1]):
        with pytest.raises(ValueError, match="rising thresholds"):
            PixelCounts(thresholds)
