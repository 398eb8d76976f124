"""Classifier: heads worked by hand, and the same logits from the images as from a prefix's outputs."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from medgraft.errors import RecipeError
from medgraft.models import HEADS, Classifier, EncoderModel, create_feature_encoder

FEATURES = 256


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return create_feature_encoder("cbr_small").eval()


@pytest.fixture
def images():
    return torch.rand(3, 3, 33, 40, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("head", "parameters"),
    [
        ("linear", FEATURES * 4 + 4),
        ("dropout", FEATURES * 4 + 4),
        ("mlp", FEATURES * 256 + 256 + 256 * 4 + 4),
    ],
)
@torch.no_grad()
def test_logits_by_hand(encoder, images, head, parameters):
    model = Classifier(encoder, 4, head).eval()
    assert sum(p.numel() for p in model.head.parameters()) == parameters
    hidden = encoder(images)
    if head == "mlp":
        first = model.head[0]
        hidden = (hidden @ first.weight.T + first.bias).clamp(min=0)
    expected = hidden @ model.final.weight.T + model.final.bias
    torch.testing.assert_close(model(images), expected)
    assert model(images).shape == (3, 4) and isinstance(model, EncoderModel)
    assert (model.classes, model.in_channels) == (4, 3)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("classes", [1, 5])
def test_the_final_layer_is_the_last_and_has_a_row_a_class(encoder, head, classes):
    model = Classifier(encoder, classes, head)
    assert model.final is model.head[-1] and model.final.out_features == classes
    names = [name for name, _ in model.named_parameters() if name.startswith("head.linear.")]
    assert names == ["head.linear.weight", "head.linear.bias"]


@pytest.mark.parametrize("head", ["dropout", "mlp"])
def test_dropout_acts_in_training_alone_and_at_its_rate(encoder, head):
    model = Classifier(encoder, 1, head, dropout=0.3)
    ones = torch.ones(200, FEATURES)
    drop = next(part for part in model.head if isinstance(part, nn.Dropout))
    kept = drop.train()(ones)
    assert (kept == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert kept.max().item() == pytest.approx(1 / 0.7)
    assert torch.equal(model.eval().head(ones), model.head(ones))
    if head == "dropout":
        assert list(model.head) == [drop, model.final]
    else:
        assert [type(part) for part in model.head] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]


def test_the_linear_head_has_no_dropout_at_any_rate(encoder):
    assert list(Classifier(encoder, 2, "linear", dropout=0.9).head) != []
    assert not [m for m in Classifier(encoder, 2, "linear", dropout=0.9).head if isinstance(m, nn.Dropout)]


def test_heads_start_as_torch_has_them(encoder):
    torch.manual_seed(7)
    model = Classifier(encoder, 3)
    torch.manual_seed(7)
    fresh = nn.Linear(FEATURES, 3)
    assert torch.equal(model.final.weight, fresh.weight) and torch.equal(model.final.bias, fresh.bias)


@pytest.mark.parametrize("name", ["cbr_small", "test_vit", "resnet18"])
@torch.no_grad()
def test_logits_go_on_from_any_cut(images, name):
    torch.manual_seed(0)
    model = Classifier(create_feature_encoder(name), 3, "mlp").eval()
    whole = model(images)
    for cut in range(1, len(model.encoder.blocks) + 1):
        outputs = model.encoder.forward_prefix(images, cut)
        assert torch.equal(model.forward_from(outputs, cut, (33, 40)), whole)


def test_gradients_reach_the_head_alone_where_the_encoder_is_fixed(encoder, images):
    model = Classifier(encoder, 1)
    outputs = [tensor.detach() for tensor in encoder.forward_prefix(images, len(encoder.blocks))]
    logits = model.forward_from(outputs, len(encoder.blocks), (33, 40))
    F.binary_cross_entropy_with_logits(logits, torch.ones(3, 1)).backward()
    assert model.final.weight.grad.abs().sum() > 0 and all(p.grad is None for p in encoder.parameters())


def test_an_unknown_head_is_refused_with_a_suggestion(encoder):
    with pytest.raises(RecipeError, match=r"no head 'liner'; there are linear, dropout, mlp\. Did you mean linear"):
        Classifier(encoder, 1, "liner")
