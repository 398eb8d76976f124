"""A recipe: complete, strict, and read back as it was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.errors import RecipeError
from medgraft.policy import POLICIES, Augment
from medgraft.recipe import Recipe


def test_defaults_are_a_whole_recipe():
    options = Recipe.make().options()
    assert set(options) == set(Recipe.option_names())
    assert Recipe.make(**options) == Recipe()


def test_every_option_has_words_for_the_help():
    for name, field in (Recipe.model_fields | Augment.model_fields).items():
        assert field.description, name


def test_what_is_written_is_read_back(tmp_path):
    recipe = Recipe.make(
        size=128, lr=2e-5, mask_values="0=background, 255=lesion", augment="xray", group="patient",
        block_lrs="0,1e-4", ratios="0.8,0.1,0.1", split_file="old/split.csv",
    )  # fmt: skip
    recipe.save(tmp_path / "recipe.yaml")
    assert Recipe.load(tmp_path / "recipe.yaml") == recipe
    assert recipe.group_column == "patient"
    assert recipe.block_lrs == (0.0, 1e-4)


@given(
    size=st.integers(32, 4096),
    lr=st.floats(1e-9, 1),
    seed=st.integers(0, 2**40),
    augment=st.sampled_from(sorted(POLICIES)),
    rates=st.none() | st.lists(st.floats(0, 1), max_size=9),
)
def test_any_recipe_survives_yaml(tmp_path_factory, size, lr, seed, augment, rates):
    recipe = Recipe.make(size=size, lr=lr, seed=seed, augment=augment, block_lrs=rates)
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    recipe.save(path)
    assert Recipe.load(path) == recipe


def test_options_change_a_base_and_leave_the_rest():
    base = Recipe.make(size=64, augment="microscopy")
    changed = Recipe.make(base, lr=0.01, augment={"rotation": 5})
    assert (changed.size, changed.lr) == (64, 0.01)
    assert changed.augment == POLICIES["microscopy"].model_copy(update={"rotation": 5.0})
    assert base.lr == 2e-3


def test_options_change_a_file(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("size: 64\nlr: 1e-4\n")
    assert Recipe.load(path, size=96) == Recipe.make(size=96, lr=1e-4)


def test_an_empty_file_is_the_defaults(tmp_path):
    (tmp_path / "recipe.yaml").write_text("# nothing yet\n")
    assert Recipe.load(tmp_path / "recipe.yaml") == Recipe()


def test_a_policy_can_be_named_or_changed():
    assert Recipe.make(augment="none").augment == Augment()
    changed = Recipe.make(augment={"policy": "xray", "rotation": 3}).augment
    assert changed == POLICIES["xray"].model_copy(update={"rotation": 3.0})


def test_anatomy_limits_the_xray_policy():
    xray = POLICIES["xray"]
    assert (xray.flip_horizontal, xray.flip_vertical, xray.hue, xray.saturation) == (0, 0, 0, 0)
    assert xray.rotation <= 15


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0=background,255=lesion", {"0": "background", "255": "lesion"}),
        ("0-127=background 128-255=lesion", {"0-127": "background", "128-255": "lesion"}),
        ({0: "background", 255: "lesion"}, {"0": "background", "255": "lesion"}),
        (None, None),
    ],
)
def test_mask_values_are_read(value, expected):
    assert Recipe.make(mask_values=value).mask_values == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"szie": 64}, "no option 'szie'.*Did you mean size"),
        ({"size": 16}, "^size: .*32"),
        ({"size": "big"}, "^size: .*integer.*'big'"),
        ({"lr": float("nan")}, "^lr: "),
        ({"strategy": "frozn"}, "^strategy: .*frozen"),
        ({"ratios": (0.5, 0.2, 0.2)}, "ratios: .*add up to 1"),
        ({"ratios": (0.0, 0.5, 0.5)}, "ratios: "),
        ({"ratios": (float("nan"), 0.5, 0.5)}, "ratios: "),
        ({"ratios": "0.5,0.5"}, "ratios"),
        ({"ratios": "a,b,c"}, "ratios"),
        ({"block_lrs": "0.1,-0.1"}, "block_lrs"),
        ({"mask_values": "0,255"}, "mask_values: .*VALUE=NAME"),
        ({"mask_values": "=lesion"}, "mask_values: .*VALUE=NAME"),
        ({"mask_values": ""}, "mask_values: .*VALUE=NAME"),
        ({"mask_values": "0=skin,0=lesion"}, "mask_values: .*two names"),
        ({"augment": "dermatoscopy"}, "augment: no policy 'dermatoscopy'.*dermoscopy"),
        ({"augment": {"policy": ["xray"]}}, "augment: no policy"),
        ({"augment": {"rotaton": 3}}, "augment.rotaton: no such option.*rotation"),
        ({"augment": {"hue": 2}}, "augment.hue"),
        ({"model": "unet"}, "strategy: 'frozen' needs an encoder"),
        ({"strategy": "scratch", "weights": "a.safetensors"}, "weights: "),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(options, words):
    with pytest.raises(RecipeError, match=words) as caught:
        Recipe.make(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["size: [", "- size\n- lr", "size: 16", "sizes: 64"])
def test_a_bad_file_is_named(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"mine\.yaml") as caught:
        Recipe.load(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"mine\.yaml"):
        Recipe.load(tmp_path / "mine.yaml")


def test_a_bad_option_is_not_blamed_on_a_good_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("size: 64")
    with pytest.raises(RecipeError, match=r"^lr: "):
        Recipe.load(path, lr=5)


def test_a_recipe_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match="frozen"):
        Recipe().size = 64
