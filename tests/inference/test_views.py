"""Views of an image: undone exactly, chosen as the training's augmentation allows."""

import numpy as np
import pytest
import torch
from fake_runs import PAIR, Constant, FakeRun, Pixelwise, Ramp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medgraft.errors import RecipeError
from medgraft.inference import VIEWS, answerer_of, parse_views, views_of_policy
from medgraft.policy import POLICIES, Augment

BY_NAME = {view.name: view for view in VIEWS}
CORNERS = [[1, 2], [3, 4]]


@pytest.mark.parametrize(("name", "seen"), [
    ("identity", [[1, 2], [3, 4]]),
    ("left-right", [[2, 1], [4, 3]]),
    ("up-down", [[3, 4], [1, 2]]),
    ("turn-180", [[4, 3], [2, 1]]),
    ("turn-90", [[2, 4], [1, 3]]),
    ("turn-270", [[3, 1], [4, 2]]),
    ("transpose", [[1, 3], [2, 4]]),
    ("anti-transpose", [[4, 2], [3, 1]]),
])  # fmt: skip
def test_what_is_seen_of_four_corners(name, seen):
    assert BY_NAME[name].of(torch.tensor(CORNERS)).tolist() == seen


@settings(max_examples=30, deadline=None)
@given(
    values=arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
        elements=st.floats(-1e6, 1e6, width=32),
    ),
    view=st.sampled_from(VIEWS),
)
def test_every_view_is_undone_exactly(values, view):
    given = torch.from_numpy(values)
    assert torch.equal(view.undo(view.of(given)), given)


def test_there_are_eight_different_views():
    assert len({str(view.of(torch.tensor(CORNERS)).tolist()) for view in VIEWS}) == 8


@pytest.mark.parametrize(("policy", "names"), [
    (POLICIES["xray"], ["identity"]),
    (POLICIES["none"], ["identity"]),
    (POLICIES["dermoscopy"], list(BY_NAME)),
    (Augment(flip_horizontal=0.5, rotation=10), ["identity", "left-right"]),
    (Augment(flip_vertical=0.1), ["identity", "up-down"]),
    (Augment(flip_horizontal=0.5, flip_vertical=0.5), ["identity", "left-right", "up-down", "turn-180"]),
    (Augment(rotation=90), ["identity", "turn-90", "turn-270"]),
    (Augment(rotation=180), ["identity", "turn-180", "turn-90", "turn-270"]),
    (Augment(rotation=90, flip_horizontal=1), ["identity", "left-right", "turn-90", "turn-270", "transpose",
                                               "anti-transpose"]),
])  # fmt: skip
def test_a_policy_allows_what_the_training_has_shown(policy, names):
    assert [view.name for view in views_of_policy(policy)] == names


def test_named_views_come_with_the_image_itself():
    assert [view.name for view in parse_views("turn-90, left-right", Augment())] == [
        "identity",
        "left-right",
        "turn-90",
    ]
    assert [view.name for view in parse_views("none", POLICIES["dermoscopy"])] == ["identity"]
    with pytest.raises(RecipeError, match=r"no view 'leftright'.*Did you mean left-right"):
        parse_views("leftright", Augment())


def test_an_equivariant_model_says_the_same_of_every_view(tmp_path):
    run = FakeRun(tmp_path, Pixelwise(), augment="dermoscopy")
    image = np.random.default_rng(0).integers(0, 256, (23, 41), dtype=np.uint8)
    once = answerer_of(run).predict(image).prediction.probability
    eight = answerer_of(run, tta="policy").predict(image).prediction.probability
    np.testing.assert_allclose(eight, once, atol=1e-6, rtol=0)


def test_probabilities_and_not_logits_are_averaged(tmp_path):
    """A ramp and its mirror image: their mean is symmetric, and of logits it would be 0.5 everywhere."""
    run = FakeRun(tmp_path, Ramp(), size=16)
    found = answerer_of(run, tta="left-right").predict(np.zeros((16, 16), np.uint8)).prediction.probability
    sigmoid = 1 / (1 + np.exp(-np.linspace(-2, 2, 16)))
    np.testing.assert_allclose(found, np.tile((sigmoid + sigmoid[::-1]) / 2, (16, 1)), atol=1e-6)


def test_a_label_is_averaged_over_views(tmp_path):
    class Side(torch.nn.Module):
        """The logit is the difference between the left and the right half, times 4."""

        def __init__(self):
            super().__init__()
            self.gain = torch.nn.Parameter(torch.tensor(4.0))

        def forward(self, images):
            half = images.shape[-1] // 2
            return ((images[..., :half].mean((1, 2, 3)) - images[..., half:].mean((1, 2, 3))) * self.gain)[:, None]

    image = np.zeros((8, 8), np.uint8)
    image[:, :4] = 255
    run = FakeRun(tmp_path, Side(), PAIR, size=8)
    assert answerer_of(run).predict(image).prediction.probabilities[1] == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-6)
    turned = answerer_of(run, tta="left-right").predict(image)
    assert turned.prediction.probabilities[1] == pytest.approx(0.5, abs=1e-6)


def test_an_xray_has_no_other_view(tmp_path):
    run = FakeRun(tmp_path / "chest", Constant(0.0), PAIR, augment="xray")
    with pytest.raises(RecipeError, match=r"chest was trained without flips.*left-right"):
        answerer_of(run, tta="policy")
