"""From a predictor and an image to an explanation at the image's own size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.data import chelsea

from medgraft.data import LabelClasses, MaskClasses
from medgraft.errors import RecipeError
from medgraft.explain import METHODS, Explainer, deepest_telling, mass_inside
from medgraft.explain.explainer import at_size
from medgraft.label_predictor import LabelPredictor
from medgraft.models import ModelSpec, build_model
from medgraft.models.weights import find_weights
from medgraft.predictor import Predictor

SPOT = MaskClasses(("background", "foreground"), ((0, 0, 0), (255, 255, 1)))


def labeller(seed=0, classes=("no", "yes"), size=64):
    torch.manual_seed(seed)
    model = build_model(ModelSpec(model="classifier", encoder="cbr_tiny_narrow", classes=1))
    return LabelPredictor(model.eval(), size, 3, LabelClasses(classes))


def noise(height=40, width=70, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("method", METHODS)
def test_the_map_has_the_images_own_size_whatever_the_method(method):
    found = Explainer.of_predictor(labeller(), METHODS[method], None).explain(noise(), "yes")
    assert found.map.shape == (40, 70) and found.map.dtype == np.float32 and np.isfinite(found.map).all()
    assert (found.target, found.method) == ("yes", method)
    assert found.layer == ("conv4" if METHODS[method].layered else None)
    assert METHODS[method].signed or found.map.min() >= 0


def test_the_score_is_the_logit_of_what_is_explained():
    predictor = labeller()
    explainer = Explainer.of_predictor(predictor, METHODS["gradcam"], None)
    yes, no = explainer.explain(noise(), "yes"), explainer.explain(noise(), "no")
    assert yes.score == pytest.approx(-no.score)
    assert yes.prediction.probabilities[1] == pytest.approx(1 / (1 + np.exp(-yes.score)), abs=1e-5)
    assert explainer.explain(noise()).target == yes.prediction.label


def test_with_a_threshold_the_class_that_is_named_is_explained_and_not_the_more_probable_one():
    predictor = labeller()
    probability = predictor.predict(noise()).probabilities[1]
    strict = replace(predictor, threshold=float(probability) + 1e-3)
    lax = replace(predictor, threshold=float(probability) - 1e-3)
    named = [Explainer.of_predictor(each, METHODS["gradcam"], None).explain(noise()).target for each in (strict, lax)]
    assert named == ["no", "yes"]


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_image_has_a_flat_map_and_a_sentence(method):
    found = Explainer.of_predictor(labeller(), METHODS[method], None).explain(np.full((30, 30, 3), 77, np.uint8))
    assert found.flat and not found.map.any()
    assert any("every pixel of this image is the same" in note for note in found.notes)


def test_a_model_without_gradients_has_a_flat_map_and_a_sentence():
    predictor = labeller()
    torch.nn.init.zeros_(predictor.model.head.linear.weight)
    found = Explainer.of_predictor(predictor, METHODS["gradcam"], None).explain(noise(), "yes")
    assert found.flat and "nothing in the map stands out" in found.notes[0] and "yes" in found.notes[0]


def test_gradients_that_overflow_are_no_statement():
    predictor = labeller()
    predictor.model.head.linear.weight.data.fill_(float("nan"))
    found = Explainer.of_predictor(predictor, METHODS["gradcam"], None).explain(noise(), "yes")
    assert found.flat


def test_classes_and_layers_that_are_not_there_are_refused():
    with pytest.raises(RecipeError, match="no class 'maybe'; it has no, yes"):
        Explainer.of_predictor(labeller(), METHODS["gradcam"], None).explain(noise(), "maybe")
    with pytest.raises(RecipeError, match="no block 'conv9'; it has conv1, conv2, conv3, conv4"):
        Explainer.of_predictor(labeller(), METHODS["gradcam"], "conv9")


def test_a_structure_is_explained_where_it_was_found():
    torch.manual_seed(0)
    model = build_model(ModelSpec(model="unet", encoder=None, widths=(4, 8))).eval()
    predictor = Predictor(model, 32, 3, SPOT)
    found = Explainer.of_predictor(predictor, METHODS["hirescam"], None).explain(noise())
    assert found.map.shape == found.prediction.mask.shape == (40, 70)
    assert (found.target, found.layer) == ("foreground", "down1")


def test_of_a_segmentation_the_deepest_level_that_says_something_is_read():
    """A decoder that takes the bottleneck's maps off the answer leaves them empty; the level above says something."""
    torch.manual_seed(0)
    model = build_model(ModelSpec(model="unet", encoder=None, widths=(4, 8, 8))).eval()
    explainer = Explainer.of_predictor(Predictor(model, 32, 3, SPOT), METHODS["hirescam"], None)
    cases = [explainer.case(noise(seed=seed))[0] for seed in range(3)]
    assert explainer.layer.block == "down2"
    model.ups[0].up.weight.data.zero_()
    chosen = deepest_telling(explainer, cases)
    assert chosen.layer.block in ("down1", "first")
    assert all(chosen.find(case).map.any() for case in cases)
    assert deepest_telling(explainer, []) is explainer


def test_maps_grow_by_bilinear_interpolation_and_shrink_by_averages():
    assert at_size(np.array([[0.0, 4.0]]), 1, 4) == pytest.approx(np.array([[0.0, 1, 3, 4]]))
    assert at_size(np.array([[0.0, 4.0], [2.0, 6.0]]), 1, 2) == pytest.approx(np.array([[1.0, 5]]))


def test_real_weights_see_the_cat_in_its_face():
    """ImageNet's Lite0 on a photograph of a cat: the face (worked out on a grid) holds far more than its share."""
    weights = find_weights("tf_efficientnet_lite0")
    model = build_model(ModelSpec(model="classifier", classes=1000), weights)
    head = {name: weights.state[f"classifier.{name}"] for name in ("weight", "bias")}
    model.head.linear.load_state_dict(head)
    names = tuple(f"class {number}" for number in range(1000))
    predictor = LabelPredictor(model.eval(), 224, 3, LabelClasses(names))
    found = Explainer.of_predictor(predictor, METHODS["gradcam"], None).explain(chelsea())
    # 281 to 285 are ImageNet's house cats.
    assert found.target in {f"class {number}" for number in range(281, 286)}
    face = np.zeros((300, 451), bool)
    face[30:240, 85:330] = True
    assert face.mean() == pytest.approx(0.38, abs=0.01)
    assert mass_inside(found.map, face) > 0.55
    row, column = np.unravel_index(found.map.argmax(), found.map.shape)
    assert face[row, column]
