"""The rule from figures to an answer, and its words."""

from dataclasses import replace

import pytest

from medgraft.scores import Interval
from medgraft.transfer.reuse import BlockEvidence, read_blocks
from medgraft.transfer.reuse.reading import answer, at_once, blocks_called, reasons, together

NAN = float("nan")


def block(loss=(0.0, -0.01, 0.01), alike=0.95, fixed=False, redrawn=None, pretrained=True, tells=True):
    again = redrawn and Interval(*redrawn, 90)
    return BlockEvidence("stem", fixed, Interval(*loss, 90), alike, again, pretrained, tells)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (block(fixed=True, loss=(0.0, 0.0, 0.0)), "fixed"),
        (block(fixed=True, loss=(0.0, 0.0, 0.0), redrawn=(0.2, 0.1, 0.3)), "fixed"),
        # Whatever an idle block holds, it shows no reuse.
        (block(fixed=True, loss=(0.0, 0.0, 0.0), redrawn=(0.0, -0.01, 0.02)), "unused"),
        (block(redrawn=(0.0, -0.01, 0.01)), "unused"),
        (block(redrawn=(0.0, -0.01, 0.03)), "reused"),
        (block(redrawn=(0.0, NAN, NAN)), "reused"),
        (block((0.1, 0.05, 0.2), redrawn=(0.0, -0.01, 0.01)), "relearned"),
        (block((0.1, 0.05, 0.2)), "relearned"),
        (block((0.1, 0.05, 0.2), alike=0.99), "relearned"),
        # Surely above 0, but too little for anyone to act on.
        (block((0.01, 0.005, 0.015)), "reused"),
        (block((0.1, -0.01, 0.2)), "undecided"),
        (block((0.0, -0.1, 0.1)), "undecided"),
        (block(), "reused"),
        (block((-0.2, -0.3, -0.1)), "reused"),
        (block(alike=0.8), "reused"),
        (block(alike=0.79), "changed"),
        (block(alike=NAN), "undecided"),
        (block((0.1, NAN, NAN)), "undecided"),
        (block((NAN, NAN, NAN)), "undecided"),
        # A model that guesses has nothing to lose: that nothing is lost then shows no reuse.
        (block(tells=False), "undecided"),
        (block(alike=0.5, tells=False), "undecided"),
        (block(redrawn=(0.0, -0.01, 0.01), tells=False), "unused"),
        (block(fixed=True, loss=(0.0, 0.0, 0.0), tells=False), "fixed"),
        (block((0.1, 0.05, 0.2), tells=False), "relearned"),
    ],
)
def test_the_rule(evidence, verdict):
    (read,) = read_blocks([evidence])
    assert (read.number, read.verdict) == (1, verdict)


def test_the_answer_names_blocks_by_their_numbers():
    lost = block((0.1, 0.05, 0.2), 0.4)
    readings = read_blocks([block(), block(), block(), block(alike=0.5), lost, lost, lost])
    assert answer(readings) == "Blocks 1 to 3 are reused; block 4 changed without need; blocks 5 to 7 are relearned."
    unborn = [replace(each.evidence, pretrained=False) for each in readings]
    assert answer(read_blocks(unborn)) == (
        "Blocks 1 to 3 could have stayed random; block 4 changed without need; blocks 5 to 7 had to learn."
    )
    # Of WT-ST-2 and slim-2 the first two blocks alone began with weights that were learned elsewhere.
    assert answer(read_blocks([readings[0].evidence] * 2 + unborn[2:])) == (
        "Blocks 1 to 2 are reused; block 3 could have stayed random; block 4 changed without need; "
        "blocks 5 to 7 had to learn."
    )
    assert answer(read_blocks([block(fixed=True)])) == "Block 1 is reused as it came (it did not learn)."
    assert [blocks_called(numbers) for numbers in ([4], [1, 2, 3, 5], [1, 3, 5])] == [
        "block 4", "blocks 1 to 3 and 5", "blocks 1, 3 and 5",
    ]  # fmt: skip


def test_reasons_hold_the_figures():
    lost = [block((0.1, 0.05, 0.2), 0.4), block((0.3, 0.2, 0.4), 0.3)]
    said = reasons(read_blocks([block((0, -0.1, 0.03), 0.91), block(), *lost, block((0, -0.1, 0.08))]), "AUC")
    assert said[0] == (
        "Blocks 1 to 2: put back one at a time, none loses more than 0.030 AUC, and the features stay alike "
        "(CKA 0.91 to 0.95)."
    )
    assert "they lose 0.100 or more; block 4 loses most, 0.300 (0.200 to 0.400) AUC" in said[1]
    assert "as much as 0.080 AUC; more images would tell" in said[2]
    (alone,) = reasons(read_blocks([block()]), "Dice")
    assert "put back alone, it loses no more than 0.010 Dice" in alone
    (idle,) = reasons(read_blocks([block(redrawn=(0.0, -0.01, 0.01))]), "Dice")
    assert "drawn anew" in idle and "no more than 0.010 Dice is lost" in idle
    (guessed,) = reasons(read_blocks([block(tells=False)] * 2), "AUC")
    assert guessed == "Blocks 1 to 2: the model is not surely better than guessing here, so nothing is there to lose."
    (unknown,) = reasons(read_blocks([block((0.1, NAN, NAN))]), "Dice")
    assert "too few images for an interval" in unknown
    (undefined,) = reasons(read_blocks([block((NAN, NAN, NAN))]), "AUC")
    assert undefined == "Block 1: the AUC is undefined on these images, as it is where all are of one class."


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ((0.0, -0.01, 0.02), "they can all stay as they were"),
        ((0.2, 0.1, 0.3), "together they are"),
        ((0.0, -0.1, 0.1), "is not shown"),
        ((0.0, NAN, NAN), "too few images"),
    ],
)
def test_together(loss, said):
    sentence = together([1, 2], Interval(*loss, 90), "AUC")
    assert said in sentence and sentence.startswith("Put back all at once, blocks 1 to 2 lose")
    wanted = {"together they are": "Together they are needed to change", "they can all stay as they were": ""}
    assert at_once(Interval(*loss, 90)).startswith(wanted.get(said, "This holds for one block at a time"))
    assert bool(at_once(Interval(*loss, 90))) == (said != "they can all stay as they were")
