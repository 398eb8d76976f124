"""Similarity of maps, their mass inside masks, and whether they change with the weights."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from medgraft.data import LabelClasses
from medgraft.explain import METHODS, Explainer, mass_inside, sanity_check
from medgraft.explain.methods import Found
from medgraft.explain.sanity import SanityCheck, _stages
from medgraft.explain.similarity import spearman, ssim
from medgraft.label_predictor import LabelPredictor
from medgraft.models import ModelSpec, build_model


def maps(count, seed=0, side=32):
    return np.random.default_rng(seed).normal(size=(count, side, side)).astype(np.float32)


def test_rank_correlation_is_that_of_absolute_values():
    first, second = maps(2)
    assert spearman(first, second) == pytest.approx(spearmanr(np.abs(first).ravel(), np.abs(second).ravel()).statistic)
    assert spearman(first, -3 * first) == pytest.approx(1)
    assert spearman(first, 1 / np.abs(first)) == pytest.approx(-1)


def test_a_flat_map_is_like_no_other():
    first = maps(1)[0]
    assert spearman(first, np.zeros_like(first)) == 0.0


def test_structural_similarity_is_that_of_the_paper():
    first, second = (cv2.GaussianBlur(np.abs(each), (0, 0), 2) for each in maps(2))
    theirs = structural_similarity(
        first.astype(float) / first.max(), second.astype(float) / second.max(),
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0,
    )  # fmt: skip
    assert ssim(first, second) == pytest.approx(theirs, abs=1e-6)
    assert ssim(first, 5 * first) == pytest.approx(1)


def test_mass_inside_by_hand():
    """Of 1 + 2 + 5 the mask holds 1 + 2; the -4 counts as nothing."""
    values = np.array([[1.0, 2.0], [-4.0, 5.0]])
    assert mass_inside(values, np.array([[True, True], [True, False]])) == pytest.approx(3 / 8)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 50))
def test_a_flat_map_has_the_masks_share_of_the_area_inside_and_scale_plays_no_part(seed, factor):
    rng = np.random.default_rng(seed)
    inside = rng.random((6, 9)) < 0.4
    inside[0, 0] = True
    assert mass_inside(np.full((6, 9), factor), inside) == pytest.approx(inside.mean())
    values = rng.normal(size=(6, 9))
    values[0, 1] = 1
    both = mass_inside(values, inside), mass_inside(values, ~inside)
    assert sum(both) == pytest.approx(1) and mass_inside(factor * values, inside) == pytest.approx(both[0])


def test_mass_is_undefined_without_a_map_or_a_mask():
    assert math.isnan(mass_inside(np.zeros((2, 2)), np.ones((2, 2), bool)))
    assert math.isnan(mass_inside(np.ones((2, 2)), np.zeros((2, 2), bool)))
    with pytest.raises(ValueError, match="cannot lie on"):
        mass_inside(np.ones((2, 2)), np.ones((2, 3), bool))


@pytest.fixture(scope="module")
def explainer():
    torch.manual_seed(0)
    model = build_model(ModelSpec(model="classifier", encoder="cbr_tiny_narrow", classes=1))
    predictor = LabelPredictor(model.eval(), 64, 3, LabelClasses(("no", "yes")))
    return Explainer.of_predictor(predictor, METHODS["hirescam"], None)


def cases(explainer, count=6):
    rng = np.random.default_rng(0)
    pictures = [cv2.resize(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8), (64, 64)) for _ in range(count)]
    return [explainer.case(picture)[0] for picture in pictures]


def test_maps_that_read_the_weights_pass_and_the_model_is_left_as_it_was(explainer):
    before = {name: tensor.clone() for name, tensor in explainer.model.state_dict().items()}
    check = sanity_check(explainer, cases(explainer))
    assert check.stages == ("head", "conv4", "conv3", "conv2", "conv1")
    assert check.spearman.shape == check.ssim.shape == (len(check.spearman), 5)
    assert check.passed and "passes the check" in check.verdict("HiResCAM")
    assert all(torch.equal(tensor, before[name]) for name, tensor in explainer.model.state_dict().items())
    assert not explainer.model.training


def test_a_method_that_draws_edges_of_the_image_fails(explainer):
    """What the model has learned plays no part in it, so that shuffling changes nothing at any stage."""

    def edges(model, pixels, target, layer):
        grey = pixels.astype(np.float32).mean(axis=2)
        return Found(np.abs(cv2.Laplacian(grey, cv2.CV_32F)))

    fake = replace(explainer, method=replace(explainer.method, find=edges, again=edges))
    check = sanity_check(fake, cases(explainer, 2))
    assert check.spearman == pytest.approx(np.ones((2, 5))) and check.ssim == pytest.approx(np.ones((2, 5)))
    assert check.passed is False and "fails the check" in check.verdict("Edges")


def test_each_stage_adds_to_those_before(explainer):
    """Of a method that reads the first block's weights alone, only the last stage changes the map."""

    def first_block(model, pixels, target, layer):
        weight = model.encoder.blocks[0].conv1.conv.weight.detach().numpy()
        return Found(np.asarray(weight[:32, 0].reshape(32, -1)))

    fake = replace(explainer, method=replace(explainer.method, find=first_block, again=first_block))
    check = sanity_check(fake, cases(explainer, 1))
    assert check.spearman[0, :4] == pytest.approx(1) and abs(check.spearman[0, 4]) < 0.5


def test_flat_maps_leave_nothing_to_judge(explainer):
    def flat(model, pixels, target, layer):
        return Found(np.zeros((4, 4), np.float32))

    check = sanity_check(replace(explainer, method=replace(explainer.method, again=flat)), cases(explainer, 2))
    assert check.passed is None and "nothing can be said" in check.verdict("Flat")


def test_the_verdict_goes_by_the_mean_of_the_last_stage():
    near, far = np.array([[0.1, 0.4], [0.9, 0.7]]), np.array([[0.9, 0.4], [0.9, 0.5]])
    assert SanityCheck(("head", "stem"), near, near).passed is False
    assert SanityCheck(("head", "stem"), far, far).passed is True
    assert "0.45" in SanityCheck(("head", "stem"), far, far).verdict("CAM")


def test_many_blocks_are_shuffled_in_at_most_eight_stages():
    torch.manual_seed(0)
    model = build_model(ModelSpec(model="encoder_unet", encoder="tf_efficientnet_lite0")).eval()
    stages = _stages(model)
    assert len(stages) == 8 and stages[0][0] == "decoder" and stages[-1][0] == "stem"
    shuffled = sum(parameter.numel() for _, parts in stages for part in parts for parameter in part.parameters())
    assert shuffled == sum(parameter.numel() for parameter in model.parameters())
