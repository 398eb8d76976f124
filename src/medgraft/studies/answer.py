"""What a study says, in sentences: the answer that its page opens with, and what a reader must beware of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from medgraft.errors import counted, listing
from medgraft.report.wording import metric_name, signed, spoken
from medgraft.studies.cell import ALL
from medgraft.studies.contrasts import PAIRS, Contrast
from medgraft.studies.convergence import Cost, at_the_edge
from medgraft.studies.gain import Curve, Point
from medgraft.studies.naming import told_apart
from medgraft.studies.scored import Scored
from medgraft.studies.table import Entry, Line, Table

_LONG = 3
"""Of more numbers of images the sentence tells of the first and the last."""
_AGAINST = {"RI": "random ones", "ST": "random ones with the same statistics"}


def answers(scored: Scored, table: Table, curves: Sequence[Curve]) -> list[str]:
    """A sentence or two for each model; of a study without WT, one for each row of its table."""
    if not scored.cells["score"].notna().any():
        return ["No cell of this study is finished, so it says nothing yet."]
    models = list(dict.fromkeys((way.encoder, way.strategy) for way in scored.ways))
    said = []
    for encoder, strategy in models:
        own = {
            (curve.better, curve.worse): curve
            for curve in curves
            if (curve.encoder, curve.strategy) == (encoder, strategy)
        }
        curve = own.get(("WT", "RI")) or own.get(("WT", "ST"))
        if curve is not None:
            name = _model(encoder, strategy, models)
            statistics = own.get(("ST", "RI")) if curve.worse == "RI" else None
            said.append(_of_model(name, curve, statistics, _spoken(scored.metric)))
    return said or [_of_line(line, table, _spoken(scored.metric)) for line in table.lines]


def _spoken(metric: str) -> str:
    return metric_name(metric) if metric in ("dice", "jaccard") else spoken(metric)


def _model(encoder: str, strategy: str, models: Sequence[tuple[str, str]]) -> str:
    """The model as it must be named to be known among ``models``; empty for the only one."""
    if len(models) == 1:
        return ""
    several = len({own for own, _ in models}) < len(models)
    name = told_apart(own for own, _ in models)[encoder]
    return f"{name}, {strategy}" if several else name


def _of_model(model: str, curve: Curve, statistics: Curve | None, metric: str) -> str:
    parts = {point.n: point for point in statistics.points} if statistics else {}
    points = curve.points if len(curve.points) <= _LONG else (curve.points[0], curve.points[-1])
    clauses = [
        _clause(point, parts.get(point.n), metric, _AGAINST[curve.worse], not k) for k, point in enumerate(points)
    ]
    said = "; ".join(clauses)
    return f"{model}: {said}." if model else f"{said[:1].upper()}{said[1:]}."


def _clause(point: Point, statistics: Point | None, metric: str, against: str, first: bool) -> str:
    """What pretrained weights gave at one number of images; the first clause says against what."""
    found, told = point.contrast.found, point.contrast.told
    where = "with all images" if point.n == ALL else f"with {counted(int(point.n), 'image')}"
    fewer = "" if found.seeds == point.contrast.of else f", on {found.seeds} of {counted(point.contrast.of, 'seed')}"
    if not found.seeds:
        return f"{where} nothing can be said, as no seed has both trainings finished"
    over = f" over {against}" if first else ""
    size = f"{signed(found.value)} {metric}"
    within = f"{_ends(found.low, found.high)}{fewer}"
    if told == "told":
        gave = "gave" if found.value > 0 else "took away"
        amount = size if found.value > 0 else f"{abs(found.value):.3f} {metric}"
        part = ""
        if statistics is not None and found.value > 0 and statistics.contrast.found.seeds == found.seeds:
            part = _part_of_statistics(statistics.contrast, found.value)
        subject = "pretrained weights" if first else "they"
        beside = over if found.value > 0 else over.replace("over", "against", 1)
        return f"{where} {subject} {gave} {amount}{beside} ({within}){part}"
    whose = f" of pretrained weights{over}" if first else ""
    if told == "unknown":
        return f"{where} the gain{whose} was {size}, and nothing tells how sure that is"
    reason = (
        "is not told from noise"
        if told == "not"
        else "would be told from noise only if it were the one comparison made"
    )
    return f"{where} the gain{whose} {reason} ({size}, {within})"


def _part_of_statistics(contrast: Contrast, whole: float) -> str:
    """How much of a gain over random weights the statistics alone give."""
    value = contrast.found.value
    if value <= 0:
        return f", none of it explained by their statistics ({signed(value)})"
    if value >= whole:
        return f", no more than their statistics gave by themselves ({signed(value)})"
    unsure = "" if contrast.told == "told" else " (a part that is not told from noise)"
    return f", of which {signed(value)} is explained by their statistics{unsure}"


def _of_line(line: Line, table: Table, metric: str) -> str:
    """Which column of a row is best, and from which it is not told."""
    where = ", ".join(_named(head, name) for head, name in zip(table.heads, line.names, strict=True))
    named = [(column, entry) for column, entry in zip(table.columns, line.entries, strict=True) if entry is not None]
    best = next(((column, entry) for column, entry in named if entry.best), None)
    if best is None:
        known = [f"{column} {entry.mean:.3f}" for column, entry in named if not math.isnan(entry.mean)]
        return f"{where}: {listing(known) or 'nothing finished'}, and nothing to compare with."
    tied = [column for column, entry in named if entry.tied]
    rest = f"not told from noise against {listing(tied)}" if tied else "told from every other"
    return f"{where}: {best[0]} has the best {metric} ({_mean(best[1])}), {rest}."


def _named(head: str, name: str) -> str:
    if head != "n":
        return name
    return "All images" if name == ALL else f"{name} images"


def _mean(entry: Entry) -> str:
    return f"{entry.mean:.3f}" + ("" if math.isnan(entry.sd) else f" ± {entry.sd:.3f}")


def _ends(low: float, high: float) -> str:
    return "no interval" if math.isnan(low) else f"{signed(low)} to {signed(high)}"


def correction(found: Sequence[Contrast]) -> str:
    """Which comparisons are corrected together, to be read after "corrected"; empty where there are none."""
    if not found:
        return ""
    if found[0].family.kind == "models":
        return f"for all {_comparisons(found, 'pair')} of models"
    models = {(each.family.encoder, each.family.strategy) for each in found}
    each_model = " of each model" if len(models) > 1 else ""
    gains = [each for each in found if each.family.kind == "gains"]
    others = [each for each in found if each.family.kind == "others"]
    if not gains:
        if {each.comparisons for each in others} == {1}:
            return f"for nothing, as there is one comparison{each_model}"
        return f"for all {_comparisons(others, 'pair')}{each_model}"
    names = [f"{better} − {worse}" for better, worse in PAIRS if any({better, worse} == _inits(each) for each in gains)]
    sizes = counted(len({each.better.n for each in gains}), "number of images", "numbers of images")
    said = f"for the {_comparisons(gains, 'gain')}{each_model} ({listing(names)}, at {sizes}), and for no other"
    if others:
        said += f"; the {_comparisons(others, 'other pair')}{each_model} are corrected by themselves"
    return said


def _inits(each: Contrast) -> set[str]:
    return {each.better.init, each.worse.init}


def _comparisons(found: Sequence[Contrast], what: str) -> str:
    """How many there are of a family; families may differ where cells are missing."""
    sizes = sorted({each.comparisons for each in found})
    return counted(sizes[0], what) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} {what}s"


def cautions(scored: Scored, found: Sequence[Contrast], cost: Sequence[Cost], rates: Sequence[float]) -> list[str]:
    """What a reader must know before believing the table."""
    status = scored.cells["status"]
    said = []
    lacking = [
        f"{counted(int((status == word).sum()), 'cell')} {text}"
        for word, text in (("failed", "failed"), ("waiting", "not trained yet"))
        if (status == word).any()
    ]
    if lacking:
        said.append(
            f"{' and '.join(lacking)}, of {len(status)}: means are of those that are finished, and comparisons of "
            "seeds that both sides have; see what is missing."
        )
    seeds = scored.cells["seed"].nunique()
    if seeds == 1:
        said.append("One seed: intervals and p values speak of these very trainings, not of what another seed gives.")
    elif seeds == 2 and found:
        said.append("Two seeds tell hardly anything of the chance between seeds: intervals are wide. Add more.")
    said += list(_edges(cost, rates))
    return said + list(scored.notes)


def _edges(cost: Sequence[Cost], rates: Sequence[float]) -> Iterable[str]:
    """Initialisations most cells of which kept the lowest or the highest rate that was tried."""
    for edge, word in ((0, "lowest"), (1, "highest")):
        there = []
        for init in dict.fromkeys(each.way.init for each in cost):
            own = [each for each in cost if each.way.init == init]
            cells = sum(sum(each.rates.values()) for each in own)
            many = at_the_edge(own, rates)[edge]
            if many > cells / 2:
                there.append(f"{init} ({many} of {cells})")
        if there:
            rate = max(rates) if edge else min(rates)
            better = "higher" if edge else "lower"
            yield (
                f"Most cells of {listing(there)} kept the {word} rate that was tried ({rate:g}): a {better} one might "
                "do better still (--lr-grid)."
            )
