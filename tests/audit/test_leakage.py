"""Leakage: what is in two splits, how bad that is, and which images the list of exclusions takes out for it."""

from __future__ import annotations

import numpy as np
import pytest
from fabricated import examined
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.audit.audit import Audit
from medgraft.audit.checks import leakage
from medgraft.audit.remedy import further_copies, less_held_out
from medgraft.data.problems import Problem

LABELS = ["x", "y"] * 6
SPLITS = ["train"] * 6 + ["val"] * 3 + ["test"] * 3


def kinds(data):
    return {finding.kind: finding for finding in leakage.check(data).findings}


def test_no_splits_no_leakage(tmp_path):
    checked = leakage.check(examined(tmp_path, LABELS, copies=[[0, 11]]))
    assert checked.findings == () and checked.passed == ()


def test_splits_in_order(tmp_path):
    checked = leakage.check(examined(tmp_path, LABELS, splits=SPLITS, groups=[f"p{row}" for row in range(12)]))
    assert checked.findings == () and checked.passed == ("no patient in two splits", "no copies across splits")


def test_a_patient_in_three_splits_keeps_the_test_images(tmp_path):
    patients = [f"p{row}" for row in range(12)]
    for row in (0, 1, 6, 9):
        patients[row] = "torn"
    patients[2] = patients[7] = "other"
    finding = kinds(examined(tmp_path, LABELS, splits=SPLITS, groups=patients))["groups-across-splits"]
    assert (finding.severity, finding.count) == ("error", 2)
    assert finding.figures["groups"] == {"torn": {"train": 2, "val": 1, "test": 1}, "other": {"train": 1, "val": 1}}
    assert set(finding.leave_out) == {"im00.png", "im01.png", "im06.png", "im02.png"}


def test_exact_copies_are_errors_and_near_ones_warnings(tmp_path):
    said = kinds(examined(tmp_path, LABELS, splits=SPLITS, copies=[[0, 10]], pairs=[(3, 7), (4, 5)]))
    exact, near = said["copies-across-splits"], said["near-duplicates-across-splits"]
    assert (exact.severity, exact.count, exact.leave_out) == ("error", 1, ("im00.png",))
    assert exact.pairs == (("im00.png", "im10.png"),)
    assert (near.severity, near.count, near.leave_out) == ("warning", 1, ("im03.png",))
    assert near.pairs == (("im03.png", "im07.png"),)


def test_copies_within_a_split_do_not_leak(tmp_path):
    assert kinds(examined(tmp_path, LABELS, splits=SPLITS, copies=[[0, 2], [9, 11]])) == {}


def test_copies_that_disagree_go_all(tmp_path):
    audit = Audit.of(examined(tmp_path, LABELS, splits=SPLITS, copies=[[0, 11]]))
    assert {name for name, _ in audit.exclusion} >= {"im00.png", "im11.png"}
    assert dict(audit.exclusion)["im11.png"] == "conflicting-labels"


def test_images_in_no_split(tmp_path):
    splits = [*SPLITS[:-1], "extra"]
    finding = kinds(examined(tmp_path, LABELS, splits=splits, copies=[[0, 11]]))["unknown-splits"]
    assert finding.severity == "error" and finding.images == finding.leave_out == ("im11.png",)


def test_a_table_that_contradicts_the_folders(tmp_path):
    problems = (Problem("contradicted splits", "", (f"{tmp_path}/im03.png",)),)
    said = kinds(examined(tmp_path, LABELS, splits=SPLITS, problems=problems))
    assert said["splits-at-odds"].images == ("im03.png",)


@pytest.mark.parametrize(
    ("splits", "kept"),
    [
        ("train train test", 2),
        ("test test train", 0),
        ("train val train", 1),
        ("train train train", 0),
        ("val test", 1),
    ],
)
def test_which_copy_stays(splits, kept):
    names = np.array(splits.split(), object)
    assert further_copies(np.arange(len(names)), names) == [row for row in range(len(names)) if row != kept]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(["train", "val", "test", ""]), min_size=1, max_size=8))
def test_what_is_left_is_in_one_split(splits):
    names = np.array(splits, object)
    rows = np.arange(len(names))
    out = less_held_out(rows, names)
    left = {names[row] for row in rows if row not in out} - {""}
    assert len(left) <= 1 and ("test" not in splits or left == {"test"})
    assert len(further_copies(rows, names)) == len(rows) - 1
