"""``medgraft rank``."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medgraft.cli.options import add_data_options, chosen_options

if TYPE_CHECKING:
    from medgraft.pipeline.rank_encoders import Ranked, Ranking

DESCRIPTION = """Measure how well the features of encoders suit a data set, before anything is
trained, and rank them.

Each encoder looks once at the training images. A linear probe learns from some
patients and is tested on others; its AUC leads, beside it stand what the same
encoder with random weights reaches, nearest neighbours, and three scores of the
literature. No image of val or test is looked at.
"""

EXAMPLES = """examples:
  all encoders whose weights are at hand
    medgraft rank xrays/labels.csv --group patient
  these, one of them with weights of its own
    medgraft rank lesions/ --encoder tf_efficientnet_lite0 resnet50=resnet50.safetensors
"""

MORE = ("size", "channels", "adapt", "split_file", "ratios", "seed", "device", "bootstrap")
WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data, the encoders, and how the data is read."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft rank DATA [--encoder NAME ...] [options]"
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder, a CSV or an .npz")
    parser.add_argument("--encoder", dest="encoders", nargs="+", metavar="NAME", default=[],
                        help="encoders; NAME=WEIGHTS takes a file, an hf-hub: id or medical:NAME "
                        "(default: all whose weights are at hand)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print every figure as JSON instead")
    add_data_options(parser, MORE)


def run(arguments: argparse.Namespace) -> None:
    """Measure and print the ranking."""
    from medgraft.pipeline.rank_encoders import rank_encoders
    from medgraft.progress import Terminal

    ranking = rank_encoders(
        arguments.data, arguments.encoders, observer=Terminal(sys.stderr), **chosen_options(arguments)
    )
    if arguments.json:
        print(json.dumps(ranking.to_dict(), indent=2, allow_nan=False))
        return
    for paragraph in text(ranking):
        print(paragraph)


def text(ranking: Ranking) -> Iterator[str]:
    """The ranking for a terminal: the data, the table, what it says and what it does not."""
    from medgraft.cli.encoders import table

    yield ranking.about
    yield f"{_measured_on(ranking)}\n"
    titles = ("encoder", "probe (AUC)", "over random weights", "against the first", ">k-NN", ">LogME", ">NLEEP")
    yield table((*titles, ">H-score"), [_row(ranked) for ranked in ranking.encoders])
    for name, reason in ranking.skipped.items():
        yield f"skipped: {name}: {reason}"
    yield ""
    for sentence in sentences(ranking):
        yield textwrap.fill(sentence, WIDTH)


def _measured_on(ranking: Ranking) -> str:
    cells = " (cells of their feature maps)" if ranking.task == "segmentation" else ""
    patients = f" of {ranking.groups} patients (groups), each kept whole"
    if not ranking.known:
        patients = "; no patient is known, so each counts as one"
    return f"measured on {ranking.images} training images{cells}{patients}"


def _row(ranked: Ranked) -> list[str]:
    result = ranked.result
    behind = "first"
    if ranked.behind is not None:
        behind = ranked.behind.brief() + (", level" if ranked.level else "")
    return [
        ranked.name,
        result.probe.brief(),
        result.gain.brief(),
        behind,
        f"{result.knn.value:.3f}",
        f"{result.logme:.3f}",
        f"{result.nleep:.3f}",
        f"{result.hscore:.3f}",
    ]


def sentences(ranking: Ranking) -> list[str]:
    """What the figures say, in words."""
    first, *others = ranking.encoders
    level = [ranked.name for ranked in others if ranked.level]
    said = []
    if level:
        said.append(f"These images do not tell {', '.join(level)} from {first.name}: take the smaller or faster one.")
    elif others:
        said.append(f"{first.name} is ahead of all others beyond chance.")
    return [
        *said,
        _reuse(first),
        _curve(first, by_image=not ranking.known),
        "Published comparisons found that no single score ranks encoders reliably on medical images (Chaves et al. "
        "2023, arXiv:2308.07444; 2024, arXiv:2405.20420). The probe leads here, as it is what a frozen encoder with a "
        "linear head does on patients that it has not seen. Fine-tuning may rank them otherwise.",
    ]


def _reuse(first: Ranked) -> str:
    gain = first.result.gain
    if gain.low > 0:
        return (
            f"Reuse is worth {gain.brief()} AUC to {first.name}: by so much its probe is above that of the same "
            "encoder with random weights."
        )
    return (
        f"The pretrained weights of {first.name} are not shown to be better than random ones here "
        f"({first.result.probe.value:.3f} against {first.result.random.value:.3f})."
    )


def _curve(first: Ranked, by_image: bool) -> str:
    result = first.result
    if result.doubling is None:
        return "There are too few images (patients) of some class for a learning curve."
    half, whole = (point.groups for point in result.curve[-2:])
    what = "images" if by_image else "patients"
    found = f"From {half:.0f} to {whole:.0f} {what} the probe of {first.name} gained {result.doubling.brief()}"
    meaning = {
        "helps": "more data still helps",
        "flat": "more data of the same kind would help this encoder's probe little",
        "unclear": "whether more data helps cannot be told",
    }
    return f"{found}: {meaning[result.more_data]}."
