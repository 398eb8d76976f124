"""From facts to advice: options of a recipe, each with the sentence and the figure that led to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from medgraft.advice.decide import Decision, decide, is_similar, within
from medgraft.advice.facts import Facts, Word
from medgraft.advice.table import Table, read_table
from medgraft.scores import Interval

DEFAULT_SIDE = {"segmentation": 256, "classification": 224}
"""Working size in pixels, where the images are not smaller."""
SMALLEST_SIDE = 64
_VERDICTS = {
    "helps": "more labels would help",
    "flat": "more labels of this kind would add little",
    "unclear": "whether more labels would help cannot be told",
}
RARE = 0.1
"""A class with a smaller share of the images than this is weighted up."""


@dataclass(frozen=True)
class Reason:
    """Why: a sentence with its figure, and where that comes from (the table, or what was measured)."""

    sentence: str
    source: str


@dataclass(frozen=True)
class Advice:
    """What is advised.

    Attributes
    ----------
    options : of a recipe (``strategy``, ``size``, ...), those that are advised and no others.
    reasons : the most telling first.
    changes : what would change the strategy, and to what.
    minutes : predicted for training; None where that was not measured.
    facts : what the advice rests on.
    """

    step: str
    options: dict[str, Any]
    reasons: tuple[Reason, ...]
    changes: tuple[str, ...]
    minutes: float | None
    facts: Facts

    @property
    def headline(self) -> str:
        """The strategy with its rates, in a line."""
        time = f" · about {_duration(self.minutes)}" if self.minutes is not None else ""
        return f"{describe(self.options, self.facts.blocks)}{time}"

    def keeping(self, chosen: dict[str, Any]) -> Advice:
        """The same, with options that somebody chose in place of those that were advised.

        A strategy brings its own rates, BatchNorm mode and minutes; what is said of other options is said anew.
        """
        strategy = chosen.get("strategy", self.options["strategy"])
        advised = self if strategy == self.options["strategy"] else self._with_strategy(strategy)
        other = {name: value for name, value in chosen.items() if self.options.get(name) != value}
        left = {name: value for name, value in advised.options.items() if name not in other}
        before = set(_of_options(self.options, self.facts))
        reasons = (reason for reason in self.reasons if reason not in before)
        said = (Reason(f"{name} {_in_words(value)}as asked for", "chosen") for name, value in other.items())
        return replace(
            advised, options=advised.options | chosen, reasons=(*reasons, *_of_options(left, self.facts), *said)
        )

    def _with_strategy(self, strategy: str) -> Advice:
        """The options of another strategy; one that is no step of the table gets those of training everything."""
        table = read_table()
        step = strategy if strategy in table.steps else "full"
        options = options_of(step, self.facts, table) | {"strategy": strategy}
        return replace(self, step=strategy, options=options, changes=(), minutes=self.facts.minutes.get(strategy))

    def to_dict(self) -> dict[str, Any]:
        """Plain types that JSON can hold."""
        return {
            "step": self.step,
            "headline": self.headline,
            "options": self.options,
            "reasons": [{"sentence": reason.sentence, "source": reason.source} for reason in self.reasons],
            "changes": list(self.changes),
            "minutes": self.minutes,
            "facts": self.facts.to_dict(),
        }


def recommend(facts: Facts, budget: float | None = None, table: Table | None = None) -> Advice:
    """Choose a strategy and its options from what is known of the data.

    Parameters
    ----------
    facts : counts and measurements.
    budget : minutes that training may take; None: as many as it takes.
    table : the decision table (default: the one that comes with the package).
    """
    table = table or read_table()
    decision = decide(facts, table)
    step = within(facts.minutes, decision.step, budget, table)
    options = options_of(step, facts, table)
    reasons = [*_of_strategy(decision, facts, table), *_of_budget(decision.step, step, budget, facts)]
    return Advice(
        step=step,
        options=options,
        reasons=(*reasons, *_of_reuse(facts), *_of_options(options, facts)),
        changes=tuple(_changes(decision, facts, table)),
        minutes=facts.minutes.get(step),
        facts=facts,
    )


def describe(options: dict[str, Any], blocks: int) -> str:
    """A strategy and its rates in words."""
    strategy = str(options["strategy"])
    rates = f"learning rate {options['lr']:g}"
    if strategy == "partial":
        strategy = f"partial (last {options['blocks']} of {blocks} blocks)"
    if "encoder_lr" in options:
        rates = f"learning rates {options['lr']:g} and, in the encoder, {options['encoder_lr']:g}"
    norm = f", BatchNorm {options['batch_norm']}" if "batch_norm" in options else ""
    augment = options["augment"] if isinstance(options["augment"], str) else "as asked for"
    return f"{strategy}, {rates}{norm}, {options['size']} px, augmentation {augment}"


def options_of(step: str, facts: Facts, table: Table) -> dict[str, Any]:
    """Options of a recipe that takes this step on data of these facts."""
    options = dict(table.steps[step])
    share = options.get("blocks")
    if isinstance(share, float):
        options["blocks"] = max(1, round(share * facts.blocks))
    rates = table.rates[facts.task]
    learns = step not in ("frozen", "scratch")
    options["lr"] = rates["learning" if learns else "fixed"]
    if learns:
        options.setdefault("encoder_lr", rates["encoder"])
        options["batch_norm"] = "frozen" if is_similar(facts, table) else "train"
    options["size"] = _size(facts)
    options["augment"] = "xray" if facts.grey else "dermoscopy"
    if facts.rarest is not None and facts.rarest < RARE:
        options["imbalance"] = "class_weights"
    return options


def _size(facts: Facts) -> int:
    """The default size; of smaller images, their side as a multiple of the encoder's stride."""
    rounded = 32 * -(-facts.side // 32)
    return min(DEFAULT_SIDE[facts.task], max(SMALLEST_SIDE, rounded))


def _of_strategy(decision: Decision, facts: Facts, table: Table) -> Iterator[Reason]:
    counted = "patients" if facts.patients is not None else "images (patients unknown, each counted as one)"
    yield Reason(f"{facts.count:,} {counted}: {decision.row.because}", f"table, row {decision.row.number}")
    if facts.distance is None:
        yield Reason("the distance from the pretraining images is not known, and taken as different", "assumed")
    else:
        likeness = "similar" if is_similar(facts, table) else "different"
        yield Reason(
            f"distance from the pretraining images {facts.distance.brief()}: {facts.word}, so {likeness}", "measured"
        )
    for rule in decision.rules:
        yield Reason(f"{rule.because}: {rule.step}", f"rule {rule.when!r}")


def _of_reuse(facts: Facts) -> Iterator[Reason]:
    if facts.probe is not None:
        yield Reason(f"a linear head on the fixed features scores AUC {facts.probe.brief()}", "measured")
    if facts.gain is not None:
        verdict = "reuse is real" if facts.gain.low > 0 else "chance may explain it"
        yield Reason(f"that is {_signed(facts.gain)} over random weights: {verdict}", "measured")
    if facts.curve is not None:
        of = "cells of masks" if facts.task == "segmentation" else "images"
        found = f"from {facts.curve.half:,} to {facts.curve.whole:,} {of} it gained {_signed(facts.curve.gain)}"
        yield Reason(f"{found}: {_VERDICTS[facts.curve.verdict]}", "measured")


def _of_budget(wanted: str, step: str, budget: float | None, facts: Facts) -> Iterator[Reason]:
    if wanted != step and budget is not None:
        takes = _duration(facts.minutes[wanted])
        yield Reason(f"{wanted} would take about {takes}, and {_duration(budget)} are allowed: {step}", "measured")


def _of_options(options: dict[str, Any], facts: Facts) -> Iterator[Reason]:
    if "size" in options and options["size"] < DEFAULT_SIDE[facts.task]:
        yield Reason(f"the images have a short side of {facts.side} pixels: size {options['size']}", "counted")
    if "batch_norm" in options:
        moves = options["batch_norm"] == "train"
        said = (
            "different images: blocks that learn move their BatchNorm statistics"
            if moves
            else "similar images: BatchNorm statistics stay as they are"
        )
        yield Reason(said, "rule of thumb")
    if facts.grey and "augment" in options:
        yield Reason("all images are grey: no vertical flips, no change of hue (policy xray)", "counted")
    if "imbalance" in options:
        yield Reason(f"the rarest class has {facts.rarest:.1%} of the images: classes are weighted", "counted")


def _changes(decision: Decision, facts: Facts, table: Table) -> Iterator[str]:
    """The nearest sizes, the other distance and the other outcome of the probe that lead to another step."""
    counted = "patients" if facts.patients is not None else "images"
    for row in sorted(table.rows, key=lambda row: row.low):
        there = _with_count(facts, row.low)
        if row.low > facts.count and (step := decide(there, table).step) != decision.step:
            yield f"{step} above {row.low:,} {counted}"
            break
    for row in sorted(table.rows, key=lambda row: -row.low):
        there = _with_count(facts, row.low - 1)
        if 0 < row.low <= facts.count and (step := decide(there, table).step) != decision.step:
            yield f"{step} below {row.low:,} {counted}"
            break
    other: Word = "far" if is_similar(facts, table) else "near"
    step = decide(replace(facts, word=other), table).step
    if step != decision.step:
        yield f"{step} if the images were {other} to what the encoder was pretrained on"
    if facts.gain is not None:
        none = replace(facts, gain=replace(facts.gain, value=0.0, low=0.0, high=0.0))
        step = decide(none, table).step
        if step != decision.step:
            yield f"{step} if pretrained features were hardly better than random ones"


def _with_count(facts: Facts, count: int) -> Facts:
    return replace(facts, images=count, patients=None if facts.patients is None else count)


def _duration(minutes: float) -> str:
    if minutes < 1:
        return f"{max(1, round(60 * minutes))} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _in_words(value: Any) -> str:
    """A chosen value before ``as asked for``; a policy of augmentation has too many numbers to repeat."""
    return "" if isinstance(value, dict) else f"{value}, "


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"
