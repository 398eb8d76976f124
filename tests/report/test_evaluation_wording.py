"""The words of an evaluation's report."""

import pytest

from medgraft.report.evaluation_wording import distance_sentences


def distance(value, inside):
    ends = {"low": None, "high": None}
    return {"against": "training", "value": value, "held_out": {"value": inside} | ends} | ends


@pytest.mark.parametrize(
    ("value", "inside", "words", "verdict"),
    [
        (0.6, 0.1, "are 0.100 away, a distance 6.0 times smaller: they look different", True),
        (0.15, 0.1, "are 0.100 away, a distance 1.5 times smaller: they look much like", False),
        (0.08, 0.1, "are 0.100 away, which is no nearer: they look much like", False),
        (0.0, 0.0, "are 0.000 away, which is no nearer: they look much like", False),
        (0.3, 0.0, "are 0.000 away: they look different", True),
    ],
)
def test_other_data_is_set_against_held_out_images(value, inside, words, verdict):
    _, said = distance_sentences(distance(value, inside))
    assert words.replace("they", "the images of this data") in said and ("believe the scores" in said) is verdict
