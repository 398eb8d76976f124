"""``medgraft encoders``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medgraft.models.encoder_facts import EncoderFacts
    from medgraft.models.sources import MedicalSource

DESCRIPTION = """List encoders: what they are, how large, how good on ImageNet, and where their
weights come from. Without PATTERN: those that Medgraft's own tests go through.
"""

EXAMPLES = """examples:
  everything of one kind that timm has
    medgraft encoders 'resnet*'
  the sets of weights that timm has for one encoder
    medgraft encoders 'resnet50.*'
  weights that were pretrained on medical images, and all about one of them
    medgraft encoders --medical
    medgraft encoders --medical rad-dino
"""

NOBODY_SAYS = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to list, and in which form."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("pattern", nargs="?", metavar="PATTERN", help="a name, with wildcards or without; quote it")
    parser.add_argument("--all", action="store_true", help="all that timm has (takes minutes); the same as '*'")
    parser.add_argument("--medical", action="store_true", help="weights that were pretrained on medical images")
    parser.add_argument("--json", action="store_true", help="print a list of objects with every fact instead")


def run(arguments: argparse.Namespace) -> None:
    """Print the table."""
    pattern = "*" if arguments.all else arguments.pattern
    if arguments.medical:
        _print_sources(pattern or "*", arguments.json)
    else:
        _print_encoders(pattern, arguments.json)


def _print_encoders(pattern: str | None, as_json: bool) -> None:
    from medgraft.models.encoder_facts import encoder_facts, list_encoders
    from medgraft.models.sources import list_sources
    from medgraft.progress import Terminal

    names = list_encoders(pattern)
    facts, terminal = [], Terminal(sys.stderr)
    try:
        for fact in encoder_facts(names):
            facts.append(fact)
            terminal.working("encoders", len(facts), len(names))
    finally:
        terminal.close()
    if as_json:
        print(json.dumps([fact.to_dict() for fact in facts], indent=2))
        return
    titles = ("encoder", "family", ">params", ">px", ">top-1", ">year", "weights", "licence", "here")
    print(table(titles, [_encoder_row(fact) for fact in facts]))
    print("\npx: side of the images in pretraining · top-1: accuracy on ImageNet, % · here: at hand without a network")
    print(f"{NOBODY_SAYS} nobody says, or there are none · --json names the packages and papers too")
    if any(fact.top1_same is False for fact in facts):
        print("* reached by torchvision's weights of the same architecture (IMAGENET1K_V1), not by those listed")
    print(f"{len(list_sources())} sets of weights pretrained on medical images: medgraft encoders --medical")


def _encoder_row(fact: EncoderFacts) -> list[str]:
    top1 = None if fact.top1 is None else f"{fact.top1:.1f}{' ' if fact.top1_same else '*'}"
    parameters = None if fact.parameters is None else f"{fact.parameters / 1e6:.1f}M"
    licence = fact.licence and fact.licence.lower()
    cells = (fact.family, parameters, fact.size, top1, fact.year, _weights(fact), licence)
    return [fact.name, *(NOBODY_SAYS if cell is None else str(cell) for cell in cells), "yes" if fact.offline else "no"]


def _weights(fact: EncoderFacts) -> str | None:
    """Where the weights come from, in few letters."""
    if fact.weights is None or "/" in fact.weights:
        return fact.weights and fact.weights.replace(f"hf-hub:timm/{fact.name.partition('.')[0]}.", "timm ")
    return "package"


def _print_sources(pattern: str, as_json: bool) -> None:
    from medgraft.models.sources import list_sources
    from medgraft.models.sources.obtain import kept_file

    sources = list_sources(pattern)
    here = [kept_file(source) is not None for source in sources]
    if as_json:
        plain = [source.to_dict() | {"offline": kept} for source, kept in zip(sources, here, strict=True)]
        print(json.dumps(plain, indent=2))
    elif len(sources) == 1:
        print(_card(sources[0], here[0]))
    else:
        titles = ("source", "encoder", "images", "pretrained on", "licence", "loads", "here")
        print(table(titles, [_source_row(*pair) for pair in zip(sources, here, strict=True)]))
        print(
            "\nlicence: as the publishers state it, ? where we could not verify that · loads: convert, where the file"
        )
        print("is a pickled model, whose tensors you write to a file first · here: the file is on this machine")
        print("use one:      medgraft fit DATA --encoder ENCODER --weights medical:SOURCE[@FILE]")
        print("all about it: medgraft encoders --medical SOURCE")


def _source_row(source: MedicalSource, here: bool) -> list[str]:
    licence = source.licence + ("?" if "licence" in source.unverified else "")
    loads = {"loads": "yes", "convert first": "convert", "listed only": "no"}[source.status]
    return [source.name, source.encoder, source.modality, source.data, licence, loads, "yes" if here else "no"]


def _card(source: MedicalSource, here: bool) -> str:
    """All that is known of one source, and how to use it."""
    normalisation = f"mean {_numbers(source.mean)}, standard deviation {_numbers(source.std)}, of images in [0, 1]"
    lines = {
        "encoder": source.encoder,
        "images": f"{source.modality}, {source.channels} channel{'s' if source.channels > 1 else ''}, "
        f"{source.size} pixels",
        "pretrained on": source.data,
        "licence": source.licence,
        "paper": source.paper or NOBODY_SAYS,
        "page": source.page,
        "normalisation": normalisation,
        "status": source.status,
        "here": "yes" if here else "no",
        "to get it": source.get,
        "unverified": ", ".join(source.unverified),
        "note": source.note,
    }
    text = "\n".join(f"{title:<15}{value}" for title, value in lines.items() if value)
    if source.convert:
        text += "\n\nits file is a pickled model, which is not read; where you trust it, write its tensors once:\n\n"
        text += textwrap.indent(source.convert, "    ")
    use = f"medgraft fit DATA --encoder {source.encoder} --weights medical:{source.name}"
    return f"{source.name}\n\n{text}" + (f"\n\n{use}[@FILE]" if source.status != "listed only" else "")


def _numbers(values: Sequence[float]) -> str:
    shown = [f"{value:.6g}" for value in values]
    return shown[0] if len(set(shown)) == 1 else " ".join(shown)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under titles; a title that begins with ``>`` is for a column of numbers.

    On a terminal it is as wide as that, and long cells are folded; elsewhere every row is one line.
    """
    from rich.console import Console
    from rich.table import Table

    grid: Any = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for title in titles:
        justify = "right" if title.startswith(">") else "left"
        one_line = title in ("encoder", "source")
        grid.add_column(title.removeprefix(">"), justify=justify, no_wrap=one_line, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    console = Console(width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(grid)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
