"""The quizzes, read from ``quizzes/`` and checked: one YAML file each, and ``sources.yaml`` for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml

from medgraft.errors import DataError, RecipeError, listing, suggest
from medgraft.workshop.question import Choice, Question, Quiz, Source

QUIZZES = (
    "when-it-helps",
    "extract-or-tune",
    "choosing-a-source",
    "rates-and-unfreezing",
    "normalisation-and-leakage",
    "reading-the-evidence",
)
"""In the order of the notebooks."""

FEWEST_QUESTIONS = 4
CHOICES = (3, 5)
"""Fewest and most choices of a question."""


def quiz_of(name: str) -> Quiz:
    """The quiz; RecipeError with the names there are where there is none."""
    if name not in QUIZZES:
        raise RecipeError(f"there is no quiz {name!r}; there are {listing(QUIZZES, 30)}.{suggest(name, QUIZZES)}")
    return read_quiz(name, _loaded(f"{name}.yaml"), read_sources(_loaded("sources.yaml")))


def read_sources(raw: Any) -> dict[str, Source]:
    """By short name, who wrote what and where it is; raises DataError where one is not whole."""
    if not isinstance(raw, dict):
        raise DataError("sources.yaml: a mapping of names to sources is wanted.")
    return {name: _source(entry, f"sources.yaml: {name}") for name, entry in raw.items()}


def read_quiz(name: str, raw: Any, sources: Mapping[str, Source]) -> Quiz:
    """A quiz from what its file holds.

    Raises
    ------
    DataError
        Where it has too few questions, a question too few choices, too many, or none that is right (or wrong), or
        a choice no reason or no source; the sentence names the file and the place.
    """
    place = f"{name}.yaml"
    _keys(raw, ("title", "questions"), place)
    questions = _list(raw["questions"], f"{place}: questions")
    if len(questions) < FEWEST_QUESTIONS:
        raise DataError(f"{place}: {len(questions)} questions; a quiz has at least {FEWEST_QUESTIONS}.")
    read = tuple(_question(one, sources, f"{place}: question {k}") for k, one in enumerate(questions, 1))
    if len({question.text for question in read}) < len(read):
        raise DataError(f"{place}: a question is there twice.")
    return Quiz(name, _text(raw["title"], f"{place}: title"), read)


def _question(raw: Any, sources: Mapping[str, Source], place: str) -> Question:
    _keys(raw, ("ask", "choices"), place)
    few, many = CHOICES
    found = _list(raw["choices"], f"{place}: choices")
    if not few <= len(found) <= many:
        raise DataError(f"{place}: {len(found)} choices; there have to be {few} to {many}.")
    choices = tuple(_choice(one, sources, f"{place}, choice {k}") for k, one in enumerate(found, 1))
    if len({choice.text for choice in choices}) < len(choices):
        raise DataError(f"{place}: a choice is there twice.")
    if len({choice.right for choice in choices}) == 1:
        raise DataError(f"{place}: at least one choice has to be right, and one wrong.")
    return Question(_text(raw["ask"], f"{place}: ask"), choices)


def _choice(raw: Any, sources: Mapping[str, Source], place: str) -> Choice:
    kind = "right" if isinstance(raw, dict) and "right" in raw else "wrong"
    _keys(raw, (kind, "why", "source"), place)
    named = raw["source"] if isinstance(raw["source"], list) else [raw["source"]]
    unknown = [name for name in named if not isinstance(name, str) or name not in sources]
    if unknown or not named:
        raise DataError(f"{place}: {listing(unknown) or 'nothing'} is no source of sources.yaml.")
    found = tuple(sources[name] for name in named)
    return Choice(_text(raw[kind], f"{place}: {kind}"), kind == "right", _text(raw["why"], f"{place}: why"), found)


def _source(raw: Any, place: str) -> Source:
    _keys(raw, ("what", "at"), place)
    source = Source(_text(raw["what"], f"{place}: what"), _text(raw["at"], f"{place}: at"))
    if not source.at.startswith(("arXiv:", "doi:", "docs/")):
        raise DataError(f"{place}: at is an arXiv:NUMBER, a doi:NAME or a page docs/...md, not {source.at!r}.")
    return source


def _keys(raw: Any, wanted: tuple[str, ...], place: str) -> None:
    if not isinstance(raw, dict) or set(raw) != set(wanted):
        found = listing(raw) if isinstance(raw, dict) else "something else"
        raise DataError(f"{place}: the keys {', '.join(wanted)} are wanted, there are {found}.")


def _list(raw: Any, place: str) -> list[Any]:
    if not isinstance(raw, list):
        raise DataError(f"{place}: a list is wanted.")
    return raw


def _text(raw: Any, place: str) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise DataError(f"{place}: words are wanted.")
    return " ".join(raw.split())


def _loaded(file: str) -> Any:
    try:
        return yaml.safe_load((files("medgraft.workshop") / "quizzes" / file).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(
            f"{file} of the workshop cannot be read ({type(error).__name__}). Install medgraft anew."
        ) from None
