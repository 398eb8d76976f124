"""Domain distance: worked by hand, against images really drawn again, and what stays untouched."""

import numpy as np
import pytest
import torch
from distance_networks import chain, network, norm, pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import changed, snapshot
from torch import nn

from medgraft.errors import DataError, RecipeError, WeightsError
from medgraft.models import FeatureEncoder, create_feature_encoder
from medgraft.transfer import adapt_statistics
from medgraft.transfer.distance import FAR, NEAR, ImageSet, distance_between, from_pretraining
from medgraft.transfer.moments import batches, carries_statistics, observe, sample_rows


def by_hand(inputs: torch.Tensor, layer: nn.Module) -> float:
    """The formula of the page, of all that a BatchNorm received [N, C, H, W]."""
    rows = inputs.double().transpose(0, 1).flatten(1)
    mean, sd = rows.mean(1), rows.var(1, correction=0).sqrt()
    gap = (mean - layer.running_mean).square() + (sd - layer.running_var.double().sqrt()).square()
    return float(gap.sum() / layer.running_var.double().sum())


def test_two_plain_images_by_hand():
    # Black and white: mean 1/2 and standard deviation 1/2 over both, though neither image varies in itself.
    images = np.stack([np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)])
    found = from_pretraining(chain(norm([0.25, 0.5, 0.0], [1.0, 0.25, 4.0], scale=7.0)), [images])
    # Gaps (0.25^2 + 0.5^2) + (0 + 0) + (0.5^2 + 1.5^2), over a total variance of 5.25.
    assert found.value == pytest.approx((0.3125 + 0 + 2.5) / 5.25, rel=1e-6)
    assert (found.n, found.groups, len(found.by_layer)) == (2, 2, 1)


def test_scale_shift_and_eps_of_a_batch_norm_play_no_part():
    images = [pictures(3)]
    plain, other = norm([0.4] * 3, [0.1] * 3), norm([0.4] * 3, [0.1] * 3, scale=3.0, eps=0.5)
    nn.init.constant_(other.bias, 2.0)
    assert from_pretraining(chain(plain), images) == from_pretraining(chain(other), images)


def test_layers_count_the_same_and_blocks_gather_them():
    still = [0.0] * 3, [1.0] * 3
    encoder = chain(nn.Sequential(norm(*still), norm([2.0] * 3, [1.0] * 3)), nn.Identity(), norm([5.0] * 3, [4.0] * 3))
    found = from_pretraining(encoder, [np.zeros((2, 4, 4, 3), np.uint8)])
    # Black all the way: (0 + 1) / 1; then (2^2 + 1) / 1; the second makes of 0 a -2, so (7^2 + 2^2) / 4.
    assert [(layer.name, layer.block) for layer in found.by_layer] == [
        ("blocks.0.0", "block 0"), ("blocks.0.1", "block 0"), ("blocks.2", "block 2")
    ]  # fmt: skip
    assert [layer.value for layer in found.by_layer] == pytest.approx([1.0, 5.0, 13.25], rel=1e-6)
    assert found.value == pytest.approx(19.25 / 3, rel=1e-6)
    assert found.by_block == pytest.approx({"block 0": 3.0, "block 2": 13.25}, rel=1e-6)
    assert (found.early, found.late) == pytest.approx((3.0, 9.125), rel=1e-6)


def test_every_layer_of_a_network_is_the_formula_of_what_it_receives():
    encoder, images, received = create_feature_encoder("resnet18").eval(), pictures(5, size=64), {}

    def receive(module, inputs):
        received[module] = inputs[0].clone()

    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=torch.Generator().manual_seed(1))
            module.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(2))
            module.register_forward_pre_hook(receive)
    found = from_pretraining(encoder, batches(images, np.arange(5), 2))
    received.clear()
    with torch.no_grad():
        encoder(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)
    names = {module: name for name, module in encoder.named_modules()}
    wanted = {names[module]: by_hand(inputs, module) for module, inputs in received.items()}
    assert len(wanted) == 20
    assert {layer.name: layer.value for layer in found.by_layer} == pytest.approx(wanted, rel=1e-4)


def test_no_distance_from_the_statistics_of_the_same_images():
    encoder, images = network(), pictures(6)
    before = from_pretraining(encoder, [images]).value
    adapt_statistics(encoder, [torch.from_numpy(images).permute(0, 3, 1, 2) / 255])
    after = from_pretraining(encoder, [images])
    assert before > 0.1 and after.value < 1e-5
    assert len(after.by_layer) == 2, "timm's BatchNorm with an activation is one too"


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_how_images_are_batched_does_not_matter(sizes):
    encoder, images = network(), pictures(sum(sizes))
    whole = from_pretraining(encoder, [images], draws=20)
    ends = np.cumsum(sizes)[:-1]
    parted = from_pretraining(encoder, iter(np.split(images, ends)), draws=20)
    for name in ("value", "low", "high"):
        assert getattr(parted, name) == pytest.approx(getattr(whole, name), rel=1e-4, nan_ok=True)


def test_sixteen_bits_are_the_same_images():
    encoder, images = network(), pictures(3)
    deep = images.astype(np.uint16) * 257
    assert from_pretraining(encoder, [deep]).value == pytest.approx(from_pretraining(encoder, [images]).value, rel=1e-5)


def test_the_encoder_is_left_bit_identical():
    encoder = create_feature_encoder("tf_efficientnet_lite0").train()
    encoder.blocks[1].eval()  # a mode of the user's own
    next(encoder.parameters()).requires_grad_(False)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.fill_(0.1)
    before = snapshot(encoder)
    modes = {name: module.training for name, module in encoder.named_modules()}
    learns = {name: (p.requires_grad, p.stride()) for name, p in encoder.named_parameters()}
    from_pretraining(encoder, [pictures(3, size=64)], draws=2)
    with pytest.raises(RecipeError, match="at least"):
        from_pretraining(encoder, [pictures(1, size=8)])
    assert changed(before, encoder) == set()
    assert modes == {name: module.training for name, module in encoder.named_modules()}
    assert learns == {name: (p.requires_grad, p.stride()) for name, p in encoder.named_parameters()}
    assert all(p.grad is None for p in encoder.parameters())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in encoder.modules())


def test_autocast_of_the_caller_plays_no_part():
    encoder, images = network(), pictures(3)
    with torch.autocast("cpu", torch.bfloat16):
        under = from_pretraining(encoder, [images])
    assert under == from_pretraining(encoder, [images])


class Folded(nn.Module):
    """A BatchNorm over tokens that are folded into the batch, as LeViT has it, and its pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.norm.running_mean.fill_(0.4)

    def forward(self, images):
        tokens = images.flatten(2).transpose(1, 2)
        folded = self.norm(tokens.flatten(0, 1)).view_as(tokens)
        return folded.mean(1)[..., None, None]


def test_tokens_folded_into_the_batch_belong_to_their_image():
    folded, plain = chain(Folded()), chain(norm([0.4] * 3, [1.0] * 3))
    images = pictures(5)
    a, b = (from_pretraining(encoder, [images], draws=50) for encoder in (folded, plain))
    assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), rel=1e-5)


class Twice(nn.Module):
    """One BatchNorm on an image and on its corner of a quarter of the area."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = norm([0.4] * 3, [1.0] * 3)

    def forward(self, images):
        return self.norm(images).mean((2, 3), keepdim=True) + self.norm(images[..., :16, :16]).mean((2, 3), True)


def test_a_batch_norm_that_runs_twice_has_received_all_of_it():
    encoder, images = chain(Twice()), pictures(4)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    both = torch.cat([tensor.flatten(2), tensor[..., :16, :16].flatten(2)], dim=2)
    assert from_pretraining(encoder, [images]).value == pytest.approx(by_hand(both, encoder.blocks[0].norm), rel=1e-5)


class Together(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = norm([0.4] * 3, [1.0] * 3)

    def forward(self, images):
        return images + self.norm(images.mean(0, keepdim=True))


def test_a_batch_norm_over_images_together_is_refused():
    with pytest.raises(RecipeError, match=r"blocks\.0\.norm takes images together"):
        from_pretraining(chain(Together()), [pictures(3)])


def test_a_batch_norm_that_no_image_passes_is_left_out():
    idle = nn.Sequential(nn.Identity())
    idle.spare = None
    encoder = chain(norm([0.4] * 3, [1.0] * 3), nn.Identity())
    encoder.blocks[1].register_module("spare", norm([9.0] * 3, [1.0] * 3))
    assert [layer.name for layer in from_pretraining(encoder, [pictures(2)]).by_layer] == ["blocks.0"]


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto"])
def test_an_encoder_without_statistics_is_refused_before_an_image_is_read(name):
    def images():
        raise AssertionError("read")
        yield

    encoder = create_feature_encoder(name)
    assert not carries_statistics(encoder)
    with pytest.raises(RecipeError, match=f"encoder '{name}' holds no statistics"):
        from_pretraining(encoder, images())


def test_no_image_and_weights_that_are_no_numbers_are_refused():
    encoder = network()
    with pytest.raises(DataError, match="no image"):
        from_pretraining(encoder, [])
    nn.init.constant_(encoder.blocks[0][0].weight, float("nan"))
    with pytest.raises(WeightsError, match="no finite numbers"):
        from_pretraining(encoder, [pictures(2)])


def test_between_images_the_others_give_the_unit_and_both_are_drawn():
    encoder = network()
    a, b = (observe(encoder, [pictures(8, seed)]) for seed in (1, 2))
    ab = distance_between(ImageSet(a, seed=1), ImageSet(b, seed=2))
    fixed = distance_between(ImageSet(a, seed=1), ImageSet(b).statistics())
    assert ab.value == pytest.approx(fixed.value, rel=1e-9)
    assert ab.high - ab.low > fixed.high - fixed.low
    same = distance_between(ImageSet(a, seed=1), ImageSet(a, seed=2))
    assert same.value < 1e-12 and same.high > 0
    for one_group in (
        distance_between(ImageSet(a), ImageSet(b, ["x"] * 8)), distance_between(ImageSet(a, ["x"] * 8), ImageSet(b))
    ):  # fmt: skip
        assert one_group.value == ab.value and np.isnan(one_group.low)
    tensor = torch.from_numpy(pictures(8, 2)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        first = encoder.blocks[0][0](encoder.normalise(tensor))
    mean, variance = ImageSet(b).statistics().layers["blocks.0.1"]
    np.testing.assert_allclose(mean, first.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(variance, first.var((0, 2, 3), correction=0), rtol=1e-4)


def test_grey_encoders_take_grey_images():
    encoder = create_feature_encoder("resnet18", in_channels=1)
    assert isinstance(encoder, FeatureEncoder)
    encoder.blocks[0][1].running_mean.fill_(0.2)
    assert from_pretraining(encoder, [pictures(2, size=64, channels=1)], draws=1).value > 0


def test_words():
    found = from_pretraining(chain(norm([0.0] * 3, [1.0] * 3, 1.0), norm([0.5] * 3, [1.0] * 3)), [pictures(2)])
    for value, word in ((NEAR - 1e-9, "near"), (NEAR, "moderate"), (FAR - 1e-9, "moderate"), (FAR, "far")):
        assert type(found)(**{**vars(found), "value": value}).word == word


def test_a_sample_of_rows():
    rows = sample_rows(1000, 50, seed=4)
    assert len(set(rows)) == 50 and (np.diff(rows) > 0).all() and rows.max() < 1000
    assert (rows == sample_rows(1000, 50, seed=4)).all() and (rows != sample_rows(1000, 50, seed=5)).any()
    assert sample_rows(5, 50).tolist() == [0, 1, 2, 3, 4]
