"""The probe chooses by what it measured and leaves the model as it was."""

import copy

import torch

from medgraft.losses import Dice
from medgraft.models import EncoderUNet, create_encoder
from medgraft.recipe import Recipe
from medgraft.training import Choices, choose
from medgraft.training.probe import _best
from medgraft.transfer import Strategy


def _model():
    torch.manual_seed(0)
    return EncoderUNet(create_encoder("tf_efficientnet_lite0"), widths=(16, 16, 8, 8, 8), bottleneck=16)


def test_the_model_is_left_as_it_was():
    model = _model()
    Strategy.partial(2).apply(model)
    before = copy.deepcopy(model.state_dict())
    choose(model, 6, Recipe.make(), torch.rand(4, 3, 64, 64), torch.ones(4, 64, 64, dtype=torch.uint8), Dice())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert all(p.is_contiguous() for p in model.parameters())


def test_plain_float32_stands_unless_beaten_clearly():
    candidates = [("fp32", "contiguous"), ("fp32", "channels_last"), ("bf16", "channels_last")]
    times = {"step fp32 contiguous": 100.0, "step fp32 channels_last": 97.0, "step bf16 channels_last": 150.0}
    assert _best(candidates, times) == ("fp32", "contiguous")
    assert _best(candidates, times | {"step bf16 channels_last": 60.0}) == ("bf16", "channels_last")


def test_fixed_options_are_not_measured():
    recipe = Recipe.make(precision="bf16", memory_format="channels_last", engine="torch")
    model = _model()
    choices = choose(model, 8, recipe, torch.rand(2, 3, 64, 64), torch.zeros(2, 64, 64, dtype=torch.uint8), Dice())
    assert (choices.engine, choices.precision, choices.memory_format) == ("torch", "bf16", "channels_last")
    assert choices.milliseconds == {}


def test_the_sentence_gives_the_factors_measured():
    times = {"engine torch": 80.0, "engine onnxruntime": 20.0,
             "step fp32 contiguous": 100.0, "step bf16 channels_last": 50.0}  # fmt: skip
    sentence = Choices("onnxruntime", "bf16", "channels_last", times).sentence()
    assert sentence == "prefix on onnxruntime (4.0x torch), bf16, channels_last (step 2.0x plain float32)"
