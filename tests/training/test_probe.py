"""The probe chooses by what it measured and leaves the model as it was."""

import copy

import torch

from medgraft.losses import Dice
from medgraft.models import EncoderUNet, create_encoder
from medgraft.recipe import Recipe
from medgraft.training import Choices, choose, probe
from medgraft.training.probe import _best
from medgraft.transfer import Strategy, prefix


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


def test_the_sentence_prefers_the_figure_in_the_trainings_precision():
    times = {"engine torch": 80.0, "engine openvino": 40.0, "engine torch bf16": 64.0, "engine openvino bf16": 16.0}
    assert Choices("openvino", "bf16", "contiguous", times).sentence().startswith("prefix on openvino (4.0x torch)")
    assert Choices("openvino", "fp32", "contiguous", times).sentence().startswith("prefix on openvino (2.0x torch)")


def test_engines_are_measured_again_in_bf16_where_steps_are_faster_in_it(monkeypatch):
    milliseconds = {"torch": 30.0, "onnxruntime": 10.0, "openvino": 11.0, "torch bf16": 15.0, "openvino bf16": 5.0}
    for precision in ("fp32", "bf16"):
        for layout in ("contiguous", "channels_last"):
            milliseconds[f"step {precision} {layout}"] = 100.0 if precision == "fp32" else 50.0
    milliseconds["plain"] = 100.0
    for module in (probe, prefix):
        monkeypatch.setattr(
            module, "least_milliseconds", lambda calls, rounds=3: {name: milliseconds[name] for name in calls}
        )
    batch = torch.rand(2, 3, 64, 64), torch.zeros(2, 64, 64, dtype=torch.uint8)
    choices = choose(_model(), 8, Recipe.make(), *batch, Dice())
    assert (choices.engine, choices.precision) == ("openvino", "bf16")
    assert choices.milliseconds["engine openvino bf16"] == 5.0
    assert choices.sentence().startswith("prefix on openvino (3.0x torch), bf16")
    choices = choose(_model(), 8, Recipe.make(precision="fp32"), *batch, Dice())
    assert (choices.engine, choices.precision) == ("onnxruntime", "fp32")
    assert "engine openvino bf16" not in choices.milliseconds
