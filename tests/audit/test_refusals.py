"""What the readers refuse is told in sentences that are right for one and for several."""

from __future__ import annotations

import pytest
from fabricated import examined

from medgraft.audit.refusals import REFUSALS, refusals
from medgraft.data.problems import Problem

SENTENCES = {
    "missing images": ("1 image is listed and not there", "2 images are listed and not there"),
    "unreadable files": (
        "1 file cannot be read, not even its header",
        "2 files cannot be read, not even their headers",
    ),
    "no image file": ("1 row of the table names no image", "2 rows of the table name no image"),
    "listed twice": (
        "1 row lists an image that an earlier row lists",
        "2 rows list an image that an earlier row lists",
    ),
    "doubled names": (
        "1 file differs from another in the ending alone",
        "2 files differ from another in the ending alone",
    ),
    "no label": ("1 row has no label", "2 rows have no label"),
    "two labels": ("1 file is listed under two labels", "2 files are listed under two labels"),
    "contradicted labels": (
        "1 image lies in the folder of one class and is of another in the table",
        "2 images lie in the folder of one class and are of another in the table",
    ),
    "no mask": ("1 image has no mask", "2 images have no mask"),
    "missing masks": ("1 image has no mask", "2 images have no mask"),
    "masks not drawn": ("1 image cannot have its mask drawn", "2 images cannot have their masks drawn"),
    "masks without image": ("1 mask has no image", "2 masks have no image"),
    "masks elsewhere": (
        "1 volume has a mask of another place or size",
        "2 volumes have a mask of another place or size",
    ),
    "contradicted splits": (
        "1 image is in another split by the table than by its folder",
        "2 images are in another split by the table than by their folder",
    ),
}


def test_every_refusal_has_its_sentence_here():
    assert set(SENTENCES) == {kind for refusal in REFUSALS for kind in refusal.problems}


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_refusal_is_one_sentence_for_one_and_for_several(tmp_path, kind):
    topics = [refusal.topic for refusal in REFUSALS if kind in refusal.problems]
    for names, sentence in zip((("a",), ("a", "b")), SENTENCES[kind], strict=True):
        data = examined(tmp_path, ["x", "y"] * 12, problems=(Problem(kind, "", names),))
        (finding,) = refusals(data, topics[0])
        assert (finding.sentence, finding.count, finding.leave_out) == (sentence, len(names), names)
