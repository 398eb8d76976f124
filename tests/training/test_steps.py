"""The steps of a training by numbers: gradients, rates, scores and checkpoints, with losses whose values are known."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from medgraft import losses
from medgraft.data import Augmenter, PixelStore, open_data
from medgraft.models import ModelSpec, build_model
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.training import Choices, Trainer, monitor_of
from medgraft.transfer import Strategy


@pytest.fixture(scope="module")
def store(ellipses):
    return PixelStore.open(open_data(ellipses), 32)


def _trainer(store, folder, train=6, val=3, precision="fp32", **options):
    """A tiny U-Net on the first images: by default 3 batches of 2 to learn from, and 3 images to score."""
    recipe = Recipe.make(**({"size": 32, "batch_size": 2, "strategy": "scratch", "augment": "none"} | options))
    torch.manual_seed(0)
    model = build_model(ModelSpec(model="unet", widths=(4, 8), mean=(0.4,) * 3, std=(0.2,) * 3))
    folder.mkdir(exist_ok=True)
    return Trainer(
        model, Strategy.from_recipe(recipe), recipe, Choices("torch", precision, "contiguous"), store,
        {"train": np.arange(train), "val": np.arange(train, train + val)}, losses.create("dice"),
        monitor_of("segmentation", "binary", recipe.threshold), Augmenter(recipe.augment), folder,
        Accelerator(cpu=True), Observer(),
    )  # fmt: skip


def _at_each_step(trainer, look):
    """What ``look`` finds whenever the optimiser is about to move the weights."""
    found, step = [], trainer.optimiser.step

    def looked(*given, **named):
        found.append(look())
        return step(*given, **named)

    trainer.optimiser.step = looked
    return found


def _mean_logit(logits, masks):
    """Its gradient for the bias of the head is 1, whatever the batch."""
    return logits.mean()


def test_a_step_takes_the_mean_over_its_batches_also_where_the_last_has_fewer(store, tmp_path):
    trainer = _trainer(store, tmp_path, epochs=1, accumulate=2, clip=0.0)
    trainer.criterion = _mean_logit
    gradients = _at_each_step(trainer, lambda: trainer.model.head.bias.grad.item())
    trainer.fit()
    assert gradients == pytest.approx([1.0, 1.0]), "batches 1 and 2, then batch 3 alone"


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize(("clip", "norm"), [(0.125, 0.125), (0.0, 0.25)])
def test_the_gradient_is_clipped_by_its_norm_unless_clip_is_0(store, tmp_path, precision, clip, norm):
    """Of a constant gradient AdamW's running mean is 1 - 0.9 ** 3 = 0.271 after 3 steps; float16 scales in between."""
    trainer = _trainer(store, tmp_path, precision=precision, epochs=1, clip=clip)
    bias = trainer.model.head.bias
    for parameter in trainer.model.parameters():
        parameter.requires_grad_(parameter is bias)
    trainer.criterion = lambda logits, masks: logits.float().mean() / 4
    trainer.fit()
    assert trainer.optimiser.state[bias]["exp_avg"].item() == pytest.approx(0.271 * norm, rel=1e-3)


def test_every_epoch_has_each_image_once_in_an_order_of_its_own(store, tmp_path):
    trainer = _trainer(store, tmp_path, val=0, epochs=2, batch_size=1)
    seen = []

    def remember(logits, masks):
        seen.append(int(masks.sum()))
        return logits.mean()

    trainer.criterion = remember
    trainer.fit()
    first, second = seen[:6], seen[6:]
    assert sorted(first) == sorted(second) and first != second


def test_the_rate_follows_the_schedule_over_the_steps_of_all_epochs(store, tmp_path):
    """2 epochs of 2 steps (3 batches, 2 a step): 2 steps rise, 2 go down a half cosine from 1 by way of 1/2."""
    trainer = _trainer(store, tmp_path, epochs=2, accumulate=2, warmup=0.5, lr=0.1)
    rates = _at_each_step(trainer, lambda: trainer.optimiser.param_groups[0]["lr"])
    trainer.fit()
    assert rates == pytest.approx([0.05, 0.1, 0.1, 0.05])


def test_the_recipes_weight_decay_reaches_the_optimiser(store, tmp_path):
    groups = _trainer(store, tmp_path, weight_decay=0.3).optimiser.param_groups
    assert {group["weight_decay"] for group in groups} == {0.3, 0.0}


def _same_logit_everywhere(module, logit):
    torch.nn.init.zeros_(module.head.weight)
    torch.nn.init.constant_(module.head.bias, logit)


@pytest.mark.parametrize(("threshold", "foreground"), [(0.4, True), (0.6, False)])
def test_the_recipes_threshold_decides_the_dice_of_training_and_validation(store, tmp_path, threshold, foreground):
    """Every pixel has probability 1/2: all are foreground, with Dice 2m / (m + n) for m true of n pixels, or none."""
    trainer = _trainer(store, tmp_path, epochs=1, lr=1e-9, threshold=threshold)
    _same_logit_everywhere(trainer.model, 0.0)
    (line,) = trainer.fit()
    true = (store.masks[:9] > 0).reshape(9, -1).mean(axis=1)
    dice = 2 * true / (true + 1) if foreground else np.zeros(9)
    assert line["train"]["dice"] == pytest.approx(dice[:6].mean(), abs=1e-6)
    assert line["val"]["dice"] == pytest.approx(dice[6:].mean(), abs=1e-6)


def test_validation_is_a_mean_over_images_where_batches_are_unequal(store, tmp_path):
    trainer = _trainer(store, tmp_path)
    trainer.criterion = lambda logits, masks: torch.tensor(float(len(masks)))
    trainer._enter_stage()
    assert trainer._validate()["loss"] == pytest.approx((2 + 2 + 1) / 3)


def test_the_average_is_what_is_scored_and_kept(store, tmp_path):
    trainer = _trainer(store, tmp_path, epochs=1, ema=0.9)
    trainer.fit()
    kept, live = load_file(tmp_path / "checkpoint/best.safetensors"), trainer.model.state_dict()
    assert torch.equal(kept["head.weight"], trainer.evaluated().state_dict()["head.weight"])
    assert not torch.equal(kept["head.weight"], live["head.weight"])
    _same_logit_everywhere(trainer.model, 9.0)
    _same_logit_everywhere(trainer.evaluated(), -9.0)
    trainer._enter_stage()
    assert trainer._validate()["dice"] == 0.0


def _with_scores(trainer, monkeypatch, *scores):
    left = iter(scores)
    monkeypatch.setattr(trainer, "_validate", lambda: {"loss": 0.0, "dice": next(left)})
    return trainer


def test_a_first_score_of_0_is_kept(store, tmp_path, monkeypatch):
    trainer = _with_scores(_trainer(store, tmp_path, epochs=2), monkeypatch, 0.0, 0.0)
    kept = []
    monkeypatch.setattr(trainer.checkpoint, "save_best", lambda state: kept.append(trainer.epoch))
    trainer.fit()
    assert kept == [1]


def test_a_better_score_gives_patience_anew(store, tmp_path, monkeypatch):
    trainer = _trainer(store, tmp_path, epochs=9, patience=2)
    history = _with_scores(trainer, monkeypatch, 0.5, 0.4, 0.6, 0.5, 0.5, 0.9).fit()
    assert len(history) == 5


def test_patience_of_0_never_stops(store, tmp_path, monkeypatch):
    trainer = _trainer(store, tmp_path, epochs=4, patience=0)
    assert len(_with_scores(trainer, monkeypatch, 0.5, 0.4, 0.3, 0.2).fit()) == 4


def test_patience_that_was_spent_is_not_given_back_on_resume(store, tmp_path, monkeypatch):
    first = _with_scores(_trainer(store, tmp_path, epochs=9, patience=2), monkeypatch, 0.6, 0.5)
    with pytest.raises(StopIteration):
        first.fit()
    again = _with_scores(_trainer(store, tmp_path, epochs=9, patience=2), monkeypatch, 0.55, 0.9)
    assert [line["val"]["dice"] for line in again.fit(resume=True)] == [0.6, 0.5, 0.55]


@pytest.mark.parametrize(("patience", "saved"), [(0, [2, 4, 5]), (2, [2, 3])])
def test_checkpoints_are_written_every_so_many_epochs_and_at_the_end(store, tmp_path, monkeypatch, patience, saved):
    trainer = _trainer(store, tmp_path, epochs=5, checkpoint_every=2, patience=patience)
    written = []
    monkeypatch.setattr(trainer.checkpoint, "save_state", lambda state: written.append(state["epoch"]))
    _with_scores(trainer, monkeypatch, 0.5, 0.4, 0.3, 0.2, 0.1).fit()
    assert written == saved
