"""The loop of a head alone: the same training as the general loop's on the same features."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from medgraft import losses
from medgraft.data import Augmenter, PixelStore, open_data
from medgraft.models import ModelSpec, build_model
from medgraft.policy import Augment
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.training import Choices, HeadTrainer, Share, Trainer, monitor_of
from medgraft.transfer import Strategy, TorchEngine, Views, extract

ROWS = {"train": np.r_[0:12, 16:27], "val": np.array([12, 13, 28, 29, 30])}
SPEC = ModelSpec(model="classifier", encoder="resnet18", head="mlp", dropout=0.0)


@pytest.fixture(scope="module")
def store(pairs):
    return PixelStore.open(open_data(pairs), 32)


def _model():
    torch.manual_seed(0)
    return build_model(SPEC)


def _features(store, model, views=2):
    train = ROWS["train"]
    engine = TorchEngine(model.encoder.eval(), 5)
    return extract(store, model.encoder, engine, train, Views(views, Augmenter(Augment(flip_horizontal=1)), 0))


def _both(store, folder, weights=None, **options):
    recipe = Recipe.make(size=32, batch_size=4, strategy="frozen", lr=1e-2, **options)
    general, alone = _model(), _model()
    features, strategy = _features(store, general), Strategy.from_recipe(recipe)
    criterion, monitor = losses.create_label_loss("bce", "binary"), monitor_of("classification", "binary", 0.5)
    folder.mkdir(exist_ok=True)
    trainer = Trainer(
        general, strategy, recipe, Choices("torch", "fp32", "contiguous"), store, ROWS, criterion, monitor,
        Augmenter(recipe.augment), folder, Accelerator(cpu=True), Observer(), features, weights,
    )  # fmt: skip
    trainer.fit()
    head = HeadTrainer(
        alone.head, strategy.apply(alone, weight_decay=recipe.weight_decay), features, torch.from_numpy(store.targets),
        ROWS, recipe, criterion, monitor, Share(0, 1, torch.device("cpu"), weights), Observer(),
    )  # fmt: skip
    head.fit()
    return trainer, head


@pytest.mark.parametrize("options", [
    {"epochs": 4, "patience": 0},
    {"epochs": 3, "patience": 0, "accumulate": 2, "clip": 0.05, "warmup": 0.3},
    {"epochs": 4, "patience": 0, "ema": 0.5},
], ids=["plain", "accumulated and clipped", "averaged"])  # fmt: skip
def test_it_trains_as_the_general_loop_does(store, tmp_path, options):
    trainer, head = _both(store, tmp_path / "run", **options)
    for one, other in zip(trainer.history, head.history, strict=True):
        assert one["lr"] == pytest.approx(other["lr"])
        assert one["train"] == pytest.approx(other["train"], abs=1e-4)
        assert one["val"] == pytest.approx(other["val"], abs=1e-4)
    kept = trainer.checkpoint.folder / "best.safetensors"
    from medgraft.weightfile import load_weights

    for name, tensor in head.head.state_dict().items():
        torch.testing.assert_close(load_weights(kept)[f"head.{name}"], tensor, rtol=1e-3, atol=1e-4)


def test_draws_follow_the_weights(store, tmp_path):
    weights = np.where(np.arange(23) < 12, 0.0, 1.0)
    trainer, head = _both(store, tmp_path / "run", weights, epochs=1)
    assert trainer.history[0]["train"]["loss"] == pytest.approx(head.history[0]["train"]["loss"], abs=1e-4)
    # Images of one class alone are drawn, so there is no AUC.
    assert np.isnan(head.history[0]["train"]["auc"])


def test_patience_ends_it_and_the_best_epoch_is_kept(store, tmp_path, monkeypatch):
    recipe = Recipe.make(size=32, batch_size=4, epochs=9, patience=2, lr=1e-2)
    model = _model()
    trainer = HeadTrainer(
        model.head, Strategy.from_recipe(recipe).apply(model), _features(store, model, 1),
        torch.from_numpy(store.targets), ROWS, recipe, losses.create_label_loss("bce", "binary"),
        monitor_of("classification", "binary", 0.5), Share(0, 1, torch.device("cpu")), Observer(),
    )  # fmt: skip
    scores, states = iter([0.5, 0.7, 0.6, 0.7, 0.9]), []

    def validate(head):
        states.append({name: tensor.clone() for name, tensor in head.state_dict().items()})
        return {"loss": 1.0, "auc": next(scores)}

    monkeypatch.setattr(trainer, "_validate", validate)
    assert len(trainer.fit()) == 4
    assert all(torch.equal(states[1][name], tensor) for name, tensor in model.head.state_dict().items())


def test_torch_gets_its_threads_back(store):
    before = torch.get_num_threads()
    seen = []

    class Looking(Observer):
        def epoch(self, record):
            seen.append(torch.get_num_threads())

    torch.set_num_threads(2)
    try:
        recipe, model = Recipe.make(size=32, batch_size=4, epochs=1), _model()
        HeadTrainer(
            model.head, Strategy.from_recipe(recipe).apply(model), _features(store, model, 1),
            torch.from_numpy(store.targets), ROWS, recipe, losses.create_label_loss("bce", "binary"),
            monitor_of("classification", "binary", 0.5), Share(0, 1, torch.device("cpu")), Looking(),
        ).fit()  # fmt: skip
        assert seen == [1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
