"""The frozen prefix: engines agree with eager PyTorch, and the choice rests on what was measured."""

import pytest
import torch

from medgraft.models import create_encoder
from medgraft.transfer import OnnxEngine, TorchEngine, choose_engine, prefix


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


@pytest.mark.parametrize("stop", [1, 3, 8])
def test_onnxruntime_equals_eager_for_any_batch(encoder, stop):
    engine = OnnxEngine(encoder, stop, torch.rand(2, 3, 64, 64))
    for batch in (1, 3):
        images = torch.rand(batch, 3, 64, 64)
        expected = TorchEngine(encoder, stop)(images)
        found = engine(images)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert a.shape == b.shape
            assert float((a - b).abs().max() / b.abs().max()) < 1e-4


def test_the_export_leaves_the_encoders_mode_alone(encoder):
    encoder.train()
    encoder.blocks[0].eval()
    before = {name: module.training for name, module in encoder.named_modules()}
    OnnxEngine(encoder, 2, torch.rand(1, 3, 64, 64))
    assert {name: module.training for name, module in encoder.named_modules()} == before
    encoder.eval()


def test_the_fastest_engine_is_taken(encoder):
    engine, probe = choose_engine(encoder, 8, torch.rand(2, 3, 64, 64))
    assert set(probe.milliseconds) == {"torch", "onnxruntime"}
    assert engine.name == min(probe.milliseconds, key=probe.milliseconds.__getitem__)
    assert probe.parity["onnxruntime"] < prefix.PARITY


def test_an_engine_that_fails_leaves_torch_and_its_reason(encoder, monkeypatch):
    def broken(*_):
        raise ValueError("no such operator")

    monkeypatch.setattr(prefix, "OnnxEngine", broken)
    engine, probe = choose_engine(encoder, 4, torch.rand(2, 3, 64, 64))
    assert engine.name == "torch"
    assert "no such operator" in probe.refused["onnxruntime"]


def test_an_engine_that_differs_is_refused(encoder, monkeypatch):
    class Off(OnnxEngine):
        def __call__(self, images):
            return [output * 1.001 for output in super().__call__(images)]

    monkeypatch.setattr(prefix, "OnnxEngine", Off)
    engine, probe = choose_engine(encoder, 4, torch.rand(2, 3, 64, 64))
    assert engine.name == "torch"
    assert "differs from torch by 1.0e-03" in probe.refused["onnxruntime"]


def test_a_named_engine_is_taken_unmeasured(encoder):
    engine, probe = choose_engine(encoder, 4, torch.rand(2, 3, 64, 64), "torch")
    assert engine.name == "torch" and not probe.milliseconds


def test_the_export_is_kept_and_never_taken_for_other_weights(encoder, tmp_path, monkeypatch):
    import copy

    from medgraft.transfer import onnx_prefix

    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path))
    exports = []
    real = onnx_prefix._export
    monkeypatch.setattr(onnx_prefix, "_export", lambda *given: exports.append(1) or real(*given))
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
