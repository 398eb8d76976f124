"""The decision table: every size has a row, more patients never mean fewer learning blocks, rules move as they say."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from medgraft.advice import Curve, Facts, Machine, read_table, recommend
from medgraft.advice.decide import decide, within
from medgraft.cli.advise import text
from medgraft.scores import Interval

TABLE = read_table()
XRAYS = Facts(
    task="classification",
    images=600,
    patients=458,
    blocks=9,
    distance=Interval(0.28, 0.27, 0.29, 512),
    word="far",
    probe=Interval(0.877, 0.844, 0.905, 600),
    gain=Interval(0.05, 0.02, 0.08, 600),
    curve=Curve(210, 420, Interval(0.02, 0.005, 0.035, 600), "helps"),
    rarest=0.5,
    side=419,
    grey=True,
    machine=Machine("cpu", 2, 24.0),
    minutes={"frozen": 0.2, "partial": 2.0, "deep": 4.0, "full": 8.0, "scratch": 10.0},
)


@pytest.mark.parametrize(("patients", "word", "step"), [
    (50, "near", "frozen"),
    (999, "near", "frozen"),
    (999, "far", "partial"),
    (999, "moderate", "partial"),
    (1000, "near", "partial"),
    (49_999, "near", "partial"),
    (1000, "far", "deep"),
    (50_000, "near", "full"),
    (50_000, "far", "full"),
    (499_999, "far", "full"),
    (500_000, "far", "scratch"),
    (500_000, "moderate", "full"),
    (500_000, None, "full"),
    (500_000, "near", "full"),
])  # fmt: skip
def test_rows_are_those_of_the_published_table(patients, word, step):
    assert recommend(replace(XRAYS, patients=patients, word=word)).step == step


@given(st.integers(0, 2_000_000), st.booleans())
def test_every_size_has_a_row(patients, similar):
    assert TABLE.row(patients, similar).step in TABLE.steps


@given(st.integers(0, 1_000_000), st.integers(0, 1_000_000), st.sampled_from(["near", "moderate", "far"]))
def test_more_patients_never_go_back_along_the_steps(one, other, word):
    few, many = (decide(replace(XRAYS, patients=n, word=word), TABLE).step for n in sorted((one, other)))
    assert TABLE.beyond(many, few)


def test_images_count_where_patients_are_unknown():
    advice = recommend(replace(XRAYS, patients=None, images=1200))
    assert advice.step == "deep"
    assert "1,200 images (patients unknown" in advice.reasons[0].sentence


def test_the_step_deep_frees_half_of_the_blocks_at_a_lower_rate():
    options = recommend(replace(XRAYS, patients=5000)).options
    assert (options["strategy"], options["blocks"], options["encoder_lr"]) == ("partial", 4, 3e-5)


def test_masks_go_at_least_to_full():
    assert recommend(replace(XRAYS, task="segmentation")).step == "full"
    assert recommend(replace(XRAYS, task="segmentation", patients=600_000)).step == "scratch"


def test_a_solved_task_stays_with_fixed_features():
    solved = replace(XRAYS, probe=Interval(0.995, 0.985, 1.0, 600))
    assert recommend(solved).step == "frozen"
    assert recommend(replace(solved, probe=Interval(0.995, 0.979, 1.0, 600))).step == "partial"
    # Both kinds of features separate the classes: nothing shows that either has to be learnt anew.
    assert recommend(replace(solved, gain=Interval(0.001, -0.001, 0.003, 600))).step == "frozen"
    # A mask's cells are told apart without any outline.
    assert recommend(replace(solved, task="segmentation")).step == "full"


def test_features_hardly_better_than_random_ones_go_to_full():
    nothing = replace(XRAYS, gain=Interval(0.005, -0.01, 0.019, 600))
    advice = recommend(nothing)
    assert advice.step == "full"
    assert any("chance may explain it" in reason.sentence for reason in advice.reasons)
    # Where the interval is wide nothing is shown, and the table stands.
    assert recommend(replace(XRAYS, gain=Interval(0.005, -0.1, 0.11, 30))).step == "partial"


def test_without_a_distance_images_are_taken_as_different_and_that_is_said():
    advice = recommend(replace(XRAYS, distance=None, word=None))
    assert advice.step == "partial"
    assert any("not known" in reason.sentence and reason.source == "assumed" for reason in advice.reasons)


@given(st.floats(0.01, 20), st.sampled_from(list(TABLE.steps)))
def test_a_budget_is_kept_unless_nothing_fits_it(budget, step):
    found = within(XRAYS.minutes, step, budget, TABLE)
    assert TABLE.beyond(step, found)
    assert XRAYS.minutes[found] <= budget or found == "frozen"


def test_a_budget_that_bites_is_a_reason():
    advice = recommend(replace(XRAYS, patients=60_000), budget=5)
    assert advice.step == "deep" and advice.minutes == 4.0
    assert any(
        reason.sentence == "full would take about 8 min, and 5 min are allowed: deep" for reason in advice.reasons
    )


@pytest.mark.parametrize(("side", "task", "size"), [
    (28, "classification", 64), (70, "classification", 96), (224, "classification", 224), (500, "classification", 224),
    (225, "segmentation", 256), (128, "segmentation", 128),
])  # fmt: skip
def test_size_is_that_of_small_images(side, task, size):
    assert recommend(replace(XRAYS, side=side, task=task)).options["size"] == size


def test_what_would_change_the_advice():
    assert recommend(XRAYS).changes == (
        "deep above 1,000 patients",
        "frozen if the images were near to what the encoder was pretrained on",
        "full if pretrained features were hardly better than random ones",
    )
    assert recommend(replace(XRAYS, patients=2000)).changes[:2] == (
        "full above 50,000 patients",
        "partial below 1,000 patients",
    )


def test_rare_classes_are_weighted_up():
    assert recommend(replace(XRAYS, rarest=0.09)).options["imbalance"] == "class_weights"
    assert "imbalance" not in recommend(XRAYS).options


def test_a_strategy_that_is_asked_for_brings_its_own_options():
    masks = replace(XRAYS, task="segmentation", patients=5000, gain=Interval(0.2, 0.1, 0.3, 600))
    asked = recommend(masks).keeping({"strategy": "frozen"})
    assert recommend(masks).step == "full"
    assert asked.options == {"strategy": "frozen", "lr": 0.002, "size": 256, "augment": "xray"}
    assert (asked.step, asked.minutes, asked.changes) == ("frozen", 0.2, ())
    said = [reason.sentence for reason in asked.reasons]
    assert "strategy frozen, as asked for" in said and not any("BatchNorm" in sentence for sentence in said)
    # One that is no step of the table was not timed either.
    affine = recommend(masks).keeping({"strategy": "bn_affine", "lr": 0.01})
    assert affine.minutes is None and affine.headline.startswith("bn_affine, learning rates 0.01 and")
    assert affine.options["batch_norm"] == "train"


def test_nothing_is_said_of_an_option_that_was_asked_for_but_that():
    policy = {"flip_horizontal": 0.0, "hue": 0.1}
    asked = recommend(XRAYS).keeping({"size": 64, "augment": policy, "batch_norm": "adapt"})
    said = [reason.sentence for reason in asked.reasons]
    assert said[-3:] == ["size 64, as asked for", "augment as asked for", "batch_norm adapt, as asked for"]
    assert not any("short side" in each or "all images are grey" in each or "statistics" in each for each in said)
    assert asked.headline.startswith("partial (last 2 of 9 blocks)") and "augmentation as asked for" in asked.headline


def test_what_is_undefined_is_none_and_so_is_json():
    nothing = float("nan")
    plain = recommend(replace(XRAYS, distance=Interval(0.28, nothing, nothing, 5))).to_dict()
    assert plain["facts"]["distance"] == {"value": 0.28, "low": None, "high": None, "n": 5, "level": 0.95}
    json.dumps(plain, allow_nan=False)


def test_a_name_of_several_lines_stays_a_comment():
    advice = recommend(XRAYS)
    printed = text(advice, advice.options, Path("a\nstrategy: scratch"))
    assert yaml.safe_load(printed) == advice.options
