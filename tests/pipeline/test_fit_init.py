"""Runs that start from something else than weights, or learn from fewer images: fitted, resumed and opened again."""

import json

import pytest
import timm
import torch
from safetensors.torch import save_file

from medgraft import Run, fit
from medgraft.data import PixelStore, save_split
from medgraft.errors import DataError, RecipeError
from medgraft.pipeline import crossval, one_run
from medgraft.pipeline.prepare import complete, open_for, prepare
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.transfer.initial_state import initial_state

QUICK = {
    "encoder": "test_resnet", "strategy": "full", "size": 64, "epochs": 1, "batch_size": 8, "bootstrap": 100,
    "patience": 0, "engine": "torch", "precision": "fp32", "memory_format": "contiguous", "widths": (8, 8, 8, 8, 8),
}  # fmt: skip


class Heard(Observer):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of weights whose norms are not at their defaults, as learnt ones are."""
    file = tmp_path_factory.mktemp("weights") / "learnt.safetensors"
    torch.manual_seed(0)
    state = timm.create_model("test_resnet").state_dict()
    save_file({key: value + 0.25 if "running" in key else value for key, value in state.items()}, file)
    return file


@pytest.fixture
def no_report(monkeypatch):
    """Drawing its charts takes longer than these trainings."""
    monkeypatch.setattr(one_run, "run_report", lambda folder, *_: folder / "report.html")


def fitted(data, out, weights, **options):
    heard = Heard()
    run = fit(data, out=out, observer=heard, **(QUICK | {"weights": str(weights)} | options))
    return run, "\n".join(heard.lines)


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("init", ["WT", "ST", "RI", "WT-ST-2", "slim-2"])
def test_a_run_starts_from_it_says_so_and_opens_again(pairs, tmp_path, weights, init):
    run, said = fitted(pairs, tmp_path / "run", weights, init=init, channels=1)
    info = run.model_info
    assert info["initialisation"]["name"] == init and (info["weights"] is None) == (init == "RI")
    assert f"init {init}: " in said if init not in ("WT", "RI") else "init" not in said
    assert ("random weights" in said) == (init == "RI")
    state = initial_state(run)
    trained = Run(run.folder).label_predictor.model.encoder.state_dict()
    assert state.keys() == trained.keys()
    moved = [
        name for name, tensor in state.items() if tensor.dtype.is_floating_point and not tensor.equal(trained[name])
    ]
    assert len(moved) > 20 and all(
        (state[name] - trained[name]).abs().max() < 1 for name in moved if "running" not in name
    )
    assert Run(run.folder).predict(run.predictions["image"][0]).label in ("cross", "disc")


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("init", ["mean_var", "slim-3"])
def test_masks_too(ellipses, tmp_path, weights, init):
    run, _ = fitted(ellipses, tmp_path / "run", weights, init=init)
    assert run.model_info["initialisation"]["name"] == init
    assert Run(run.folder).predict(run.predictions["image"][0]).mask.shape == (48, 64)
    assert initial_state(run).keys() == run.predictor.model.encoder.state_dict().keys()


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize("init", ["ST", "slim-2"])
def test_stopped_and_resumed_equals_unbroken(pairs, tmp_path, weights, init):
    options = {"init": init, "epochs": 2, "train_images": 12}
    whole, _ = fitted(pairs, tmp_path / "whole", weights, **options)

    class Killed(Observer):
        def epoch(self, record):
            if record["epoch"] == 1:
                raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        fit(pairs, out=tmp_path / "broken", observer=Killed(), **(QUICK | {"weights": str(weights)} | options))
    resumed = fit(pairs, out=tmp_path / "broken", resume=True, observer=Observer())
    files = [run.folder / "model.safetensors" for run in (whole, resumed)]
    assert files[0].read_bytes() == files[1].read_bytes()
    for run in (whole, resumed):
        data = run.environment["data"]
        assert data["splits"]["train"] == 12 and data["unused"] == 32 - sum(data["splits"].values()) > 0
        assert data["images"] == sum(data["splits"].values()) and sum(data["labels"]["train"].values()) == 12
        assert any(note.startswith("learns from 12 of ") for note in data["notes"])


def prepared(data, **options):
    recipe = Recipe.make(size=64, **options)
    manifest = open_for(data, recipe)
    return prepare(manifest, complete(recipe, manifest), Observer())


def test_fewer_images_share_the_store_and_keep_val_and_test(pairs):
    found = {n: prepared(pairs, train_images=n) for n in (None, 6, 12)}
    assert len({ready.store.path for ready in found.values()}) == 1
    few, more, whole = (set(found[n].rows["train"]) for n in (6, 12, None))
    assert few < more < whole and (len(few), len(more)) == (6, 12)
    for n in (6, 12):
        assert all((found[n].rows[split] == found[None].rows[split]).all() for split in ("val", "test"))
        assert f"learns from {n} of 22 training images (seed 0); the others are unused" in found[n].manifest.notes
        assert found[n].mean != found[None].mean, "statistics are of the images that are learnt from"
    assert not any("learns from" in note for note in found[None].manifest.notes)


def test_the_split_file_of_a_study_serves_every_number(pairs, tmp_path):
    """One split for all cells; what a cell leaves out is its own matter."""
    whole = prepared(pairs, seed=3)
    save_split(whole.manifest, tmp_path / "split.csv")
    cell = prepared(pairs, seed=8, train_images=9, split_file=str(tmp_path / "split.csv"))
    before, after = (ready.manifest.table["split"] for ready in (whole, cell))
    assert (after == "train").sum() == 9 and before[after == "train"].eq("train").all()
    assert before[after != "unused"].equals(after[after != "unused"])


def test_the_report_and_the_card_say_what_it_started_from(pairs, tmp_path, weights):
    run, _ = fitted(pairs, tmp_path / "run", weights, init="ST", train_images=10)
    page = (run.folder / "report.html").read_text()
    assert "ST: statistics of the weights alone" in page and "learns from 10 of 22 training images" in page
    assert "- Start: ST, statistics of the weights alone" in (run.folder / "README.md").read_text()
    assert "unused" not in json.dumps(json.loads((run.folder / "scores.json").read_text()))


@pytest.mark.usefixtures("no_report")
def test_a_cross_validation_counts_every_image_and_each_fold_its_own(pairs, tmp_path, weights, monkeypatch):
    monkeypatch.setattr(crossval, "run_report", lambda folder, *_: folder / "report.html")
    run, said = fitted(pairs, tmp_path / "cv", weights, strategy="frozen", init="ST", train_images=10, folds=2)
    assert run.environment["data"]["images"] == 32 and "unused" not in run.environment["data"]
    for fold in run.folds:
        data = fold.environment["data"]
        assert data["splits"]["train"] == 10 and data["splits"]["test"] == 16
        assert data["images"] + data["unused"] == 32
    assert "norms that were reset have no statistics yet" in said


def test_too_many_images_are_refused_before_a_folder_is_made(pairs, tmp_path, weights):
    with pytest.raises(DataError, match="train_images: 23 training images asked for, and there are 22; ask for fewer"):
        fitted(pairs, tmp_path / "run", weights, train_images=23)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"init": "XY"}, "^init: there are WT, ST, RI, mean_var"),
        ({"init": "ST", "strategy": "scratch"}, "init: strategy scratch starts from random weights and not from ST"),
        ({"init": "WT", "strategy": "scratch"}, "init: strategy scratch"),
        ({"init": "ST", "strategy": "auto"}, "strategy: what auto advises is measured with pretrained weights"),
        ({"init": "ST", "batch_norm": "frozen"}, "batch_norm: frozen keeps the statistics of pretrained weights"),
        ({"train_images": 1}, "^train_images: "),
    ],
)
def test_what_is_at_odds_is_refused_in_one_sentence(options, words):
    with pytest.raises(RecipeError, match=words) as caught:
        Recipe.make(**options)
    assert "\n" not in str(caught.value)


def test_what_agrees_is_taken():
    assert str(Recipe.make(init="RI", strategy="scratch").initialisation) == "RI"
    assert str(Recipe.make(strategy="scratch").initialisation) == "RI"
    assert str(Recipe.make().initialisation) == "WT" == str(Recipe.make(init="wt").init)
    assert str(Recipe.make(init="wt-st-2", batch_norm="adapt").initialisation) == "WT-ST-2"
    changed = Recipe.make(Recipe.make(strategy="scratch"), strategy="full")
    assert changed.initialisation.kind == "WT", "what comes with a strategy goes with it"


@pytest.mark.parametrize("init", ["WT-ST-6", "slim-5"])
def test_more_blocks_than_there_are_is_said_before_an_image_is_decoded(pairs, tmp_path, weights, init, monkeypatch):
    monkeypatch.setattr(PixelStore, "open", None)
    with pytest.raises(RecipeError, match=f"init: {init} .*stem, layer1, layer2, layer3, layer4"):
        fitted(pairs, tmp_path / "run", weights, init=init)
    assert not (tmp_path / "run").exists()
