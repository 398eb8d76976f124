"""The frozen prefix: engines agree with eager PyTorch, and the choice rests on what was measured."""

import copy
import subprocess
import sys

import pytest
import torch

from medgraft.errors import EngineError
from medgraft.models import create_encoder
from medgraft.transfer import (
    OnnxEngine,
    OpenVinoEngine,
    TorchEngine,
    checked_engine,
    choose_engine,
    onnx_export,
    prefix,
    require_engine,
)

EXPORTED = [OnnxEngine, OpenVinoEngine]


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    encoder = create_encoder("tf_efficientnet_lite0")
    encoder.train()
    with torch.no_grad():
        for seed in range(3):  # statistics that differ from 0 and 1, so that a forgotten BatchNorm shows
            torch.manual_seed(seed)
            encoder(torch.rand(4, 3, 64, 64))
    return encoder.eval()


@pytest.mark.parametrize("kind", EXPORTED)
@pytest.mark.parametrize("stop", [1, 3, 8])
def test_an_engine_equals_eager_for_any_batch_and_layout(encoder, kind, stop):
    engine = kind(encoder, stop, torch.rand(2, 3, 64, 48))
    for batch, layout in ((1, torch.contiguous_format), (3, torch.channels_last)):
        images = torch.rand(batch, 3, 64, 48).contiguous(memory_format=layout)
        expected = TorchEngine(encoder, stop)(images)
        found = engine(images)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert a.shape == b.shape
            assert float((a - b).abs().max() / b.abs().max()) < 1e-4


@pytest.mark.parametrize("kind", EXPORTED)
def test_what_an_engine_returned_outlives_its_next_call(encoder, kind):
    images = torch.rand(2, 2, 3, 64, 64)
    for precision in ("fp32", "bf16"):
        engine = kind(encoder, 4, images[0], precision)
        first = engine(images[0])
        kept = [each.clone() for each in first]
        engine(images[1])
        assert all(torch.equal(a, b) for a, b in zip(first, kept, strict=True))


def test_openvino_in_bf16_gives_bf16_maps_near_those_of_float32(encoder):
    images = torch.rand(2, 3, 64, 64)
    engine, parity = checked_engine("openvino", encoder, 8, images, "bf16")
    assert {each.dtype for each in engine(images)} == {torch.bfloat16}
    assert parity["openvino"] < 1e-4
    # Eight bits of mantissa: one rounding errs by up to 2 ** -9, and dozens of layers add theirs.
    assert 2**-9 < parity["openvino bf16"] < 0.1


def test_the_export_leaves_the_encoders_mode_alone(encoder):
    encoder.train()
    encoder.blocks[0].eval()
    before = {name: module.training for name, module in encoder.named_modules()}
    OnnxEngine(encoder, 2, torch.rand(1, 3, 64, 64))
    assert {name: module.training for name, module in encoder.named_modules()} == before
    encoder.eval()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_fastest_engine_is_taken(encoder, monkeypatch, precision):
    times = {"torch": 30.0, "onnxruntime": 10.0, "openvino": 20.0, "torch bf16": 9.0, "openvino bf16": 5.0}
    monkeypatch.setattr(prefix, "least_milliseconds", lambda calls: {name: times[name] for name in calls})
    engine, probe = choose_engine(encoder, 8, torch.rand(2, 3, 64, 64), precision=precision)
    if precision == "fp32":
        assert engine.name == "onnxruntime"
        assert set(probe.milliseconds) == {"torch", "onnxruntime", "openvino"}
    else:
        assert engine.name == "openvino" and engine.bf16
        assert set(probe.milliseconds) == {"torch bf16", "onnxruntime", "openvino bf16"}
    assert max(probe.parity["onnxruntime"], probe.parity["openvino"]) < prefix.PARITY


def test_an_engine_that_is_not_installed_is_not_tried(encoder, monkeypatch):
    found = prefix.importlib.util.find_spec
    monkeypatch.setattr(prefix.importlib.util, "find_spec", lambda name: None if name == "openvino" else found(name))
    _, probe = choose_engine(encoder, 1, torch.rand(2, 3, 64, 64))
    assert set(probe.milliseconds) == {"torch", "onnxruntime"}
    require_engine("auto")
    with pytest.raises(EngineError, match=r"openvino is not installed.*extra cpu"):
        require_engine("openvino")


def _replaced(monkeypatch, name, kind):
    monkeypatch.setitem(prefix.EXPORTED, name, kind)


def _broken(*_, **__):
    raise ValueError("no such operator")


class Off(OnnxEngine):
    def __call__(self, images):
        return [output * 1.001 for output in super().__call__(images)]


def test_an_engine_that_fails_leaves_the_others_and_its_reason(encoder, monkeypatch):
    _replaced(monkeypatch, "onnxruntime", _broken)
    _, probe = choose_engine(encoder, 4, torch.rand(2, 3, 64, 64))
    assert set(probe.milliseconds) == {"torch", "openvino"}
    assert "no such operator" in probe.refused["onnxruntime"]


def test_an_engine_that_differs_is_refused(encoder, monkeypatch):
    _replaced(monkeypatch, "onnxruntime", Off)
    _, probe = choose_engine(encoder, 4, torch.rand(2, 3, 64, 64))
    assert "onnxruntime" not in probe.milliseconds
    assert "differs from torch by 1.0e-03" in probe.refused["onnxruntime"]


def test_an_engine_with_a_value_that_is_none_is_refused(encoder, monkeypatch):
    class Holed(OnnxEngine):
        def __call__(self, images):
            *maps, last = super().__call__(images)
            last[0, 0, 0, 0] = float("nan")
            return [*maps, last]

    _replaced(monkeypatch, "onnxruntime", Holed)
    with pytest.raises(EngineError, match="onnxruntime differs from torch by nan"):
        checked_engine("onnxruntime", encoder, 8, torch.rand(1, 3, 64, 64))


def test_bf16_that_is_worse_than_torchs_own_is_refused(encoder, monkeypatch):
    class Coarse(OpenVinoEngine):
        def __call__(self, images):
            maps = super().__call__(images)
            # Three tenths off, where PyTorch's own bf16 is a few hundredths off.
            return [(each.float() * 1.3).to(torch.bfloat16) if self.bf16 else each for each in maps]

    _replaced(monkeypatch, "openvino", Coarse)
    with pytest.raises(EngineError, match="openvino bf16 differs from torch"):
        checked_engine("openvino", encoder, 4, torch.rand(2, 3, 64, 64), "bf16")


def test_a_named_engine_is_taken_unmeasured_but_checked(encoder, monkeypatch):
    sample = torch.rand(2, 3, 64, 64)
    engine, probe = choose_engine(encoder, 4, sample, "torch")
    assert engine.name == "torch" and not probe.milliseconds
    engine, probe = choose_engine(encoder, 4, sample, "onnxruntime")
    assert engine.name == "onnxruntime" and not probe.milliseconds
    _replaced(monkeypatch, "onnxruntime", Off)
    with pytest.raises(EngineError, match="onnxruntime differs from torch"):
        choose_engine(encoder, 4, sample, "onnxruntime")


def test_the_export_is_kept_and_never_taken_for_other_weights(encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path))
    exports = []
    real = onnx_export._export
    monkeypatch.setattr(onnx_export, "_export", lambda *given: exports.append(1) or real(*given))
    sample = torch.rand(2, 3, 64, 64)
    first, second = OnnxEngine(encoder, 1, sample), OnnxEngine(encoder, 1, sample)
    assert len(exports) == 1
    other = copy.deepcopy(encoder)
    with torch.no_grad():
        next(other.blocks[0].parameters()).mul_(2)
    third = OnnxEngine(other, 1, sample)
    assert len(exports) == 2
    assert torch.equal(first(sample)[0], second(sample)[0])
    assert not torch.allclose(first(sample)[0], third(sample)[0])


TWO_ENGINES_THEN_A_SIGNAL = """
import os, signal, torch
from medgraft.models import create_encoder
from medgraft.transfer import OpenVinoEngine
signal.signal(signal.SIGCHLD, lambda *_: None)
encoder, images = create_encoder("tf_efficientnet_lite0").eval(), torch.rand(1, 3, 32, 32)
first = OpenVinoEngine(encoder, 1, images)
second = OpenVinoEngine(encoder, 2, images)
del first
del second
os.kill(os.getpid(), signal.SIGCHLD)
"""


def test_a_signal_after_the_end_of_two_engines_is_survived():
    ended = subprocess.run([sys.executable, "-c", TWO_ENGINES_THEN_A_SIGNAL], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
