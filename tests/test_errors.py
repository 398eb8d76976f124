"""The words that errors are built from."""

import pytest

from medgraft.errors import DataError, MedgraftError, RecipeError, RunError, WeightsError, listing, suggest


@pytest.mark.parametrize("kind", [DataError, RecipeError, WeightsError, RunError])
def test_every_error_is_one_the_user_can_mend(kind):
    assert issubclass(kind, MedgraftError)


def test_suggest_names_near_ones_and_only_those():
    assert suggest("resnet5", ["resnet50", "swin", "vgg"]) == " Did you mean resnet50?"
    assert suggest("zzz", ["resnet50"]) == ""


def test_listing_shows_the_first_and_counts_the_rest():
    assert listing(["a", "b"]) == "a, b"
    assert listing(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert listing(iter("abc"), first=1) == "a and 2 more"
    assert listing([]) == ""
