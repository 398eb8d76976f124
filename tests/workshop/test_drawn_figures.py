"""The figures of the first notebooks: what they show is worked out by independent means here."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import medgraft as mg
from medgraft.workshop.figures.anatomy import chest, what_anatomy_forbids
from medgraft.workshop.figures.dice_overlap import dice_overlap, overlap_scores
from medgraft.workshop.figures.few_labels import error_by_labels, few_labels, free_features, reused_features
from medgraft.workshop.figures.pairs import show_pairs
from medgraft.workshop.figures.receptive_field import levels, receptive_field
from medgraft.workshop.figures.small_lesions import cost_of_nothing, losses_on_small_lesions, say_of_the_lesion
from medgraft.workshop.figures.streaming_mean import Sums, streaming_mean
from medgraft.workshop.figures.time_spent import median_times, where_time_goes
from medgraft.workshop.figures.transposed_convolution import stamped, transposed_convolution
from medgraft.workshop.figures.unet_diagram import unet_diagram

HISTORY = [
    {"seconds": 9.0, "time": {"data": 5.0, "encoder": 2.0, "learning": 1.0, "validation": 1.0}},
    {"seconds": 1.0, "time": {"data": 0.1, "encoder": 0.4, "learning": 0.3, "validation": 0.2}},
    {"seconds": 1.2, "time": {"data": 0.3, "encoder": 0.4, "learning": 0.3, "validation": 0.2}},
]


def pairs():
    images = [torch.rand(3, 8, 9), torch.rand(1, 8, 9)]
    masks = [torch.zeros(1, 8, 9), torch.zeros(1, 8, 9)]
    masks[0][:, 2:5, 3:6] = 1
    return show_pairs(images, masks, ["one", "two"])


FIGURES = {
    "anatomy": what_anatomy_forbids,
    "dice": dice_overlap,
    "few": few_labels,
    "pairs": pairs,
    "field": receptive_field,
    "losses": losses_on_small_lesions,
    "mean": streaming_mean,
    "time": lambda: where_time_goes({"frozen": HISTORY, "full": HISTORY[:1]}),
    "transposed": transposed_convolution,
    "overlapping": lambda: transposed_convolution(np.ones((2, 2)), np.ones((3, 3))),
    "unet": unet_diagram,
    "deep unet": lambda: unet_diagram((8, 16, 32, 64), 96, 1, 4),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_on_nothing_and_has_words(name):
    figure = FIGURES[name]()
    assert len(figure.alt) > 40 and "nan" not in figure.alt
    figure.draw_without_rendering()
    assert figure.get_facecolor()[3] == 0


@pytest.mark.parametrize(("side", "kernel", "stride"), [((2, 2), 2, 2), ((3, 2), 3, 2), ((2, 4), 3, 1), ((1, 1), 4, 3)])
def test_stamps_add_up_to_a_transposed_convolution(side, kernel, stride):
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=side), rng.normal(size=(kernel, kernel))
    steps = stamped(values, weights, stride)
    expected = F.conv_transpose2d(torch.tensor(values)[None, None], torch.tensor(weights)[None, None], stride=stride)
    np.testing.assert_allclose(steps[-1], expected[0, 0], atol=1e-12)
    assert len(steps) == values.size


def test_the_receptive_field_is_that_of_gradients():
    layers = [("conv 3", 3, 1), ("conv 3", 3, 1), ("pool", 2, 2), ("conv 3", 3, 1), ("conv 5", 5, 1), ("pool", 2, 2)]
    line = torch.rand(1, 1, 80, requires_grad=True)
    out = line
    for _, kernel, stride in layers:
        out = F.conv1d(out, torch.ones(1, 1, kernel), stride=stride, padding=(kernel - 1) // 2)
    (gradient,) = torch.autograd.grad(out[0, 0, 10], line)
    reached = gradient[0, 0].nonzero().ravel()
    found = levels(layers)
    assert found[-1].field == len(reached) == int(reached[-1] - reached[0]) + 1
    assert [int(reached[0]), int(reached[-1])] == [10 * found[-1].step + end for end in found[0].seen]
    assert [one.field for one in levels()] == [1, 3, 5, 6, 10, 14]


def test_three_sums_give_the_mean_and_deviation_of_all_pixels():
    images = [np.random.default_rng(k).integers(0, 255, (k + 1, 2 * k + 3)) for k in range(4)]
    sums = Sums()
    for image in images:
        sums = sums.with_image(image)
    pixels = np.concatenate([image.ravel() for image in images])
    assert (sums.count, sums.mean, sums.std) == pytest.approx((len(pixels), pixels.mean(), pixels.std()))


@pytest.mark.parametrize(("share", "probability"), [(0.01, 0.5), (0.25, 0.2)])
def test_costs_and_gradients_are_those_of_the_losses(share, probability):
    mask = torch.zeros(1, 40, 40, dtype=torch.long)
    mask.view(-1)[: round(share * 1600)] = 1
    logit = float(np.log(probability / (1 - probability)))
    cost = cost_of_nothing(np.array([share]), probability)
    say = say_of_the_lesion(np.array([share]), probability)
    for loss, expected, part in zip((mg.losses.BCE(), mg.losses.Dice(smooth=1e-6)), cost, say, strict=True):
        logits = torch.full((1, 1, 40, 40), logit, requires_grad=True)
        value = loss(logits, mask)
        value.backward()
        size = logits.grad[0].abs()
        assert value.item() == pytest.approx(expected[0], rel=1e-4)
        assert float(size[mask > 0].sum() / size.sum()) == pytest.approx(part[0], rel=1e-3)


def test_overlaps_by_hand():
    truth, predicted = np.array([[1, 1], [0, 0]], bool), np.array([[1, 0], [1, 1]], bool)
    assert overlap_scores(truth, predicted) == pytest.approx((2 / 5, 1 / 4))
    assert overlap_scores(truth & False, truth & False) == (1, 1)


def test_reused_features_win_with_few_labels_and_lose_with_very_many():
    assert error_by_labels(reused_features, 12) < 0.5 * error_by_labels(free_features, 12)
    assert error_by_labels(free_features, 1200) < 0.5 * error_by_labels(reused_features, 1200)


def test_an_epoch_by_part_leaves_the_first_out():
    parts = {"data": 0.2, "encoder": 0.4, "learning": 0.3, "validation": 0.2}
    assert median_times(HISTORY) == pytest.approx(parts)
    assert median_times(HISTORY[:1])["data"] == 5


def test_the_heart_lies_on_the_patients_left():
    picture = chest(96)
    assert picture.min() >= 0 and picture.max() <= 1
    middle = picture[48:70]
    assert middle[:, 50:66].mean() > middle[:, 30:46].mean() + 0.1
