"""Initialisations: moments of what is redrawn, what is shared, and that a value depends on seed and name alone."""

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from small_models import small_encoder
from torch import nn

from medgraft.draws import AT_ONCE, normal_like
from medgraft.errors import RecipeError
from medgraft.initialisation import Initialisation
from medgraft.models import (
    TESTED_ENCODERS,
    ModelSpec,
    create_encoder,
    create_feature_encoder,
    find_weights,
)
from medgraft.models.timm_models import pretrained_config
from medgraft.models.weight_packages import PACKAGES
from medgraft.transfer import initialise as module
from medgraft.transfer.initialise import initialise, starting_model

FEW = 60_000
"""Larger tensors are not really drawn where every encoder is gone through: one of them has a test of its own."""
NO_BIASES = {
    *("resnet18", "resnet50", "inception_v3", "densenet121", "mobilenetv2_100"),
    *("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2"),
    *(name for name in TESTED_ENCODERS if name.startswith("cbr_")),
}


def parsed(text):
    return Initialisation.parse(text)


def state_of(encoder):
    return {name: tensor.clone() for name, tensor in encoder.state_dict().items()}


def fill(encoder):
    """Values on a line from -1 to 2 in every tensor but those of norms, whose moments are known by hand."""
    with torch.no_grad():
        for index, (_, parameter) in enumerate(encoder.named_parameters()):
            low, high = -1.0 - index % 3, 2.0 + index % 5
            parameter.copy_(torch.linspace(low, high, parameter.numel()).view(parameter.shape))
        for name, buffer in encoder.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.fill_(3.0)
    return encoder


def norms_of(encoder):
    """Names of the tensors of norms, which are told by the names of their classes."""
    found = ((name, part) for name, part in encoder.named_modules() if "Norm" in type(part).__name__)
    return {
        f"{name}.{own}" for name, part in found for own in part.state_dict() if "." not in own and name != "normalise"
    }


def split(tensor, planes):
    return tensor.chunk(2, 1) if planes == 2 else (tensor,)


def assert_same_moments(old, new, name):
    """Mean and spread within 5 standard errors; the spread of a normal sample has one of sigma / sqrt(2 n)."""
    n, mean, spread = old.numel(), old.mean(), old.std(correction=0)
    assert abs(new.mean() - mean) <= 5 * spread / math.sqrt(n), name
    assert abs(new.std(correction=0) / spread - 1) <= 5 / math.sqrt(2 * n) + 1 / n, name


def built(create, name, **options):
    """An encoder without random weights, which take most of the time of building one and are overwritten at once."""
    with pytest.MonkeyPatch.context() as patch:
        for draw in ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_", "trunc_normal_"):
            patch.setattr(nn.init, draw, lambda tensor, *_, **__: tensor.data.fill_(0.01))
        return create(name, **options)


@pytest.fixture(scope="module", params=TESTED_ENCODERS)
def case(request):
    """A grey encoder with known values, and its state; of VGG-16 not the 120 M weights behind the pyramid."""
    create = create_encoder if request.param == "vgg16" else create_feature_encoder
    encoder = fill(built(create, request.param, in_channels=1))
    return encoder, state_of(encoder)


@pytest.fixture
def few_drawn(monkeypatch):
    draw = module.normal_like
    monkeypatch.setattr(
        module, "normal_like", lambda values, *key: draw(values, *key) if values.size <= FEW else np.flip(values).copy()
    )


def after(case, text, seed=0):
    encoder, before = case
    encoder.load_state_dict(before)
    initialise(encoder, parsed(text), seed)
    return encoder.state_dict()


@pytest.mark.usefixtures("few_drawn")
def test_statistics_keep_the_moments_of_every_tensor_and_reset_the_norms(case):
    encoder, before = case
    found, norms = after(case, "ST"), norms_of(case[0])
    learnt = {name for name, _ in encoder.named_parameters()} - norms
    for name, tensor in before.items():
        if name in norms:
            default = 1.0 if name.endswith(("weight", "running_var")) else 0.0
            assert (found[name] == default).all(), name
        elif name not in learnt:
            assert torch.equal(found[name], tensor), name  # normalisation, tables of positions
        elif tensor.numel() <= FEW:
            # A grey first layer has a plane for the image and one of ones, each with moments of its own.
            planes = (
                tensor.shape[1] if name.startswith("blocks.0.") and tensor.ndim == 4 and tensor.shape[1] == 2 else 1
            )
            for old, new in zip(split(tensor, planes), split(found[name], planes), strict=True):
                assert_same_moments(old.double(), new.double(), name)
        if name in learnt:
            assert not torch.equal(found[name], tensor) and found[name].isfinite().all(), name


@pytest.mark.usefixtures("few_drawn")
def test_weights_up_to_a_block_and_statistics_behind_it(case):
    encoder, before = case
    statistics, count = {k: v.clone() for k, v in after(case, "ST").items()}, len(encoder.blocks)
    middle = count // 2
    for kept in (0, middle, count):
        found = after(case, f"WT-ST-{kept}")
        for name, tensor in found.items():
            block = int(name.split(".")[1]) if name.startswith("blocks.") else -1
            assert torch.equal(tensor, (before if block < kept else statistics)[name]), (kept, name)
    assert all(torch.equal(tensor, before[name]) for name, tensor in after(case, "WT").items())
    with pytest.raises(RecipeError, match=f"WT-ST-{count + 1} keeps {count + 1} blocks, and encoder .* has {count}: "):
        initialise(encoder, parsed(f"WT-ST-{count + 1}"), 0)


@pytest.mark.usefixtures("few_drawn")
def test_mean_var_is_statistics_but_for_biases_which_start_at_0(case):
    encoder, _ = case
    statistics = {k: v.clone() for k, v in after(case, "ST").items()}
    found = after(case, "mean_var")
    layers = {
        f"{name}.bias"
        for name, part in encoder.named_modules()
        if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None
    }
    assert not any(found[name].any() for name in layers)
    assert all(torch.equal(tensor, statistics[name]) for name, tensor in found.items() if name not in layers)
    assert (layers == set()) == (encoder.name in NO_BIASES)


@pytest.mark.parametrize(("name", "first"), [("resnet18", "conv1"), ("test_vit", "tokens.patch_embed.proj")])
def test_the_two_planes_of_a_grey_first_layer_have_moments_of_their_own(name, first):
    """The image's plane of a colour layer is some ten times as strong as the plane of ones that makes it exact."""
    encoder = built(create_feature_encoder, name, in_channels=1, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    weight = encoder.get_parameter(f"blocks.0.{first}.weight")
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        weight[:, 0].normal_(0.5, 1.0, generator=rng)
        weight[:, 1].normal_(-0.1, 0.01, generator=rng)
    initialise(encoder, parsed("ST"), 3)
    n = weight[:, 0].numel()
    for plane, mean, spread in ((0, 0.5, 1.0), (1, -0.1, 0.01)):
        found = weight.detach()[:, plane].double()
        # Both the filled and the drawn values are samples, so their errors add up.
        assert abs(found.mean() - mean) <= 5 * spread * math.sqrt(2 / n)
        assert abs(found.std() / spread - 1) <= 5 * math.sqrt(1 / n)


@pytest.mark.parametrize(
    ("name", "endings", "count"),
    [
        ("test_vit", ("tokens.cls_token", "tokens.pos_embed"), 2),
        ("test_convnext", (".gamma",), 9),
    ],
)
def test_tokens_positions_and_layer_scales_are_redrawn_too(name, endings, count):
    encoder = fill(create_feature_encoder(name))
    names = [key for key in encoder.state_dict() if key.endswith(endings)]
    before = state_of(encoder)
    initialise(encoder, parsed("ST"), 0)
    assert len(names) == count and not any(torch.equal(before[key], encoder.state_dict()[key]) for key in names)


def test_a_value_depends_on_seed_and_name_alone():
    encoder, first = small_encoder(), small_encoder()
    initialise(first, parsed("ST"), 7)
    torch.manual_seed(99), np.random.seed(99)
    before = torch.random.get_rng_state()
    for index in (2, 0, 1, 3):  # another order: one block at a time, the others put back
        twin = small_encoder()
        torch.random.set_rng_state(before)
        initialise(twin, parsed("ST"), 7)
        assert torch.equal(torch.random.get_rng_state(), before)
        encoder.blocks[index].load_state_dict(twin.blocks[index].state_dict())
    assert all(torch.equal(tensor, encoder.state_dict()[name]) for name, tensor in first.state_dict().items())
    other = small_encoder()
    initialise(other, parsed("ST"), 8)
    assert not torch.equal(other.blocks[0][0].weight, first.blocks[0][0].weight)
    weights = [p for n, p in first.named_parameters() if p.ndim > 1]
    assert len({round(w.flatten()[0].item(), 6) for w in weights}) == len(weights), "no two tensors begin alike"


DIGEST = "7ab02beff9cd2fcc"
DRAW = (
    "import hashlib, numpy as np; from medgraft.draws import normal_like; "
    "v = normal_like(np.linspace(-1, 2, 1000, dtype=np.float32).reshape(10, 100), 'blocks.0.conv.weight', 3); "
    "print(hashlib.sha256(np.round(v.astype(np.float64), 5).tobytes()).hexdigest()[:16])"
)


def test_the_values_are_the_same_in_every_process_and_stay_so():
    drawn = normal_like(np.linspace(-1, 2, 1000, dtype=np.float32).reshape(10, 100), "blocks.0.conv.weight", 3)
    own = hashlib.sha256(np.round(drawn.astype(np.float64), 5).tobytes()).hexdigest()[:16]
    other = subprocess.run([sys.executable, "-c", DRAW], capture_output=True, text=True, check=True).stdout.strip()
    assert own == other == DIGEST


def test_a_tensor_of_many_parts_is_one_sample():
    """More values than are drawn at a time: the parts are no copies of each other, and the whole has the moments."""
    n = 2 * AT_ONCE + 5
    drawn = normal_like(np.linspace(0, 12, n, dtype=np.float32), "big", 0)
    sigma = 12 / math.sqrt(12)
    assert abs(drawn.mean(dtype=np.float64) - 6) <= 5 * sigma / math.sqrt(n)
    assert abs(drawn.std(dtype=np.float64) / sigma - 1) <= 5 / math.sqrt(2 * n)
    assert not np.array_equal(drawn[:AT_ONCE], drawn[AT_ONCE : 2 * AT_ONCE])


def test_a_tensor_of_equal_values_stays_as_it_is():
    values = np.full((3, 2), 0.25, np.float32)
    assert np.array_equal(normal_like(values, "flat", 0), values)


@pytest.mark.parametrize(
    ("create", "name", "channels"),
    [
        (create_feature_encoder, "resnet18", 1),
        (create_feature_encoder, "test_vit", 3),
        (create_feature_encoder, "cbr_tiny_narrow", 3),
        (create_encoder, "tf_efficientnet_lite0", 1),
        (create_encoder, "mobilenetv3_large_100", 3),
    ],
)
def test_random_is_what_a_new_model_has(create, name, channels):
    torch.manual_seed(5)
    wanted = create(name, channels)
    torch.manual_seed(6)
    encoder = create(name, channels)
    state = torch.random.get_rng_state()
    initialise(encoder, parsed("RI"), 5)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(tensor, wanted.state_dict()[key]) for key, tensor in encoder.state_dict().items())


def test_random_needs_no_weights_as_their_statistics_are_those_that_timm_knows():
    for name, package in PACKAGES.items():
        known = pretrained_config(name)
        assert (package.mean, package.std) == (tuple(known.mean), tuple(known.std)), name


def test_a_model_has_the_same_head_whatever_its_encoder_starts_from(tmp_path):
    torch.manual_seed(1)
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "w.safetensors")
    weights = find_weights("test_resnet", tmp_path / "w.safetensors")
    spec = ModelSpec("classifier", "test_resnet", classes=3, head="mlp").completed(weights)
    heads = [
        starting_model(spec, weights, parsed(text), 4).head.state_dict()
        for text in ("WT", "ST", "RI", "mean_var", "WT-ST-2")
    ]
    assert all(torch.equal(head[key], heads[0][key]) for head in heads for key in head)


@pytest.mark.parametrize("text", ["WT", "ST", "RI", "mean_var", "WT-ST-0", "WT-ST-12", "slim-1"])
def test_what_is_parsed_is_written_back(text):
    assert str(parsed(text)) == text == str(parsed(f" {text.lower()} "))
    assert parsed(text).sentence and parsed(text).pretrained == (text != "RI")


@pytest.mark.parametrize(
    "text", ["", "TW", "WT-ST", "WT-ST-", "WT-ST--1", "WT-3", "slim", "slim-0", "ST-2", "WT-ST-1.5"]
)
def test_other_forms_are_refused_with_those_that_there_are(text):
    with pytest.raises(RecipeError, match=r"no initialisation .*there are WT, ST, RI, mean_var, WT-ST-N .*slim-N"):
        parsed(text)
