"""The loop from outside: what is frozen, what is resumed, what is kept."""

import json

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from medgraft import losses
from medgraft.data import Augmenter, PixelStore, assign_splits, open_data
from medgraft.models import ModelSpec, build_model
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.training import Choices, Trainer, monitor_of
from medgraft.transfer import Strategy

PLAIN = Choices("torch", "fp32", "contiguous")


@pytest.fixture(scope="module")
def prepared(ellipses):
    manifest = open_data(ellipses)
    store = PixelStore.open(manifest, 32)
    manifest = assign_splits(manifest, store.foreground, (0.7, 0.15, 0.15), 0)
    return store, {split: manifest.rows(split) for split in ("train", "val")}


TINY = ModelSpec(encoder="tf_efficientnet_lite0", widths=(16, 16, 8, 8, 8), bottleneck=16)


def _trainer(prepared, folder, recipe, choices=PLAIN, observer=None, rows=None, spec=TINY):
    store, all_rows = prepared
    torch.manual_seed(0)
    model = build_model(spec)
    folder.mkdir(exist_ok=True)
    return Trainer(
        model, Strategy.from_recipe(recipe), recipe, choices, store, rows or all_rows, losses.create(recipe.loss),
        monitor_of("segmentation", "binary", recipe.threshold), Augmenter(recipe.augment), folder,
        Accelerator(cpu=True), observer or Observer(),
    )  # fmt: skip


def _weights(trainer):
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def _same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class _KilledError(Exception):
    pass


class _KillAt(Observer):
    """Breaks the training off in the middle of an epoch."""

    def __init__(self, epoch, step):
        self.when = (epoch, step)

    def step(self, epoch, epochs, step, steps, loss):
        if (epoch, step) == self.when:
            raise _KilledError


@pytest.mark.parametrize(
    ("engine", "precision", "options"),
    [
        ("onnxruntime", "fp32", {"strategy": "frozen"}),
        ("openvino", "bf16", {"strategy": "gradual", "unfreeze_every": 2}),
        ("torch", "fp32", {"strategy": "gradual", "unfreeze_every": 1, "ema": 0.9}),
        ("torch", "fp32", {"strategy": "full", "accumulate": 2, "checkpoint_every": 2}),
    ],
    ids=["frozen", "openvino", "gradual", "full"],
)
def test_a_broken_run_resumed_equals_an_unbroken_one(prepared, tmp_path, engine, precision, options):
    recipe = Recipe.make(size=32, epochs=4, batch_size=4, patience=0, **options)
    choices = Choices(engine, precision, "channels_last")
    whole = _trainer(prepared, tmp_path / "whole", recipe, choices)
    history = whole.fit()
    broken = _trainer(prepared, tmp_path / "broken", recipe, choices, _KillAt(4, 2))
    with pytest.raises(_KilledError):
        broken.fit()
    resumed = _trainer(prepared, tmp_path / "broken", recipe, choices)
    again = resumed.fit(resume=True)
    assert _same(_weights(whole), _weights(resumed))
    assert (tmp_path / "whole/checkpoint/best.safetensors").read_bytes() == (
        tmp_path / "broken/checkpoint/best.safetensors"
    ).read_bytes()
    for key in ("epoch", "stage", "lr", "train", "val"):
        assert [line[key] for line in history] == [line[key] for line in again]


def test_history_has_a_line_an_epoch_with_the_optimisers_rates(prepared, tmp_path):
    recipe = Recipe.make(size=32, epochs=3, batch_size=4, strategy="gradual", unfreeze_every=1, lr=0.01, warmup=0.0)
    trainer = _trainer(prepared, tmp_path / "run", recipe)
    trainer.fit()
    lines = [json.loads(line) for line in (tmp_path / "run/history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    last = f"encoder {trainer.model.encoder.block_names[-1]}"
    assert [line["lr"][last] > 0 for line in lines] == [False, True, True]
    for line in lines[1:]:
        assert line["lr"][last] / line["lr"]["decoder"] == pytest.approx(0.3), "one schedule scales every group"
    assert lines[0]["stage"] == "decoder" and "1 of" in lines[1]["stage"]


def test_training_lowers_the_loss(prepared, tmp_path):
    recipe = Recipe.make(
        size=32, epochs=20, batch_size=4, lr=0.01, augment="none", loss="dice", strategy="scratch", patience=0
    )
    spec = ModelSpec(model="unet", widths=(8, 16, 32), mean=(0.4,) * 3, std=(0.2,) * 3)
    history = _trainer(prepared, tmp_path / "run", recipe, spec=spec).fit()
    assert history[-1]["train"]["loss"] < 0.7 * history[0]["train"]["loss"]
    assert history[-1]["train"]["dice"] > history[0]["train"]["dice"] + 0.1


def test_the_frozen_encoder_does_not_move(prepared, tmp_path):
    recipe = Recipe.make(size=32, epochs=2, batch_size=4, lr=0.01, ema=0.5)
    trainer = _trainer(prepared, tmp_path / "run", recipe)
    before = _weights(trainer)
    trainer.fit()
    for state in (_weights(trainer), trainer.evaluated().state_dict()):
        changed = {name for name in before if not torch.equal(before[name], state[name])}
        assert changed and not any(name.startswith("encoder") for name in changed)


def test_the_average_is_of_weights_and_statistics_with_the_live_count_of_batches(prepared, tmp_path):
    """Two epochs of 14 images are 6 whole batches of 4."""
    recipe = Recipe.make(size=32, epochs=2, batch_size=4, strategy="scratch", ema=0.9)
    spec = ModelSpec(model="unet", widths=(4, 8), mean=(0.4,) * 3, std=(0.2,) * 3)
    trainer = _trainer(prepared, tmp_path / "run", recipe, spec=spec)
    trainer.fit()
    average, live = trainer.evaluated().state_dict(), trainer.model.state_dict()
    counts = [name for name in live if name.endswith("num_batches_tracked")]
    assert {int(average[name]) for name in counts} == {6}
    for name in ("head.weight", "first.1.running_mean"):
        assert not torch.equal(average[name], live[name])


def test_patience_stops_and_the_best_epoch_is_kept(prepared, tmp_path, monkeypatch):
    scores = iter([0.2, 0.6, 0.5, 0.6, 0.1, 0.9])
    recipe = Recipe.make(size=32, epochs=6, batch_size=8, patience=2)
    trainer = _trainer(prepared, tmp_path / "run", recipe)
    kept = []
    monkeypatch.setattr(trainer, "_validate", lambda: {"loss": 0.0, "dice": next(scores)})
    monkeypatch.setattr(trainer.checkpoint, "save_best", lambda state: kept.append(trainer.epoch))
    history = trainer.fit()
    assert len(history) == 4, "epochs 3 and 4 are no better than epoch 2"
    assert kept == [1, 2]


def test_without_validation_images_the_last_weights_are_kept(prepared, tmp_path):
    _, rows = prepared
    recipe = Recipe.make(size=32, epochs=2, batch_size=8)
    trainer = _trainer(prepared, tmp_path / "run", recipe, rows={"train": rows["train"], "val": np.array([], int)})
    history = trainer.fit()
    assert [line["val"] for line in history] == [{}, {}]
    from safetensors.torch import load_file

    assert _same(load_file(tmp_path / "run/checkpoint/best.safetensors"), _weights(trainer))


def test_accumulated_halves_step_like_the_whole_batch(prepared, tmp_path):
    """BatchNorm in eval mode couples no images, so two half batches give the gradient of the whole one."""
    _, rows = prepared
    found = []
    for batch_size, accumulate in ((4, 1), (2, 2)):
        recipe = Recipe.make(size=32, epochs=1, batch_size=batch_size, accumulate=accumulate, augment="none",
                             strategy="full", batch_norm="frozen", clip=0.0)  # fmt: skip
        few = {"train": rows["train"][:4], "val": rows["val"]}
        trainer = _trainer(prepared, tmp_path / f"run{accumulate}", recipe, rows=few)
        for module in trainer.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.train = lambda mode=True: None
                module.training = False
        trainer.fit()
        found.append(_weights(trainer))
    # AdamW's first step is lr * sign(gradient), so compare where the gradient is not lost in rounding.
    for name in found[0]:
        if found[0][name].is_floating_point():
            close = torch.isclose(found[0][name], found[1][name], atol=1e-4).float().mean()
            assert close > 0.99, name
