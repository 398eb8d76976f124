"""Engines in a training: each stage's prefix is checked, and what the learner gets suits its precision."""

import pytest
import torch
from accelerate import Accelerator

from medgraft import losses
from medgraft.data import Augmenter, PixelStore, assign_splits, open_data
from medgraft.errors import EngineError
from medgraft.models import ModelSpec, build_model, create_encoder
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.training import Choices, Trainer, monitor_of
from medgraft.training.trainee import autocast, run_prefix
from medgraft.transfer import OnnxEngine, OpenVinoEngine, Strategy, TorchEngine, prefix


class _Heard(Observer):
    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


class _OffLater(OnnxEngine):
    """Right for the whole encoder, wrong for any shorter prefix."""

    def __call__(self, images):
        return [output * (1.0 if self.stop == 8 else 1.01) for output in super().__call__(images)]


def _fit(ellipses, folder, observer, engine):
    recipe = Recipe.make(size=32, epochs=2, batch_size=4, strategy="gradual", unfreeze_every=1, engine=engine)
    manifest = open_data(ellipses)
    store = PixelStore.open(manifest, 32)
    manifest = assign_splits(manifest, store.foreground, (0.7, 0.15, 0.15), 0)
    folder.mkdir()
    trainer = Trainer(
        build_model(ModelSpec(encoder="tf_efficientnet_lite0", widths=(16, 16, 8, 8, 8), bottleneck=16)),
        Strategy.from_recipe(recipe), recipe, Choices("onnxruntime", "fp32", "contiguous"), store,
        {split: manifest.rows(split) for split in ("train", "val")}, losses.create(recipe.loss),
        monitor_of("segmentation", "binary", recipe.threshold), Augmenter(recipe.augment), folder,
        Accelerator(cpu=True), observer,
    )  # fmt: skip
    trainer.fit()
    return trainer


def test_a_later_stage_that_the_probed_engine_gets_wrong_runs_on_torch(ellipses, tmp_path, monkeypatch):
    monkeypatch.setitem(prefix.EXPORTED, "onnxruntime", _OffLater)
    heard = _Heard()
    trainer = _fit(ellipses, tmp_path / "run", heard, "auto")
    assert trainer.engine.name == "torch" and trainer.engine.stop == 7
    assert [line["engine"] for line in trainer.history] == ["onnxruntime", "torch"]
    assert len(heard.said) == 1 and "onnxruntime differs from torch by 1.0e-02" in heard.said[0]


def test_a_later_stage_that_a_named_engine_gets_wrong_is_an_error(ellipses, tmp_path, monkeypatch):
    monkeypatch.setitem(prefix.EXPORTED, "onnxruntime", _OffLater)
    with pytest.raises(EngineError, match="onnxruntime differs from torch"):
        _fit(ellipses, tmp_path / "run", _Heard(), "onnxruntime")


@pytest.mark.parametrize("kind", [TorchEngine, OnnxEngine, OpenVinoEngine])
@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_the_learner_gets_maps_of_its_precision_and_layout(kind, precision, dtype, layout):
    encoder = create_encoder("tf_efficientnet_lite0").eval()
    images = torch.rand(2, 3, 64, 64)
    engine = kind(encoder, 8) if kind is TorchEngine else kind(encoder, 8, images, precision)
    with autocast(images.device, precision):
        maps = run_prefix(engine, images, layout)
    assert {each.dtype for each in maps} == {dtype}
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    assert all(each.is_contiguous(memory_format=memory) for each in maps)
