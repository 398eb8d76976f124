"""Scores that papers published, read from ``published.yaml`` beside this file, each with the text it was seen in.

The file keeps numbers as they are printed; here they are fractions, as in ``scores.json``. It also says which numbers
were looked for and not found (:attr:`Paper.lacking`): a row that is not there is a gap, never a result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from medgraft.errors import DataError, RecipeError, listing, suggest
from medgraft.initialisation import Initialisation

UNITS: Mapping[str, float] = {"percent": 100.0, "fraction": 1.0}

_NEEDED = ("paper", "table", "data", "metric", "model", "init", "value", "unit", "source")
_KNOWN = (*_NEEDED, "sd", "n")


@dataclass(frozen=True)
class Paper:
    """A paper whose tables are at hand, whole or in part.

    Attributes
    ----------
    name : a short name, such as ``raghu2019``.
    citation, page : who wrote it where, and the address to read it at.
    lacking : which of its numbers are not here, in words; empty where all are.
    """

    name: str
    citation: str
    page: str
    lacking: str = ""


@dataclass(frozen=True)
class Published:
    """One published score.

    Attributes
    ----------
    paper, table : the name of a :class:`Paper`, and which of its tables.
    data : the data set, by its name in the catalogue or the paper's.
    metric : the score, by its name in ``scores.json``; ``auc_NAME`` is that of one class.
    model : the encoder, by Medgraft's name for it.
    initialisation : ``RI`` (random), ``ST`` (statistics), ``WT`` (weights) or another, as the option ``init`` has it.
    value : as a fraction: an AUC of 96.4 % is 0.964.
    sd : the standard deviation over runs, as a fraction; None where none was seen.
    source : the text that the number was read in.
    n : training images, None where it is all of them.
    """

    paper: str
    table: str
    data: str
    metric: str
    model: str
    initialisation: str
    value: float
    sd: float | None
    source: str
    n: int | None = None


@dataclass(frozen=True)
class Publications:
    """All papers by name, and all their scores in the order of the file."""

    papers: Mapping[str, Paper]
    scores: tuple[Published, ...]

    def of(
        self,
        *,
        paper: str | None = None,
        data: str | None = None,
        model: str | None = None,
        initialisation: str | None = None,
        metric: str | None = None,
    ) -> tuple[Published, ...]:
        """Return the scores that agree with all that is given; raises DataError for a paper that is not known."""
        if paper is not None and paper not in self.papers:
            raise DataError(f"no paper {paper!r}; there are {listing(self.papers)}.{suggest(paper, self.papers)}")
        asked = {"paper": paper, "data": data, "model": model, "initialisation": initialisation, "metric": metric}
        given = {name: value for name, value in asked.items() if value is not None}
        return tuple(row for row in self.scores if all(getattr(row, name) == value for name, value in given.items()))


def read_published(path: str | Path | None = None) -> Publications:
    """Read a file of published scores, by default the one that comes with Medgraft.

    Raises
    ------
    DataError
        Where it is no YAML, a key is unknown or missing, a number is none or out of range, a paper, unit or
        initialisation is not known, or a score is there twice; the sentence names the file and the row.
    """
    place = "published.yaml" if path is None else str(path)
    raw = _mapping(_loaded(path, place), place)
    _refuse_strangers(raw, ("papers", "tables"), place)
    found = _mapping(raw.get("papers"), f"{place}: papers")
    papers = {name: _paper(str(name), entry, f"{place}: paper {name}") for name, entry in found.items()}
    scores = tuple(_scores(_list(raw.get("tables"), f"{place}: tables"), papers, place))
    _refuse_doubles(scores, place)
    return Publications(papers, scores)


def _loaded(path: str | Path | None, place: str) -> Any:
    try:
        if path is None:
            text = resources.files("medgraft.studies").joinpath("published.yaml").read_text(encoding="utf-8")
        else:
            text = Path(path).read_text(encoding="utf-8")
        return yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{place}: cannot be read as a list of published scores ({reason}).") from None


def _paper(name: str, raw: Any, place: str) -> Paper:
    entry = _mapping(raw, place)
    _refuse_strangers(entry, ("citation", "page", "lacking"), place)
    _refuse_absent(entry, ("citation", "page"), place)
    return Paper(name, _text(entry, "citation", place), _text(entry, "page", place), str(entry.get("lacking", "")))


def _scores(tables: list[Any], papers: Mapping[str, Paper], place: str) -> Iterable[Published]:
    for number, raw in enumerate(tables, start=1):
        table = dict(_mapping(raw, f"{place}: table {number}"))
        rows = _list(table.pop("rows", None), f"{place}: table {number}: rows")
        for position, row in enumerate(rows, start=1):
            where = f"{place}: table {number}, row {position}"
            yield _score(table | dict(_mapping(row, where)), papers, where)


def _score(entry: Mapping[str, Any], papers: Mapping[str, Paper], where: str) -> Published:
    _refuse_strangers(entry, _KNOWN, where)
    _refuse_absent(entry, _NEEDED, where)
    paper, unit = (_text(entry, key, where) for key in ("paper", "unit"))
    for key, word, known in (("paper", paper, tuple(papers)), ("unit", unit, tuple(UNITS))):
        if word not in known:
            raise DataError(f"{where}: {key} {word!r} is none of {listing(known)}.{suggest(word, known)}")
    value, deviation = (_fraction(entry, key, UNITS[unit], where) for key in ("value", "sd"))
    if value is None or not -1 <= value <= 1 or (deviation is not None and not 0 <= deviation <= 1):
        raise DataError(f"{where}: value and sd are scores of at most 1 (100 percent), sd not below 0; mend {entry}.")
    count = entry.get("n")
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
        raise DataError(f"{where}: n is a number of images from 1 on, not {count!r}.")
    texts = {key: _text(entry, key, where) for key in ("table", "data", "metric", "model", "source")}
    init = _initialisation(_text(entry, "init", where), where)
    return Published(paper=paper, initialisation=init, value=value, sd=deviation, n=count, **texts)


def _initialisation(text: str, where: str) -> str:
    try:
        return str(Initialisation.parse(text))
    except RecipeError as error:
        raise DataError(f"{where}: {error}") from None


def _fraction(entry: Mapping[str, Any], key: str, unit: float, where: str) -> float | None:
    """A printed number as a fraction, None where there is none."""
    number = entry.get(key)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise DataError(f"{where}: {key} is a number, not {number!r}.")
    return round(number / unit, 9)  # 96.4 / 100 is not 0.964 in binary


def _refuse_doubles(scores: Iterable[Published], place: str) -> None:
    seen: set[tuple[str, ...]] = set()
    for row in scores:
        key = (row.paper, row.table, row.data, row.metric, row.model, row.initialisation, str(row.n))
        if key in seen:
            raise DataError(f"{place}: a score is there twice: {', '.join(key[:-1])}; take one out.")
        seen.add(key)


def _refuse_strangers(entry: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    strange = [str(key) for key in entry if key not in tuple(known)]
    if strange:
        raise DataError(f"{where}: no key {strange[0]!r}; there are {listing(known)}.{suggest(strange[0], known)}")


def _refuse_absent(entry: Mapping[str, Any], needed: Iterable[str], where: str) -> None:
    absent = [key for key in needed if entry.get(key) is None]
    if absent:
        raise DataError(f"{where}: {listing(absent)} is missing.")


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {key} is a text, not {value!r}; put it in quotes.")
    return value


def _mapping(raw: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(raw, dict):
        raise DataError(f"{where}: a mapping of keys to values is wanted.")
    return raw


def _list(raw: Any, where: str) -> list[Any]:
    if not isinstance(raw, list):
        raise DataError(f"{where}: a list is wanted.")
    return raw
