"""Equal terms: which learning rates cells try, and the rates of their blocks."""

import math

import pytest

from medgraft.errors import RecipeError
from medgraft.recipe import Recipe
from medgraft.studies import search
from medgraft.studies.search import next_rate, require_optuna
from medgraft.studies.terms import RATES, Terms


def test_rates_come_from_the_grid_the_one_rate_or_the_default():
    assert Terms.of(Recipe(), None).rates == RATES
    assert Terms.of(Recipe.make(lr=0.01), None).rates == (0.01,)
    assert Terms.of(Recipe(), (0.1, 0.2)).rates == (0.1, 0.2)


def test_all_blocks_learn_at_the_rate_that_is_tried():
    terms = Terms.of(Recipe(), (0.1, 0.2))
    assert terms.options(0.2) == {"lr": 0.2, "encoder_lr": 0.2, "decay": 1.0}
    assert "at each of the rates 0.1, 0.2" in terms.sentence() and "all blocks at one rate" in terms.sentence()


def test_rates_of_the_blocks_own_are_for_those_who_ask():
    terms = Terms.of(Recipe.make(lr=0.01, encoder_lr=0.001, decay=0.5), None)
    assert terms.options(0.01) == {"lr": 0.01, "encoder_lr": 0.001, "decay": 0.5}
    assert "rates of their own" in terms.sentence()
    assert Terms.of(Recipe.make(decay=0.5), (0.1, 0.2)).options(0.1)["decay"] == 0.5


def test_what_is_written_is_read_back():
    terms = Terms.of(Recipe.make(decay=0.5), (0.1, 0.2))
    assert Terms.from_dict(terms.to_dict()) == terms


@pytest.mark.parametrize(
    ("options", "grid", "words"),
    [
        ({"lr": 0.1}, (0.1,), "one rate"),
        ({"encoder_lr": 0.1}, (0.1, 0.2), "encoder_lr: rates of the encoder's own"),
        ({"block_lrs": "0.1,0.2"}, None, "block_lrs: rates of the encoder's own"),
        ({}, (0.1, 0.1), "named twice"),
        ({}, (2.0,), "up to 1 are wanted"),
        ({}, (), "are wanted"),
    ],
)
def test_rates_that_contradict(options, grid, words):
    with pytest.raises(RecipeError, match=words):
        Terms.of(Recipe.make(**options), grid)


def _tried(*pairs):
    return [{"lr": lr, "monitor": "auc", "val": {"auc": score, "loss": 1.0}} for lr, score in pairs]


def test_a_grid_is_tried_in_its_order():
    terms = Terms((0.1, 0.3))
    assert [next_rate(terms, 0, _tried(*[(0.1, 0.5)] * k)) for k in range(3)] == [0.1, 0.3, None]


def test_optuna_tries_as_many_rates_as_it_may_between_the_ends_and_the_same_again():
    terms = Terms((1e-4, 1e-2), trials=6)
    assert "6 rates between 0.0001 and 0.01" in terms.sentence()

    def search_of(seed):
        tried = []
        while (rate := next_rate(terms, seed, tried)) is not None:
            tried += _tried((rate, 1 - abs(math.log10(rate) + 3)))
        return [trial["lr"] for trial in tried]

    rates = search_of(0)
    assert len(rates) == 6 == len(set(rates)) and all(1e-4 <= rate <= 1e-2 for rate in rates)
    assert search_of(0) == rates and search_of(1) != rates


def test_the_first_rates_do_not_depend_on_what_came_of_them():
    terms = Terms((1e-4, 1e-2), trials=6)
    assert next_rate(terms, 4, _tried((1e-3, 0.9))) == next_rate(terms, 4, _tried((1e-3, math.nan)))


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(search, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"pip install 'medgraft\[study\]'"):
        require_optuna()


def test_a_search_needs_room():
    with pytest.raises(RecipeError, match="two rates"):
        Terms.of(Recipe.make(lr=0.1), None, 5)
