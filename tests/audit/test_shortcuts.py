"""Shortcuts: found where the label goes with the file, the frame or the writing, and not where it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from medgraft.audit.facts import LAYOUT, Scan
from medgraft.audit.guessing import PENALTY, area_draws, area_within, deal_folds, guesses, permuted
from medgraft.audit.hashing import WORDS
from medgraft.audit.shortcuts import FEWEST, Shortcut, _holm, find_shortcuts
from medgraft.audit.text_regions import FEATURES
from medgraft.audit.traits import FAMILIES, traits
from medgraft.ranking import auc

ARRAYS = ("hashes", "layouts", "edges", "text", "means", "stds", "levels")


def scanned(count: int, rng: np.random.Generator) -> Scan:
    """Images whose every trait is chance."""
    height, width = rng.integers(200, 260, (2, count))
    images = pd.DataFrame(
        {
            "error": "",
            "format": rng.choice(["PNG", "JPEG"], count),
            "bytes": rng.integers(20_000, 60_000, count),
            "height": height,
            "width": width,
            "channels": 1,
            "bits": 8,
            "grey": True,
        }
    )
    arrays = {
        "hashes": np.zeros((count, WORDS), np.uint64),
        "layouts": rng.integers(0, 256, (count, LAYOUT * LAYOUT), dtype=np.uint8),
        "edges": rng.random((count, 12)).astype(np.float32),
        "text": (rng.random((count, FEATURES)) * (rng.random((count, 1)) < 0.3)).astype(np.float32),
        "means": rng.random((count, 3)).astype(np.float32),
        "stds": rng.random((count, 3)).astype(np.float32),
        "levels": rng.random((count, 5)).astype(np.float32),
    }
    return Scan(images=images, masks=None, **arrays)


def alarms(found: list[Shortcut]) -> set[str]:
    return {shortcut.family for shortcut in found if shortcut.beyond_chance}


def with_shortcut(scan: Scan, family: str, labels: npt.NDArray[np.int64], rng: np.random.Generator) -> Scan:
    """The scan with something of one family that goes with the label, in most images."""
    told = np.where(rng.random(len(labels)) < 0.85, labels, 1 - labels)
    images = scan.images.copy()
    if family == "file size":
        images["bytes"] += told * 40_000
    elif family == "dimensions":
        images["width"] += told * 40
        images["bytes"] = (images["height"] * images["width"] * 0.7 * rng.uniform(0.5, 2, len(labels))).astype(int)
    elif family == "format":
        images["format"] = np.where(told == 1, "PNG", "TIFF")
    elif family == "border pixels":
        return replace(scan, edges=scan.edges + np.float32(0.7) * told[:, None].astype(np.float32))
    elif family == "coarse layout":
        layouts = scan.layouts.copy()
        layouts[:, 10] = np.where(told == 1, 230, 30)
        return replace(scan, layouts=layouts)
    else:
        text = scan.text.copy()
        text[told == 1, 0] += 1
        text[told == 1, 5] += 0.4
        return replace(scan, text=text)
    return replace(scan, images=images)


def test_every_kind_of_shortcut_is_found_and_told_from_the_others() -> None:
    others = 0
    for number, family in enumerate(FAMILIES):
        rng = np.random.default_rng(number)
        labels = rng.integers(0, 2, 160)
        found = find_shortcuts(with_shortcut(scanned(160, rng), family, labels, rng), labels, ("no", "yes"))
        assert [shortcut.family for shortcut in found] == list(FAMILIES)
        told = found[number]
        assert told.beyond_chance and told.p == 1 / 200, family
        assert 0.65 < told.auc.low < told.auc.value < told.auc.high <= 1 and told.auc.n == 160
        others += len(alarms(found) - {family, "file size"})  # bytes a pixel tell of the picture's size too
    assert others <= 2  # where one family is rightly named, the others have one chance in twenty together


def test_random_labels_raise_an_alarm_in_one_of_twenty_sets_at_most() -> None:
    """Of 60 sets with nothing in them more than 6 alarms would come once in 200 times at 5 in 100."""
    alarmed = 0
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        scan = scanned(60, rng)
        alarmed += bool(alarms(find_shortcuts(scan, rng.integers(0, 2, 60), ("no", "yes"), seed=seed)))
    assert alarmed <= 6


def test_a_patient_who_is_recognised_is_no_shortcut() -> None:
    """Every patient has an own size and border; labels are the patients', drawn at random."""
    alarmed, by_image = 0, 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        patients = np.repeat(np.arange(40), 5)
        own = scanned(40, rng)
        scan = replace(
            own,
            images=own.images.iloc[patients].reset_index(drop=True),
            **{
                name: getattr(own, name)[patients]
                for name in ("hashes", "layouts", "edges", "text", "means", "stds", "levels")
            },
        )
        labels = rng.integers(0, 2, 40)[patients]
        alarmed += bool(alarms(find_shortcuts(scan, labels, ("no", "yes"), patients)))
        by_image += bool(alarms(find_shortcuts(scan, labels, ("no", "yes"))))
    assert by_image == 8  # what a judgement by image would have said
    assert alarmed <= 1


def test_several_classes_and_several_labels() -> None:
    rng = np.random.default_rng(3)
    classes = rng.integers(0, 3, 240)
    scan = scanned(240, rng)
    edges = scan.edges.copy()
    edges[:, 4] += (classes == 2) * np.float32(1.5)
    scan = replace(scan, edges=edges)
    found = {s.family: s for s in find_shortcuts(scan, classes, ("a", "b", "c"))}
    assert found["border pixels"].beyond_chance and found["border pixels"].auc.value > 0.6
    several = np.stack([classes == 2, rng.random(240) < 0.4, np.zeros(240)], axis=1).astype(np.uint8)
    found = {s.family: s for s in find_shortcuts(scan, several, ("c", "d", "never"))}
    assert found["border pixels"].beyond_chance and not found["border pixels"].reason


def test_too_few_are_not_judged() -> None:
    rng = np.random.default_rng(4)
    scan = scanned(30, rng)
    labels = np.array([1] * (FEWEST - 1) + [0] * (31 - FEWEST))
    found = find_shortcuts(scan, labels, ("no", "yes"))
    assert all("fewer than 10 images" in s.reason and not s.beyond_chance and np.isnan(s.p) for s in found)
    patients = np.repeat(np.arange(10), 3)
    found = find_shortcuts(scan, (patients < 5).astype(int), ("no", "yes"), patients)
    assert "groups (patients)" in found[0].reason


def test_nothing_readable_is_not_judged() -> None:
    scan = scanned(12, np.random.default_rng(13))
    scan.images["error"] = "gone"
    found = find_shortcuts(scan, np.arange(12) % 2, ("no", "yes"))
    assert all(s.reason and not s.beyond_chance for s in found)
    assert traits(scan, "border pixels").shape == (0, 0)


def test_what_is_alike_everywhere_tells_nothing() -> None:
    rng = np.random.default_rng(5)
    scan = scanned(60, rng)
    scan.images["format"] = "PNG"
    found = {s.family: s for s in find_shortcuts(scan, rng.integers(0, 2, 60), ("no", "yes"))}
    assert (found["format"].auc.value, found["format"].p, found["format"].features) == (0.5, 1.0, 0)


def test_unreadable_images_are_left_out_and_the_order_is_of_no_account() -> None:
    rng = np.random.default_rng(6)
    scan, labels = scanned(80, rng), rng.integers(0, 2, 80)
    scan.images.loc[::8, "error"] = "gone"
    assert find_shortcuts(scan, labels, ("no", "yes"))[0].auc.n == 70
    assert traits(scan, "coarse layout").shape == (70, 64)


def test_the_same_seed_gives_the_same_answer() -> None:
    rng = np.random.default_rng(7)
    scan, labels = scanned(60, rng), rng.integers(0, 2, 60)
    one, other = (find_shortcuts(scan, labels, ("no", "yes"), seed=3) for _ in range(2))
    assert one == other


def test_guesses_are_ridge_regression_on_the_other_folds() -> None:
    rng = np.random.default_rng(8)
    values, targets = rng.normal(size=(50, 6)), rng.integers(0, 2, (50, 3)).astype(float)
    folds = rng.integers(0, 4, 50)
    ours = guesses(values, targets, folds)
    for fold in range(4):
        known = folds != fold
        oracle = Ridge(alpha=PENALTY * known.sum()).fit(values[known], targets[known])
        expected = oracle.predict(values[~known]) - targets[known].mean(axis=0)
        np.testing.assert_allclose(ours[~known], expected, atol=1e-8)


def test_areas_are_those_of_the_ranking_within_folds() -> None:
    rng = np.random.default_rng(9)
    targets = rng.integers(0, 2, (60, 4)).astype(float)
    scores = np.round(rng.normal(size=(60, 4)), 1)  # with ties
    whole = area_within(targets, scores, np.zeros(60, np.int64))
    np.testing.assert_allclose(whole, [auc(targets[:, i], scores[:, i]) for i in range(4)], atol=1e-12)
    folds = rng.integers(0, 3, 60)
    by_hand = []
    for truth, score in zip(targets.T, scores.T, strict=True):
        pairs = [(i, j) for i in range(60) for j in range(60) if truth[i] > truth[j] and folds[i] == folds[j]]
        by_hand.append(np.mean([(score[i] > score[j]) + 0.5 * (score[i] == score[j]) for i, j in pairs]))
    np.testing.assert_allclose(area_within(targets, scores, folds), by_hand, atol=1e-12)
    groups = np.repeat(np.arange(20), 3)
    once = area_draws(targets[:, 0] > 0, scores[:, 0], folds, groups, np.ones((20, 1)))
    np.testing.assert_allclose(once, by_hand[0], atol=1e-12)


def test_an_area_without_positives_is_undefined() -> None:
    assert np.isnan(area_within(np.zeros((5, 1)), np.zeros((5, 1)), np.zeros(5, np.int64)))


def test_folds_keep_groups_whole_and_are_about_equal() -> None:
    rng = np.random.default_rng(10)
    groups = rng.integers(0, 60, 300)
    groups = np.unique(groups, return_inverse=True)[1]
    folds = deal_folds(groups, 5, rng)
    assert all(len(set(folds[groups == group])) == 1 for group in range(groups.max() + 1))
    assert np.ptp(np.bincount(folds, minlength=5)) <= 12


def test_permutations_keep_labels_of_a_group_together() -> None:
    rng = np.random.default_rng(11)
    groups = np.array([0, 0, 0, 1, 1, 2, 3, 3])
    targets = np.array([1, 1, 1, 0, 0, 1, 0, 0], float)[:, None]
    seen = set()
    for shuffled in permuted(targets, groups, 200, rng):
        assert all(len(set(shuffled[groups == group, 0])) == 1 for group in range(4))
        seen.add(tuple(shuffled[[0, 3, 5, 6], 0]))
    assert len(seen) == 6  # two of four groups


def test_permutations_of_mixed_groups_keep_the_counts() -> None:
    rng = np.random.default_rng(12)
    groups, targets = np.repeat(np.arange(10), 3), rng.integers(0, 2, (30, 2)).astype(float)
    for shuffled in permuted(targets, groups, 20, rng):
        assert (shuffled.sum(axis=0) == targets.sum(axis=0)).all()
        blocks = {tuple(map(tuple, targets[groups == group])) for group in range(10)}
        assert {tuple(map(tuple, shuffled[groups == group])) for group in range(10)} <= blocks


@pytest.mark.parametrize(
    ("p", "falls"),
    [
        # Holm (1979): against 0.05/4, /3, /2, /1 in ascending order, until one stands.
        ((0.01, 0.04, 0.03, 0.005), (True, False, False, True)),
        ((0.02, 0.001, 0.04, 0.012), (True, True, True, True)),
        ((0.013, 0.013, 0.013, 0.013), (False, False, False, False)),
        ((1.0, 1.0, 1.0, 1.0), (False, False, False, False)),
    ],
)
def test_holms_correction(p: tuple[float, ...], falls: tuple[bool, ...]) -> None:
    assert tuple(_holm(p)) == falls
