"""What the catalogue says of one data set, as lines of text."""

from __future__ import annotations

import textwrap

from medgraft.catalog.entry import Dataset, Edition, in_units

_TITLE = 11
_GET = "medgraft datasets get"


def holds(entry: Dataset) -> str:
    """Task, classes and numbers, in a few words: ``classification, 2 classes``."""
    if entry.task == "segmentation":
        return f"segmentation: {', '.join(entry.classes)}"
    kind = "classes, several an image" if entry.several else "classes"
    return f"classification: {len(entry.classes)} {kind}"


def way(entry: Dataset) -> str:
    """How to get it: ``direct``, ``direct+step``, ``account`` or ``by hand``."""
    return "direct+step" if entry.access == "direct" and entry.steps else entry.access


def card(entry: Dataset, folder: str, width: int | None = None, pixels: int | None = None) -> str:
    """All that is known of a set and how to use it where it lies in ``folder``; lines are folded at ``width``."""
    facts = [
        ("task", holds(entry)),
        ("classes", ", ".join(entry.classes) if entry.task == "classification" else ""),
        ("images", f"{entry.images:,}, {entry.pixels} pixels"),
        ("patients", f"{entry.patients:,} {entry.patients_are}".strip() if entry.patients else "not told apart"),
        ("licence", " ".join(filter(None, (entry.stated_licence, entry.licence_doubt and f"({entry.licence_doubt})")))),
        ("size", _sizes(entry)),
        ("cite", entry.citation),
        ("page", entry.page),
        ("note", entry.note),
    ]
    lines = [entry.name, *_folded(entry.title, "", width), ""]
    for title, value in facts:
        lines += _folded(value, f"{title:<{_TITLE}}", width) if value else []
    parts = [*lines, "", *_getting(entry, folder, width, pixels)]
    return "\n".join([*parts, "", "Medgraft then reads", *_indented(entry.layout), "", *_using(entry, folder, pixels)])


def steps(entry: Dataset, folder: str, width: int | None = None) -> list[str]:
    """The numbered steps that a person takes, with the Python that they speak of."""
    lines: list[str] = []
    for number, step in enumerate(entry.steps, 1):
        lines += _folded(step.replace("{folder}", folder), f"  {number}. ", width)
    return [*lines, "", *_indented(entry.script)] if entry.script else lines


def _getting(entry: Dataset, folder: str, width: int | None, pixels: int | None) -> list[str]:
    if not entry.editions:
        reason = "an account is needed" if entry.access == "account" else "their own tool is needed"
        return [f"To get it ({reason})", *steps(entry, folder, width)]
    side = f" --size {pixels}" if pixels else ""
    lines = ["To get it", f"  {_GET} {entry.name}{side}"]
    if entry.sides and not pixels:
        lines += [f"  {_GET} {entry.name} --size {entry.sides[-1]}"]
    lines += ["", *_files(entry.edition(pixels))]
    return [*lines, "", "and then", *steps(entry, folder, width)] if entry.steps else lines


def _files(edition: Edition) -> list[str]:
    """The addresses, each with what is known to check it by."""
    lines = []
    for file in edition.files:
        kind = next((kind for kind in ("sha256", "md5") if getattr(file, kind)), "")
        size = str(file.size) if file.size else ""
        known = ", ".join(filter(None, (size, kind)))
        lines.append(f"  {file.url}{f'  ({known})' if known else ''}")
    return lines


def _using(entry: Dataset, folder: str, pixels: int | None) -> list[str]:
    return ["To train on it", *(f"  {command}" for command in entry.commands(folder, pixels))]


def _sizes(entry: Dataset) -> str:
    if not entry.sides:
        return str(entry.size)
    return ", ".join(f"{edition.pixels} px {edition.size}" for edition in entry.editions)


def _folded(text: str, title: str, width: int | None) -> list[str]:
    """Lines under a title that hangs to the left; addresses and commands are never broken."""
    if width is None:
        return [f"{title}{text}"]
    return textwrap.wrap(
        text, width, initial_indent=title, subsequent_indent=" " * len(title),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _indented(text: str) -> list[str]:
    return [f"  {line}".rstrip() for line in text.splitlines()]


def summary(entry: Dataset, pixels: int | None = None) -> str:
    """One line before fetching: ``kvasir-seg: 1,000 images, about 46.2 MB, research and education ?``."""
    edition = entry.edition(pixels)
    files = f"{len(edition.files)} file{'s' if len(edition.files) > 1 else ''}"
    side = f" of {edition.pixels} pixels" if edition.pixels else ""
    return f"{entry.name}: {entry.images:,} images{side} in {files}, {edition.size} · licence: {entry.stated_licence}"


def fetched(count: int, size: int) -> str:
    """How many files lie there: ``780 files, 12.3 MB``."""
    return f"{count:,} file{'s' if count != 1 else ''}, {in_units(size)}"
