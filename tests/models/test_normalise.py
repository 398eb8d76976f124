"""Normalisation by given statistics."""

import pytest
import torch

from medgraft.models.normalise import Normalise, NormaliseWithOnes


def test_worked_values():
    image = torch.tensor([0.5, 1.0]).view(1, 2, 1, 1)
    assert Normalise([0.25, 0.5], [0.5, 0.25])(image).flatten().tolist() == [0.5, 2.0]
    assert NormaliseWithOnes([0.25, 0.5], [0.5, 0.25])(image).flatten().tolist() == [0.5, 2.0, 1.0]


def test_statistics_are_saved_and_nothing_learns():
    normalise = Normalise([0.1], [0.2])
    assert set(normalise.state_dict()) == {"mean", "std"} and not list(normalise.parameters())


@pytest.mark.parametrize(("mean", "std"), [([0.1], [0.2, 0.3]), ([0.1], [0.0]), ([], [])])
def test_impossible_statistics_are_refused(mean, std):
    with pytest.raises(ValueError, match="std"):
        Normalise(mean, std)
