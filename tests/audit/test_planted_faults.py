"""A corpus with every fault planted: all are found, and nothing else. ``pytest -s`` prints the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from corpus import SIDE, Labelled, Masked, picture, plant_all_in_labels, plant_all_in_masks

from medgraft.audit.audit import Audit
from medgraft.data import open_data
from medgraft.errors import DataError
from medgraft.pipeline.inspect import examine
from medgraft.progress import Observer
from medgraft.recipe import Recipe

UNCOUNTED = {"unlisted-files", "mixed-formats", "mixed-colour", "mixed-shapes", "imbalance", "label-spellings",
             "class-not-in-test", "groups-of-several-labels"}  # fmt: skip
"""Findings about the whole that name no images."""


def audited(path: Path) -> Audit:
    return Audit.of(examine(path, Recipe(), 1, Observer()))


def compare(audit: Audit, planted: dict[str, set[str]]) -> list[tuple[str, int, int, int]]:
    """Rows (fault, planted, found, false alarms); prints them."""
    found = {finding.kind: set(finding.images) for finding in audit.findings}
    rows = []
    for kind in sorted({*planted, *found}):
        wanted, seen = planted.get(kind, set()), found.get(kind, set())
        if kind in UNCOUNTED:
            rows.append((kind, int(kind in planted), int(kind in found), int(kind in found and kind not in planted)))
        else:
            rows.append((kind, len(wanted), len(wanted & seen), len(seen - wanted)))
    print(f"\n{'fault':32} planted  found  false alarms")
    for kind, *numbers in rows:
        print(f"{kind:32} {numbers[0]:7} {numbers[1]:6} {numbers[2]:13}")
    return rows


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    return plant_all_in_labels(tmp_path_factory.mktemp("labelled"))


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    return plant_all_in_masks(tmp_path_factory.mktemp("masked"))


def test_every_fault_of_a_table_of_labels(labelled):
    rows = compare(audited(labelled.write()), labelled.planted)
    assert [row for row in rows if row[1] != row[2] or row[3]] == []
    assert len(rows) >= 28


def test_every_fault_of_a_folder_of_masks(masked):
    rows = compare(audited(masked.folder), masked.planted)
    rows = [row for row in rows if row[0] != "groups-unknown"]
    assert [row for row in rows if row[1] != row[2] or row[3]] == []
    assert len(rows) >= 16


def test_clean_sets_have_nothing_but_notes(tmp_path):
    labels = audited(Labelled(tmp_path / "labels").write())
    assert [finding.sentence for finding in labels.findings if finding.severity != "note"] == []
    masks = audited(Masked(tmp_path / "masks").folder)
    assert [finding.kind for finding in masks.findings] == ["groups-unknown"]


def test_what_the_fix_list_leaves_is_taken_by_a_training(labelled, masked, tmp_path):
    from medgraft.data.exclusion import write_exclusion

    for number, path in enumerate((labelled.write(), masked.folder)):
        with pytest.raises(DataError):
            open_data(path)
        write_exclusion(tmp_path / f"{number}.txt", audited(path).exclusion, "faults")
        left = open_data(path, exclude=tmp_path / f"{number}.txt")
        assert len(left) > 25 and "nothing here is called" not in left.notes[-1]
        again = Audit.of(examine(path, Recipe(exclude=tmp_path / f"{number}.txt"), 1, Observer()))
        assert [finding.kind for finding in again.findings if finding.severity == "error"] == []


def test_a_shortcut_in_the_border_is_found(tmp_path):
    data = Labelled(tmp_path)
    for number, row in enumerate(data.rows):
        pixels = picture(number)
        edge = 235 if row[1] == "y" else 120
        pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:] = edge, edge, edge, edge
        import cv2

        cv2.imwrite(str(tmp_path / row[0]), pixels)
    kinds = {finding.kind: finding for finding in audited(data.write()).findings}
    assert kinds["shortcut-border-pixels"].severity == "warning"
    assert kinds["shortcut-border-pixels"].figures["auc"] > 0.95


def test_the_corpus_is_what_it_says(tmp_path):
    pictures = [picture(seed) for seed in range(6)]
    assert all(p.shape == (SIDE, SIDE) and abs(float(np.median(p)) - 120) <= 1 for p in pictures)
    assert len({p.tobytes() for p in pictures}) == 6
