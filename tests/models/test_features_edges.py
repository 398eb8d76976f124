"""What encoders for classification do off the beaten track: pyramids, one block, sizes, weights that do not fit."""

import pytest
import timm
import torch
from timm_oracles import stir, timm_features, weights_of
from torch import nn

from medgraft.errors import RecipeError, WeightsError
from medgraft.models import ModelSpec, Weights, build_model, create_encoder, create_feature_encoder
from medgraft.models.cbr import CBR, CBR_ENCODERS
from medgraft.models.chain import feature_cut
from medgraft.models.decompose import cut, stirred


def _images(side=64, channels=3):
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(3))


def _normalised(encoder, images):
    mean, std = (torch.tensor(value).view(1, -1, 1, 1) for value in (encoder.mean, encoder.std))
    return (images - mean) / std


@pytest.mark.parametrize(
    "name", ["resnet18", "densenet121", "tf_efficientnet_lite0", "convnext_atto", "swin_tiny_patch4_window7_224"]
)
@torch.no_grad()
def test_the_pyramid_is_that_of_the_encoder_for_masks(name):
    weights = weights_of(timm_features(name))
    features, encoder = (build(name, weights=weights).eval() for build in (create_feature_encoder, create_encoder))
    assert (features.channels, features.strides) == (encoder.channels, encoder.strides)
    levels = features.forward_pyramid(_images())
    assert len(levels) == len(encoder.strides)
    assert all(torch.equal(a, b) for a, b in zip(levels, encoder(_images()), strict=True))


@torch.no_grad()
def test_levels_of_vgg_are_the_ends_of_its_five_stages():
    encoder = create_feature_encoder("vgg11").eval()
    levels = encoder.forward_pyramid(_images())
    assert [tuple(level.shape[1:]) for level in levels] == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2),
    ]  # fmt: skip
    assert encoder.channels == (64, 128, 256, 512, 512) and encoder.strides == (2, 4, 8, 16, 32)


@pytest.mark.parametrize("name", ["test_vit", "cbr_small", "hrnet_w18_small"])
def test_without_a_pyramid_the_message_says_so(name):
    with pytest.raises(RecipeError, match="no feature pyramid"):
        create_feature_encoder(name).forward_pyramid(_images())


@pytest.mark.parametrize(
    "name",
    [
        "test_vit",  # class token
        "test_vit2",  # average, norm behind it
        "test_vit3",  # attention pooling
        "test_vit4",  # layer scale, register tokens
        "vit_small_patch14_reg4_dinov2",  # class token without position, patches of 14 pixels
    ],
)
@pytest.mark.parametrize("more", [(0, 0), (3, 14)])
@torch.no_grad()
def test_vision_transformers_of_every_kind_are_those_of_timm(name, more):
    oracle = timm_features(name)
    encoder = create_feature_encoder(name, weights=weights_of(oracle)).eval()
    assert encoder.is_chain and len(encoder.blocks) == len(oracle.blocks) + 2
    images = torch.rand(2, 3, 64 + more[0], 64 + more[1])
    torch.testing.assert_close(encoder(images), oracle(_normalised(encoder, images)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"global_pool": "map"},
        {"global_pool": "map", "pool_include_prefix": True},
        {"global_pool": "avg", "pool_include_prefix": True},
        {"global_pool": "prr"},
        {"pos_embed": "none"},
        {"pre_norm": True},
        {"reg_tokens": 3},
        {"final_norm": False},
    ],
)
def test_the_options_of_vision_transformers_are_all_known(options):
    model = timm.create_model("test_vit", pretrained=False, num_classes=0, dynamic_img_size=True, **options)
    assert feature_cut(model, "test_vit", 3).is_chain


@torch.no_grad()
def test_at_their_own_size_vision_transformers_need_no_other_positions():
    """The model as it was pretrained, for 160 pixels alone."""
    torch.manual_seed(0)
    oracle = stir(timm.create_model("test_vit", pretrained=False, num_classes=0))
    encoder = create_feature_encoder("test_vit", weights=weights_of(oracle)).eval()
    images = _images(160)
    torch.testing.assert_close(encoder(images), oracle(_normalised(encoder, images)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "hrnet_w18_small",
        "repvit_m0_9",
        "deit_tiny_distilled_patch16_224",
        # Positions enter in every layer; a branch that starts at 1e-5 would hide it.
        "eva02_tiny_patch14_224",
        "vit_small_patch16_dinov3",
    ],
)
@torch.no_grad()
def test_a_model_that_is_no_chain_is_one_block(name):
    torch.manual_seed(0)
    encoder = create_feature_encoder(name).eval()
    assert not encoder.is_chain and encoder.block_names == ("whole",) and encoder.only is None
    model = encoder.blocks[0][0]
    images = _images()
    truth = model(_normalised(encoder, images))
    assert truth.shape == (2, encoder.num_features) and torch.equal(encoder(images), truth)
    assert torch.equal(encoder.forward_suffix(encoder.forward_prefix(images, 1), 1)[0], truth)


@torch.no_grad()
def test_a_model_for_one_size_says_which():
    encoder = create_feature_encoder("gmlp_ti16_224").eval()
    assert encoder.only == 224 and encoder(_images(224)).shape == (2, encoder.num_features)
    for size in ((128, 128), (224, 256)):
        with pytest.raises(RecipeError, match="takes images of 224 x 224 pixels only; choose size 224"):
            encoder(torch.rand(1, 3, *size))


@torch.no_grad()
def test_images_too_small_are_refused_with_the_smallest_side():
    encoder = create_feature_encoder("inception_v3").eval()
    assert encoder(_images(75)).shape == (2, 2048)
    for start in (encoder, encoder.forward_pyramid):
        with pytest.raises(RecipeError, match="at least 75 pixels a side, not 74 x 100"):
            start(torch.rand(1, 3, 74, 100))


def test_what_lies_between_two_blocks_may_be_maps_or_tokens():
    hidden = create_feature_encoder("test_vit").forward_prefix(_images(), 3)
    assert [tuple(each.shape) for each in hidden] == [(2, 17, 64)]
    encoder = create_feature_encoder("resnet18")
    assert encoder.forward_prefix(_images(), 4)[0].shape == (2, 256, 4, 4)
    assert encoder.forward_prefix(_images(), 5)[0].shape == (2, 512)


@pytest.mark.parametrize("position", [0, 6])
def test_a_cut_outside_the_blocks_is_refused(position):
    encoder = create_feature_encoder("resnet18")
    with pytest.raises(ValueError, match="5 blocks"):
        encoder.forward_prefix(_images(), position)
    with pytest.raises(ValueError, match="5 blocks"):
        encoder.forward_suffix([_images()], position)


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "test_vit"])
def test_dropout_of_the_features_is_kept_whether_it_is_a_part_or_a_function(name):
    torch.manual_seed(0)
    options = {"dynamic_img_size": True} if "vit" in name else {}
    model = timm.create_model(name, num_classes=0, drop_rate=0.5, pretrained=False, **options)
    parts = feature_cut(model, name, 3)
    assert parts.is_chain
    chain = nn.Sequential(*parts.blocks).train()
    images = _images()
    torch.manual_seed(5)
    found = chain(images)
    torch.manual_seed(5)
    torch.testing.assert_close(found, model.train()(images))
    assert (found == 0).float().mean() > 0.4 and not (chain.eval()(images) == 0).float().mean() > 0.4


def test_building_leaves_the_weights_and_the_random_numbers_alone():
    torch.manual_seed(0)
    model = timm.create_model("resnet18", pretrained=False, num_classes=0)
    following = torch.rand(1)
    torch.manual_seed(0)
    encoder = create_feature_encoder("resnet18")
    assert torch.equal(torch.rand(1), following) and encoder.training
    ours = list(encoder.blocks.state_dict().values())
    assert all(torch.equal(a, b) for a, b in zip(ours, model.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", ["resnet18", "test_vit", "cbr_small", "hrnet_w18_small"])
def test_all_of_a_new_encoder_is_in_training_mode(name):
    assert all(module.training for module in create_feature_encoder(name).modules())


def test_stirring_is_undone_even_after_an_error():
    model = nn.BatchNorm2d(3).train()
    with pytest.raises(KeyError), stirred(model):
        assert not model.training and model.weight.max() < 0.75
        raise KeyError
    assert model.training and torch.equal(model.weight, torch.ones(3)) and torch.equal(model.bias, torch.zeros(3))


@pytest.mark.parametrize(("name", "key"), [("tf_efficientnet_lite0", "conv_head.weight"), ("test_vit", "cls_token")])
def test_all_but_the_classifier_is_wanted_of_weights(name, key):
    state = dict(timm_features(name).state_dict())
    create_feature_encoder(name, weights=_weights(state | {"classifier.weight": torch.zeros(7, 5)}))
    del state[key]
    with pytest.raises(WeightsError, match=rf"missing \(1\): {key}"):
        create_feature_encoder(name, weights=_weights(state))


def _weights(state):
    return Weights("test", "0", "none", (0.5,) * 3, (0.5,) * 3, state)


@pytest.mark.parametrize("name", ["densenet121", "test_vit", "cbr_small", "repvgg_a0"])
@torch.no_grad()
def test_weights_for_grey_images_take_grey_and_colour(name):
    """In colour they see the grey average; in grey they are what they were."""
    plan = CBR_ENCODERS.get(name)
    oracle = stir(CBR(plan, in_channels=1)) if plan else timm_features(name, in_chans=1)
    weights = weights_of(oracle, (0.4,), (0.2,))
    grey, colour = (create_feature_encoder(name, channels, weights).eval() for channels in (1, 3))
    images = _images()
    average = images.mean(1, keepdim=True)
    truth = oracle((average - 0.4) / 0.2)
    torch.testing.assert_close(grey(average), truth, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(colour(images), truth, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", ["classifier", "encoder_unet"])
@pytest.mark.parametrize("channels", [1, 3])
@torch.no_grad()
def test_a_spec_alone_rebuilds_what_grew_from_weights_for_grey_images(model, channels):
    torch.manual_seed(0)
    weights = weights_of(timm.create_model("resnet18", pretrained=False, in_chans=1), (0.4,), (0.2,))
    spec = ModelSpec(model=model, encoder="resnet18", in_channels=channels).completed(weights)
    assert (spec.mean, spec.std) == ((0.4,), (0.2,))
    trained, opened = build_model(spec, weights).eval(), build_model(spec).eval()
    opened.load_state_dict(trained.state_dict())
    images = _images(channels=channels)
    assert torch.equal(opened(images), trained(images))


def test_first_layers_that_see_the_image_side_by_side_are_all_adapted():
    encoder = create_feature_encoder("repvgg_a0", 1)
    encoder(_images(channels=1)).sum().backward()
    convolutions = [part for part in encoder.blocks[0].modules() if isinstance(part, nn.Conv2d)]
    assert [(part.in_channels, part.weight.shape[1]) for part in convolutions] == [(2, 2), (2, 2)]


def test_an_unknown_encoder_suggests_near_names_of_the_cbr_family_too():
    with pytest.raises(RecipeError, match=r"no encoder 'cbr_smal'.*Did you mean cbr_small"):
        create_feature_encoder("cbr_smal")


def _with_forward(forward):
    """A small ResNet that does more than to chain its parts, with a number that starts at 0."""
    model = timm.create_model("test_resnet", pretrained=False, num_classes=0)
    chained = model.forward
    model.gate = nn.Parameter(torch.zeros(1))
    model.forward = lambda images: forward(chained(images), model.gate)
    return model


def test_a_model_that_does_more_than_its_parts_is_one_block():
    assert feature_cut(_with_forward(lambda features, gate: features), "x", 3).is_chain
    assert not feature_cut(_with_forward(lambda features, gate: features * 1.001), "x", 3).is_chain
    # Nothing is to be seen of this one before it has learnt.
    assert not feature_cut(_with_forward(lambda features, gate: features + gate), "x", 3).is_chain


def test_a_model_without_a_row_of_features_is_refused():
    with pytest.raises(RecipeError, match="encoder 'x' does not turn an image into a row of features"):
        feature_cut(_with_forward(lambda features, gate: features[:, :, None]), "x", 3)


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_a_pyramid_that_is_not_that_of_the_chain_is_refused(start):
    model = timm.create_model("test_resnet", pretrained=False)
    model.gate = nn.Parameter(torch.full((1,), start))
    features = model.forward_features
    assert len(cut(model, "x").blocks) == 5
    model.forward_features = lambda images: features(images * (1 + model.gate))
    with pytest.raises(RecipeError, match="no plain chain"):
        cut(model, "x")
