"""Which number is explained, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medgraft.data import LabelClasses, MaskClasses
from medgraft.errors import RecipeError
from medgraft.explain.target import label_target, mask_target

TWO = LabelClasses(("healthy", "ill"))
THREE = LabelClasses(("a", "b", "c"))
LIVER = MaskClasses(("background", "liver", "tumour"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
SPOT = MaskClasses(("background", "foreground"), ((0, 0, 0), (255, 255, 1)))


def test_the_predicted_class_is_explained_by_default():
    assert label_target(TWO, np.array([0.4, 0.6])).name == "ill"
    assert label_target(THREE, np.array([0.2, 0.5, 0.3])).column == 1


def test_of_two_classes_the_first_is_the_negative_logit():
    logits = torch.tensor([[2.5]])
    assert label_target(TWO, np.array([0.1, 0.9]), "ill")(logits).item() == 2.5
    assert label_target(TWO, np.array([0.1, 0.9]), "healthy")(logits).item() == -2.5


def test_log_odds_are_those_of_the_softmax_where_classes_exclude_each_other():
    """With probabilities 0.2, 0.5, 0.3 the odds of c are 0.3 to 0.7."""
    logits = torch.tensor([[0.2, 0.5, 0.3]]).log() + 4
    target = label_target(THREE, np.array([0.2, 0.5, 0.3]), "c")
    assert target.odds(logits).item() == pytest.approx(np.log(0.3 / 0.7), abs=1e-5)
    several = label_target(LabelClasses(("a", "b", "c"), multilabel=True), np.array([0.2, 0.5, 0.3]), "c")
    assert several.odds(logits).item() == pytest.approx(logits[0, 2].item())


def test_an_unknown_class_is_refused_with_those_there_are():
    with pytest.raises(RecipeError, match=r"no class 'il'; it has healthy, ill.*Did you mean ill"):
        label_target(TWO, np.array([0.4, 0.6]), "il")
    with pytest.raises(RecipeError, match="it has background, foreground"):
        mask_target(SPOT, np.zeros((1, 2, 2)), 0.5, "spleen")


def test_a_structure_is_the_sum_of_its_logits_where_it_was_found():
    """Above the threshold are the two pixels on the diagonal, with logits 3 and 4."""
    probability = np.array([[[0.9, 0.1], [0.2, 0.8]]])
    target = mask_target(SPOT, probability, 0.5)
    assert (target.name, target.note) == ("foreground", "")
    assert target(torch.tensor([[[[3.0, 10.0], [20.0, 4.0]]]])).tolist() == [7.0]
    background = mask_target(SPOT, probability, 0.5, "background")
    assert background(torch.tensor([[[[3.0, 10.0], [20.0, 4.0]]]])).tolist() == [-30.0]


def test_of_several_structures_the_largest_found_is_explained():
    probability = np.zeros((3, 2, 2))
    probability[0, 0, 0] = probability[1, 0, 1] = probability[2, 1, 0] = probability[2, 1, 1] = 1
    target = mask_target(LIVER, probability, 0.5)
    assert target.name == "tumour"
    logits = torch.arange(12.0).reshape(1, 3, 2, 2)
    assert target(logits).tolist() == [10.0 + 11.0]
    assert mask_target(LIVER, probability, 0.5, "liver")(logits).tolist() == [5.0]


def test_a_structure_that_was_not_found_is_summed_over_the_image_and_said_so():
    target = mask_target(SPOT, np.zeros((1, 2, 2)), 0.5)
    assert target(torch.ones(1, 1, 2, 2)).tolist() == [4.0]
    assert "no pixel of this image was given to foreground" in target.note
