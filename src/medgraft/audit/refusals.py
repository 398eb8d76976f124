"""What a training refuses outright, as findings: one row a kind of problem that the readers of data know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medgraft.audit.examined import Examined
from medgraft.audit.findings import Finding, Topic
from medgraft.audit.wording import verb
from medgraft.data.problems import ProblemKind
from medgraft.errors import counted


@dataclass(frozen=True)
class Refusal:
    """How a kind of problem is told.

    Attributes
    ----------
    problems : the kinds of problems that it is about, as :mod:`medgraft.data.problems` calls them.
    kind, topic, advice : see :class:`~medgraft.audit.findings.Finding`.
    noun : what is counted.
    one, many : the rest of the sentence, after one of it and after several.
    """

    problems: tuple[ProblemKind, ...]
    kind: str
    topic: Topic
    noun: str
    one: str
    many: str
    advice: str


REFUSALS = (
    Refusal(
        ("missing images",), "missing-files", "files", "image", "is listed and not there", "are listed and not there",
        "Bring the files, or take their rows out of the table.",
    ),
    Refusal(
        ("unreadable files",), "unreadable-headers", "files", "file", "cannot be read, not even its header",
        "cannot be read, not even their headers",
        "Fetch or save them again. A training cannot begin before they are mended or left out.",
    ),
    Refusal(
        ("no image file",), "rows-without-image", "files", "row", "of the table names no image",
        "of the table name no image", "Fill the rows in, or take them out.",
    ),
    Refusal(
        ("listed twice",), "listed-twice", "files", "row", "lists an image that an earlier row lists",
        "list an image that an earlier row lists",
        "Take the further rows out; an image that is listed twice counts twice.",
    ),
    Refusal(
        ("doubled names",), "names-alike", "files", "file", "differs from another in the ending alone",
        "differ from another in the ending alone",
        "Keep one of each, so that it is clear which image a mask belongs to.",
    ),
    Refusal(
        ("no label",), "rows-without-label", "balance", "row", "has no label", "have no label",
        "Fill the labels in, or take the rows out.",
    ),
    Refusal(
        ("two labels",), "two-labels", "balance", "file", "is listed under two labels", "are listed under two labels",
        "Keep the row that is right.",
    ),
    Refusal(
        ("contradicted labels",), "labels-at-odds", "balance", "image",
        "lies in the folder of one class and is of another in the table",
        "lie in the folder of one class and are of another in the table",
        "Mend the one that is wrong, or take the table away.",
    ),
    Refusal(
        ("no mask", "missing masks"), "images-without-mask", "masks", "image", "has no mask", "have no mask",
        "Add the masks, or leave these images out; where there is nothing to outline, a mask is a file of zeros.",
    ),
    Refusal(
        ("masks not drawn",), "masks-not-drawn", "masks", "image", "cannot have its mask drawn",
        "cannot have their masks drawn", "Mend the images or their annotations, or leave these images out.",
    ),
    Refusal(
        ("masks without image",), "masks-without-image", "masks", "mask", "has no image", "have no image",
        "Add the images, or move these masks away.",
    ),
    Refusal(
        ("masks elsewhere",), "masks-elsewhere", "masks", "volume", "has a mask of another place or size",
        "have a mask of another place or size", "Resample the mask to its volume, or leave both out.",
    ),
    Refusal(
        ("contradicted splits",), "splits-at-odds", "leakage", "image",
        "is in another split by the table than by its folder", "are in another split by the table than by their folder",
        "Mend the table, or name the column to take with --split-column.",
    ),
)  # fmt: skip


def refusals(examined: Examined, topic: Topic) -> Iterator[Finding]:
    """What the readers refused of one section, in the order of the table; all of it can be left out."""
    for refusal in REFUSALS:
        names = examined.refused(*refusal.problems) if refusal.topic == topic else ()
        if names:
            yield Finding(
                refusal.kind,
                "error",
                topic,
                len(names),
                f"{counted(len(names), refusal.noun)} {verb(len(names), refusal.one, refusal.many)}",
                refusal.advice,
                images=names,
                leave_out=names,
            )
