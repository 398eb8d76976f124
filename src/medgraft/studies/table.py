"""The table of a study in the form of the papers: mean and standard deviation over seeds, the best marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medgraft.scores import lower_is_better
from medgraft.studies.cell import ALL
from medgraft.studies.contrasts import Contrast, across_models
from medgraft.studies.naming import told_apart
from medgraft.studies.published import Publications, Published
from medgraft.studies.scored import Scored, Way


@dataclass(frozen=True)
class Entry:
    """One place of the table.

    Attributes
    ----------
    mean, sd : over the finished cells; NaN for none, and for the sd of one.
    finished, of : cells that are finished, and that there are.
    best : whether it has the best mean of its row.
    tied : whether it is not told from the best of its row, after correction.
    """

    way: Way
    mean: float
    sd: float
    finished: int
    of: int
    best: bool = False
    tied: bool = False


@dataclass(frozen=True)
class Line:
    """A row of the table: what its entries have in common, and the entries by column (None where there is none)."""

    names: tuple[str, ...]
    entries: tuple[Entry | None, ...]


@dataclass(frozen=True)
class Table:
    """The table.

    Attributes
    ----------
    heads : names of the columns that name a row.
    columns : names of the columns of scores.
    """

    heads: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def table_of_study(scored: Scored, found: Sequence[Contrast]) -> Table:
    """Rows are models and numbers of images, columns initialisations; or models, where there is one initialisation.

    A model that is the only one is named in no row.

    Parameters
    ----------
    found : the contrasts of the study.
    """
    ways, models = scored.ways, across_models(scored)
    called = told_apart(way.encoder for way in ways)
    one_strategy = len({way.strategy for way in ways}) == 1

    named = not models and len({(way.encoder, way.strategy) for way in ways}) > 1

    def model(way: Way) -> str:
        return called[way.encoder] if one_strategy else f"{called[way.encoder]} {way.strategy}"

    def names(way: Way) -> tuple[str, ...]:
        return (model(way), way.n) if named else (way.n,)

    columns = tuple(dict.fromkeys(model(way) if models else way.init for way in ways))
    rows: dict[tuple[str, ...], dict[str, Entry]] = {}
    for way in ways:
        rows.setdefault(names(way), {})[model(way) if models else way.init] = _entry(scored, way)
    lines = tuple(
        Line(key, _marked(tuple(by_column.get(column) for column in columns), scored.metric, found))
        for key, by_column in rows.items()
    )
    return Table(("model", "n") if named else ("n",), columns, lines)


def _entry(scored: Scored, way: Way) -> Entry:
    values = scored.of(way)["score"]
    return Entry(way, float(values.mean()), float(values.std(ddof=1)), int(values.notna().sum()), len(values))


def _marked(entries: tuple[Entry | None, ...], metric: str, found: Sequence[Contrast]) -> tuple[Entry | None, ...]:
    """The best of a row, and those that it is not told from."""
    known = [entry for entry in entries if entry is not None and not math.isnan(entry.mean)]
    if len(known) < 2:
        return entries
    choose = min if lower_is_better(metric) else max
    best = choose(known, key=lambda entry: entry.mean)
    apart = {frozenset((each.better, each.worse)) for each in found if each.told == "told"}
    return tuple(
        entry
        if entry is None or math.isnan(entry.mean)
        else Entry(
            entry.way, entry.mean, entry.sd, entry.finished, entry.of,
            best=entry is best, tied=entry is not best and frozenset((entry.way, best.way)) not in apart,
        )
        for entry in entries
    )  # fmt: skip


@dataclass(frozen=True)
class Beside:
    """A published score, and the user's own where data, model and initialisation agree.

    Attributes
    ----------
    mean, sd, cells : of the user's finished cells, in the same score.
    """

    published: Published
    way: Way
    mean: float
    sd: float
    cells: int


def beside_published(scored: Scored, publications: Publications) -> list[Beside]:
    """The published scores of the same data, model, initialisation, score and number of images."""
    found = []
    for way in scored.ways:
        cells = scored.of(way)
        for row in publications.of(model=way.encoder.partition("@")[0], initialisation=way.init):
            column = f"test_{row.metric}"
            same = _plain(row.data) == _plain(str(cells["data"].iloc[0]))
            same = same and way.n == (ALL if row.n is None else str(row.n))
            if not same or column not in cells or cells[column].isna().all():
                continue
            values = cells[column]
            found.append(Beside(row, way, float(values.mean()), float(values.std(ddof=1)), int(values.notna().sum())))
    return found


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def plain_table(table: Table) -> list[Mapping[str, object]]:
    """The table as rows of table.csv, one an entry."""
    return [
        {
            **entry.way._asdict(), "mean": entry.mean, "sd": entry.sd, "finished": entry.finished, "cells": entry.of,
            "best": entry.best, "not_told_from_best": entry.tied,
        }
        for line in table.lines
        for entry in line.entries
        if entry is not None
    ]  # fmt: skip
