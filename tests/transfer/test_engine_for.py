"""The engine that extracts features: tried one by one, as long as a further one could pay, and used on every core."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from medgraft.models import create_feature_encoder
from medgraft.transfer import OnnxEngine, OpenVinoEngine, TorchEngine, engine_for, prefix

SAMPLE = torch.rand(3, 3, 64, 64)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return create_feature_encoder("resnet18").eval()


def _takes(monkeypatch, **milliseconds):
    monkeypatch.setattr(prefix, "_of_a_batch", lambda engine, *_: milliseconds[engine.name])


@pytest.mark.parametrize(("images", "tried"), [
    (100, ["torch"]),  # 100 images / 3 at 100 ms: 3.3 s are left, and no engine is built in less
    (200, ["torch", "onnxruntime"]),  # 6.7 s, then 2.0
    (2000, ["torch", "onnxruntime", "openvino"]),
])  # fmt: skip
def test_a_further_engine_is_built_where_it_can_pay(encoder, monkeypatch, images, tried):
    _takes(monkeypatch, torch=100.0, onnxruntime=30.0, openvino=40.0)
    engine, probe = engine_for(encoder, 5, SAMPLE, images)
    assert list(probe.milliseconds) == tried
    assert engine.name == min(probe.milliseconds, key=probe.milliseconds.get)
    assert set(probe.parity) == set(tried) - {"torch"} and all(value < 1e-4 for value in probe.parity.values())


def test_one_that_cannot_run_is_passed_over(encoder, monkeypatch):
    _takes(monkeypatch, torch=100.0, onnxruntime=30.0, openvino=40.0)

    def broken(*_, **__):
        raise ValueError("no such operator")

    monkeypatch.setitem(prefix.EXPORTED, "onnxruntime", broken)
    engine, probe = engine_for(encoder, 5, SAMPLE, 2000)
    assert engine.name == "openvino" and "no such operator" in probe.refused["onnxruntime"]


@pytest.mark.parametrize("kind", [OnnxEngine, OpenVinoEngine])
def test_calls_at_the_same_time_do_not_mix(encoder, kind):
    engine = kind(encoder, 5, SAMPLE, streams=2)
    batches = [torch.rand(3, 3, 64, 64) for _ in range(16)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(engine, batches))
    for batch, (output,) in zip(batches, found, strict=True):
        torch.testing.assert_close(output, TorchEngine(encoder, 5)(batch)[0], rtol=1e-3, atol=1e-4)


def test_a_batch_counts_as_its_share_of_all_streams(encoder, monkeypatch):
    class Engine:
        name, stop, streams, calls = "engine", 5, 4, 0

        def __call__(self, images):
            self.calls += 1
            return []

    def two_hundred(calls, rounds):
        for call in calls.values():
            call()
        return dict.fromkeys(calls, 200.0)

    monkeypatch.setattr(prefix, "least_milliseconds", two_hundred)
    engine = Engine()
    assert prefix._of_a_batch(engine, encoder, SAMPLE) == 50.0 and engine.calls == 4
