"""From figures to an answer: which blocks are reused, which are relearned, and of which the images do not decide.

The rule, for each block, with the loss of score when this block alone is put back to what it was before training:

==========  ========================================================================================
relearned   the loss is 0.02 or more, and its 95% interval lies above 0
unused      not so, and even with its weights drawn anew no loss above 0.02 is left open
fixed       nothing in the block learned
undecided   not so, but the interval reaches above 0.05, so a loss that matters is not ruled out; or the
            model is not surely better than guessing, and so has nothing to lose
reused      no loss above 0.05, and CKA of the block's output before and after training is 0.8 or more
changed     no loss above 0.05, though its output is no longer alike: it changed without need
==========  ========================================================================================

The first that holds is given. Where blocks were not drawn anew, none is called unused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medgraft.scores import Interval

Verdict = Literal["fixed", "reused", "changed", "relearned", "unused", "undecided"]

MATTERS = 0.02
"""A loss of score below this is none that anyone would act on."""
RULED_OUT = 0.05
"""A block counts as reused only where a loss above this is ruled out."""
ALIKE = 0.8
"""CKA from which two sets of features count as alike."""
ORDER: tuple[Verdict, ...] = ("fixed", "reused", "changed", "relearned", "unused", "undecided")


@dataclass(frozen=True)
class BlockEvidence:
    """What a verdict rests on.

    Attributes
    ----------
    block : its name.
    fixed : whether nothing in it learned.
    loss : of score when the block alone is put back, with its interval.
    alike : CKA of its output before and after training; NaN where it is undefined.
    redrawn : the loss when its weights are drawn anew; None where that was not tried.
    pretrained : whether it began with weights that were learned elsewhere, and not with values drawn at random.
    tells : whether the model is surely better than guessing on these images.
    """

    block: str
    fixed: bool
    loss: Interval
    alike: float
    redrawn: Interval | None = None
    pretrained: bool = True
    tells: bool = True


@dataclass(frozen=True)
class BlockReading:
    """The verdict on a block; ``number`` counts from 1 at the images."""

    number: int
    verdict: Verdict
    evidence: BlockEvidence


def read_blocks(evidence: Sequence[BlockEvidence]) -> list[BlockReading]:
    """Apply the rule of this module to each block, from input to output."""
    return [BlockReading(number, _verdict(each), each) for number, each in enumerate(evidence, start=1)]


def answer(readings: Sequence[BlockReading]) -> str:
    """The verdicts in one sentence, such as "Blocks 1 to 3 are reused; blocks 5 to 7 are relearned."."""
    told: dict[tuple[str, str], list[int]] = {}
    for each in sorted(readings, key=lambda reading: ORDER.index(reading.verdict)):
        words = _WORDS if each.evidence.pretrained else _WORDS_FROM_RANDOM
        told.setdefault(words[each.verdict], []).append(each.number)
    said = "; ".join(words[len(numbers) > 1].format(blocks_called(numbers)) for words, numbers in told.items()) + "."
    return said[0].upper() + said[1:]


def reasons(readings: Sequence[BlockReading], metric: str) -> list[str]:
    """A sentence for each verdict that there is, with the figures behind it; ``metric`` as people call it."""
    found = []
    for verdict in ORDER:
        chosen = [each for each in readings if each.verdict == verdict]
        if chosen:
            found.append(_REASONS[verdict](chosen, metric))
    return found


def together(numbers: Sequence[int], loss: Interval, metric: str) -> str:
    """What it means that blocks that are reused one by one lose so much when all are put back at once."""
    what = f"Put back all at once, {blocks_called(numbers)} lose {loss.brief()} {metric}"
    if math.isnan(loss.low):
        return f"{what}; there are too few images for an interval."
    if _matters(loss):
        return f"{what}: none of them is needed to change alone, but together they are."
    if loss.high > RULED_OUT:
        return f"{what}: that they can all stay as they were is not shown, as a loss that matters is not ruled out."
    return f"{what}: they can all stay as they were."


def at_once(loss: Interval) -> str:
    """What the answer adds of blocks that are put back at once: nothing where a loss above 0.05 is ruled out."""
    if _matters(loss):
        return "Together they are needed to change, though none is alone."
    if loss.high <= RULED_OUT:
        return ""
    return "This holds for one block at a time; for all of them at once it is not shown."


def blocks_called(numbers: Sequence[int]) -> str:
    """``block 4``, or ``blocks 1 to 3 and 5``."""
    ends: list[list[int]] = []
    for number in numbers:
        if ends and number == ends[-1][1] + 1:
            ends[-1][1] = number
        else:
            ends.append([number, number])
    texts = [str(low) if low == high else f"{low} to {high}" for low, high in ends]
    listed = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
    return f"block {listed}" if len(numbers) == 1 else f"blocks {listed}"


def _verdict(found: BlockEvidence) -> Verdict:
    loss = found.loss
    if not found.fixed and _matters(loss):
        return "relearned"
    if found.redrawn is not None and found.redrawn.high <= MATTERS:
        return "unused"
    if found.fixed:
        return "fixed"
    # An interval that is not there rules nothing out.
    if not found.tells or not loss.high <= RULED_OUT or math.isnan(found.alike):
        return "undecided"
    return "reused" if found.alike >= ALIKE else "changed"


def _matters(loss: Interval) -> bool:
    return loss.value >= MATTERS and loss.low > 0


_WORDS: dict[Verdict, tuple[str, str]] = {
    "fixed": ("{} is reused as it came (it did not learn)", "{} are reused as they came (they did not learn)"),
    "reused": ("{} is reused", "{} are reused"),
    "changed": ("{} changed without need", "{} changed without need"),
    "relearned": ("{} is relearned", "{} are relearned"),
    "unused": ("{} hardly matters here", "{} hardly matter here"),
    "undecided": ("of {} these images do not decide", "of {} these images do not decide"),
}
_WORDS_FROM_RANDOM: dict[Verdict, tuple[str, str]] = _WORDS | {
    "fixed": ("{} stayed random (it did not learn)", "{} stayed random (they did not learn)"),
    "reused": ("{} could have stayed random", "{} could have stayed random"),
    "relearned": ("{} had to learn", "{} had to learn"),
}


def _fixed(chosen: Sequence[BlockReading], metric: str) -> str:
    called = _called(chosen)
    return f"{called}: no weight in {'it' if len(chosen) == 1 else 'them'} changed in training."


def _reused(chosen: Sequence[BlockReading], metric: str) -> str:
    return f"{_called(chosen)}: {_harmless(chosen, metric)}, and the features stay alike ({_alike(chosen)})."


def _changed(chosen: Sequence[BlockReading], metric: str) -> str:
    return f"{_called(chosen)}: the features are no longer alike ({_alike(chosen)}), yet {_harmless(chosen, metric)}."


def _relearned(chosen: Sequence[BlockReading], metric: str) -> str:
    if len(chosen) == 1:
        return f"{_called(chosen)}: put back, it loses {chosen[0].evidence.loss.brief()} {metric}."
    most = max(chosen, key=lambda each: each.evidence.loss.value)
    least = min(each.evidence.loss.value for each in chosen)
    return (
        f"{_called(chosen)}: put back one at a time, they lose {least:.3f} or more; block {most.number} loses most, "
        f"{most.evidence.loss.brief()} {metric}."
    )


def _unused(chosen: Sequence[BlockReading], metric: str) -> str:
    most = max(each.evidence.redrawn.high for each in chosen if each.evidence.redrawn is not None)
    return (
        f"{_called(chosen)}: even with weights drawn anew, one block at a time, no more than {max(0.0, most):.3f} "
        f"{metric} is lost: the answer hardly rests on {'it' if len(chosen) == 1 else 'any of them'}."
    )


def _undecided(chosen: Sequence[BlockReading], metric: str) -> str:
    if not all(each.evidence.tells for each in chosen):
        guessing = "the model is not surely better than guessing here"
        return f"{_called(chosen)}: {guessing}, so nothing is there to lose."
    if any(math.isnan(each.evidence.loss.value) for each in chosen):
        return f"{_called(chosen)}: the {metric} is undefined on these images, as it is where all are of one class."
    highs = [each.evidence.loss.high for each in chosen]
    if any(map(math.isnan, highs)):
        return f"{_called(chosen)}: there are too few images for an interval of the loss."
    return (
        f"{_called(chosen)}: put back, {'it' if len(chosen) == 1 else 'each'} may lose nothing or as much as "
        f"{max(highs):.3f} {metric}; more images would tell."
    )


_REASONS = {
    "fixed": _fixed, "reused": _reused, "changed": _changed, "relearned": _relearned, "unused": _unused,
    "undecided": _undecided,
}  # fmt: skip


def _called(chosen: Sequence[BlockReading]) -> str:
    said = blocks_called([each.number for each in chosen])
    return said[0].upper() + said[1:]


def _harmless(chosen: Sequence[BlockReading], metric: str) -> str:
    """What is ruled out: the largest upper end of an interval."""
    most = f"{max(0.0, *(each.evidence.loss.high for each in chosen)):.3f} {metric}"
    if len(chosen) == 1:
        return f"put back alone, it loses no more than {most}"
    return f"put back one at a time, none loses more than {most}"


def _alike(chosen: Sequence[BlockReading]) -> str:
    low, high = (end(each.evidence.alike for each in chosen) for end in (min, max))
    return f"CKA {low:.2f}" if len(chosen) == 1 or round(low, 2) == round(high, 2) else f"CKA {low:.2f} to {high:.2f}"
