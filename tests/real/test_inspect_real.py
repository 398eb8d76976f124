"""inspect on real sets: it finds what their READMEs warn of, and does not cry wolf."""

from __future__ import annotations

from pathlib import Path

import pytest

from medgraft.audit.audit import Audit
from medgraft.pipeline.inspect import examine
from medgraft.progress import Observer
from medgraft.recipe import Recipe

SHARED = Path(__file__).resolve().parents[3] / "shared"
DATA = SHARED / "data"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here, so neither is its data")


def audited(name: str, **options: object) -> Audit:
    return Audit.of(examine(DATA / name, Recipe.make(**options), None, Observer()))


def kinds(audit: Audit) -> dict[str, str]:
    return {finding.kind: finding.sentence for finding in audit.findings}


def test_lesions_have_unknown_patients_and_images_without_masks_beside_them() -> None:
    audit = audited("isic2017")
    said = kinds(audit)
    assert audit.counts["error"] == 0
    assert said["groups-unknown"] == "patients are unknown: a split is by image"
    assert said["unlisted-files"] == "101 images beside the data are not used: images_unmasked/ (101)"
    assert audit.headline == "554 images with masks · 388 train, 83 val, 83 test · 8-bit colour, 512 x 331 to 512 x 498"
    assert "near-duplicates" not in said and "brightness-outliers" not in said


def test_xrays_have_several_images_of_a_patient() -> None:
    said = kinds(audited("nih_cxr/labels.csv"))
    assert "column nih_patient may name them: 458 values for 600 images" in said["groups-not-read"]
    audit = audited("nih_cxr/labels.csv", group="nih_patient")
    assert audit.counts["error"] == 0 and "groups-not-read" not in kinds(audit)
    assert audit.summary["groups"]["count"] == 458 and audit.summary["groups"]["largest"] > 1
    assert "exact-duplicates" not in kinds(audit)


def test_blood_cells_come_from_few_sources() -> None:
    audit = audited("blood_cells/labels.csv", group="source_image_group")
    said = kinds(audit)
    # The README: train 75, 27, 16 and 159 sources, test 13, 6, 4 and 48.
    assert "eosinophil 88, lymphocyte 33, monocyte 20, neutrophil 207" in said["few-groups-many-images"]
    assert audit.counts["error"] == 0 and "no patient in two splits" in audit.passed
    assert "source_image_group may name them" in kinds(audited("blood_cells/labels.csv"))["groups-not-read"]


def test_nuclei_are_of_two_kinds() -> None:
    audit = audited("nuclei")
    said = kinds(audit)
    assert said["mixed-colour"] == "grey and colour are mixed: 147 grey and 53 colour"
    assert said["unlisted-files"] == "200 images beside the data are not used: instances/ (200)"
    assert audit.counts["error"] == 0 and audit.summary["masks"]["values"] == [0, 255]
