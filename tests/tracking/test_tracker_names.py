"""What is told of a run, by which names, and which trackers there are."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from medgraft.cli.main import main
from medgraft.errors import RecipeError
from medgraft.recipe import Recipe
from medgraft.tracking import TRACKERS, config_of, figures_of, nameless_options, names, require_trackers


def test_figures_have_the_names_of_the_history():
    line = {
        "epoch": 2, "seconds": 1.5, "stage": "head", "lr": {"decoder": 1e-3, "block 3": 0.0},
        "train": {"loss": 0.5}, "val": {"loss": 0.25, "dice": math.nan}, "chosen": True, "penalty": None,
    }  # fmt: skip
    assert figures_of(line) == {
        "epoch": 2, "seconds": 1.5, "lr/decoder": 1e-3, "lr/block_3": 0.0, "train/loss": 0.5, "val/loss": 0.25,
        "chosen": True,
    }  # fmt: skip


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_any_class_name_becomes_a_name_that_mlflow_takes(found):
    for name in figures_of({"scores": {"test": found}}):
        _validate_metric_name(name)


def test_every_option_is_told_as_one_value():
    options = Recipe.make(block_lrs="0,1e-4", mask_values="0=ground,255=lesion", track="mlflow").options()
    config = config_of(options)
    told = {name.partition(".")[0] for name in config}
    assert told == set(Recipe.option_names())
    assert not any(isinstance(value, dict | list | tuple) for value in config.values())
    assert (config["block_lrs"], config["mask_values"]) == ("0.0,0.0001", "0=ground,255=lesion")
    assert config["augment.rotation"] == options["augment"]["rotation"] and config["weights"] is None


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ("/elsewhere/lovelace/patient 7/best.safetensors", "best.safetensors"),
        (r"D:\lovelace\best.safetensors", "best.safetensors"),
        ("medical:radimagenet@/elsewhere/lovelace/resnet50.pt", "medical:radimagenet@resnet50.pt"),
        ("medical:radimagenet", "medical:radimagenet"),
        ("hf-hub:timm/vit_base", "hf-hub:timm/vit_base"),
    ],
)
def test_folders_are_not_told(weights, told):
    recipe = Recipe.make(weights=weights, exclude="/data/lovelace/out.csv", split_file="/data/lovelace/split.csv")
    found = nameless_options(recipe.options())
    assert (found["weights"], found["exclude"], found["split_file"]) == (told, "out.csv", "split.csv")
    assert "lovelace" not in str(config_of(recipe.options()))


def test_trackers_are_read_from_text_once_each():
    assert Recipe.make(track=" mlflow, tensorboard,mlflow").track == ("mlflow", "tensorboard")
    assert Recipe.make(track=["wandb"]).track == ("wandb",)
    assert Recipe.make().track == () == Recipe.make(track="").track


def test_an_unknown_tracker_is_refused_with_the_nearest():
    with pytest.raises(RecipeError, match=r"track: no tracker 'tensorbord'.*Did you mean tensorboard\?"):
        Recipe.make(track="mlflow,tensorbord")
    with pytest.raises(RecipeError, match="track"):
        Recipe.make(track=3)


def test_the_command_line_refuses_it_too(ellipses, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", str(ellipses), "--track", "mlfow"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: track: no tracker 'mlfow'") and "Did you mean mlflow?" in said.err
    assert "Traceback" not in said.err and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_said_before_training_begins(name, ellipses, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(names, "find_spec", lambda wanted: None)
    assert (
        main(["fit", str(ellipses), "--model", "unet", "--strategy", "scratch", "--size", "40", "--track", name]) == 2
    )
    said = capsys.readouterr()
    assert f"pip install 'medgraft[{name}]'" in said.err and "Traceback" not in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_a_tool_left_is_not_the_tool(tmp_path, monkeypatch):
    (tmp_path / "wandb_of_no_package").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RecipeError, match="not installed"):
        require_trackers(["wandb_of_no_package"])


def test_names_that_differ_in_signs_alone_stay_apart():
    """One that is undefined in an epoch keeps its name for the next."""
    assert figures_of({"auc": {"T1 left": 0.5, "T1/left": 0.75}}) == {"auc/T1_left": 0.5, "auc/T1_left_2": 0.75}
    assert figures_of({"a b": {"n": 1}, "a+b": {"n": 2}, "a_b_2": 3}) == {"a_b/n": 1, "a_b_2/n": 2, "a_b_2_2": 3}
    assert figures_of({"a b": None, "a+b": 2}) == {"a_b_2": 2}
