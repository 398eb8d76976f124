"""``medgraft sources``."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medgraft.cli.options import add_recipe_options, chosen_options
from medgraft.errors import counted, listing

DESCRIPTION = """Which pretrained weights suit this data? Train the same target from several
sources and rank them by their test score, with intervals.

Sources are encoders with weights: those in installed packages or in timm's
cache, medical ones, and checkpoints of your own as NAME@FILE. All have the same
split, images, input size, epochs and learning rates. Differences from the best
are paired and corrected for the number of comparisons: what is not told from it
is as good within noise.

Beside the ranking stand scores that were computed from the training images
alone (a linear probe, k-NN, LogME, NLEEP, H-score), and how far the order that
they foretold agrees with the measured one.
"""

EXAMPLES = """examples:
  all sources at hand, encoders fixed
    medgraft sources xrays/labels.csv --group patient
  these, one of them your own, fine-tuned at two rates with three seeds
    medgraft sources xrays/ --encoder tf_efficientnet_lite0 resnet18@mine.safetensors \\
      --strategy full --epochs 10 --lr-grid 1e-4 1e-3
  with few images and with all of them
    medgraft sources xrays/ --n 50 all --seeds 5
  go on after Ctrl-C, and add a source
    medgraft sources xrays/ --resume --encoder tf_efficientnet_lite0 tf_efficientnet_lite1
"""

WIDTH = 100
_AXES = ("encoder", "init", "strategy", "train_images", "seed", "weights")
_READING = {"best": "best", "level": "not told from it", "alone": "perhaps behind", "behind": "behind",
            "unknown": "cannot be said"}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data, the sources, and every option of a recipe that is the same for all of them."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft sources DATA [--encoder NAME ...] [options]"
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder, a CSV or an .npz")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder (default: sources/DATA)")
    parser.add_argument("--resume", action="store_true", help="train what is not finished; sources may be added")
    parser.add_argument("--jobs", type=int, default=1, metavar="N",
                        help="processes that train at the same time (default: 1)")  # fmt: skip
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="start from a YAML recipe; options below change it")
    parser.add_argument("--metric", metavar="NAME", help="the test score that ranks, as kappa or macro_recall "
                        "(default: auc, or dice of masks)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print every figure as JSON, all else to standard error")
    section = parser.add_argument_group("the sources")
    section.add_argument("--encoder", nargs="+", metavar="NAME", help="encoders; NAME@WEIGHTS takes a file, an hf-hub: "
                         "id or medical:SOURCE (default: all whose weights are at hand)")  # fmt: skip
    section.add_argument("--strategy", metavar="NAME", help="what learns, as medgraft fit has it (default: frozen)")
    section.add_argument("--n", nargs="+", metavar="N", help="numbers of training images, or all (default: all)")
    section.add_argument("--seeds", type=int, metavar="N", help="trainings of each source, by other seeds (default: 3, "
                         "or 1 where every seed gives the same)")  # fmt: skip
    section.add_argument("--seed", type=int, metavar="N", help="seed of the split, and the first of the seeds "
                         "(default: 0)")  # fmt: skip
    section.add_argument("--lr-grid", nargs="+", type=float, metavar="RATE", help="learning rates that each training "
                         "tries (default: 1e-4 3e-4 1e-3; --lr trains at one rate alone)")  # fmt: skip
    add_recipe_options(parser, without=_AXES)


def run(arguments: argparse.Namespace) -> None:
    """Train, rank and print; leaves with exit code 1 where every training failed."""
    options = chosen_options(arguments)
    named = {name: options.pop(name, None) for name in ("encoder", "strategy")}
    from medgraft.progress import Terminal
    from medgraft.studies import sources
    from medgraft.studies.sources_report import source_findings

    study = sources(
        arguments.data,
        arguments.recipe,
        **named,
        n=arguments.n,
        seeds=arguments.seeds,
        lr_grid=arguments.lr_grid,
        metric=arguments.metric,
        jobs=arguments.jobs,
        out=arguments.out,
        resume=arguments.resume,
        observer=Terminal(sys.stderr),
        **options,
    )
    found = source_findings(study)
    if arguments.json:
        print(json.dumps({"folder": str(study.folder), **found}, indent=2, allow_nan=False))
    else:
        for paragraph in text(found):
            print(paragraph)
        print(study.page)
    if not found["finished"]:
        sys.exit(1)


def text(found: Mapping[str, Any]) -> Iterator[str]:
    """The findings for a terminal: a table a number of images, what foretold it, and the answer last."""
    from medgraft.cli.encoders import table

    for part in found["parts"]:
        if not part["rows"]:
            continue
        images = "all training images" if part["n"] == "all" else f"{part['n']} training images"
        yield f"test {found['title']} with {images} (95% interval), {found['test']['images']} test images\n"
        titles = (">rank", "encoder", found["title"], "against the best", "reading", ">params", ">time")
        yield table(titles, [_row(rank, row) for rank, row in enumerate(part["rows"], start=1)])
        if part["foretold"]:
            yield "\nscores before training (rank), on training images alone\n"
            yield table(*_foretold(part))
        yield ""
    for name, reason in found["unscored"].items():
        yield f"not scored before training: {name}: {reason}"
    for reason in dict.fromkeys(failed["error"] for failed in found["failed"]):
        names = [failed["id"] for failed in found["failed"] if failed["error"] == reason]
        yield f"failed: {counted(len(names), 'cell')} ({listing(names, 3)}): {reason}"
    for sentence in (*found["cautions"], *found["answers"]):
        yield textwrap.fill(sentence, WIDTH)


def _row(rank: int, row: Mapping[str, Any]) -> list[str]:
    from medgraft.report.wording import count, duration, interval, signed_interval

    behind = {"value": row["behind"], "low": row["behind_low"], "high": row["behind_high"]}
    return [
        str(rank), row["name"], interval(row), "" if row["behind"] is None else signed_interval(behind),
        _READING[row["standing"]], count(row["parameters"]), duration(row["seconds"]),
    ]  # fmt: skip


def _foretold(part: Mapping[str, Any]) -> tuple[tuple[str, ...], list[list[str]]]:
    """A row a source, then the weighted tau of each score with its interval, and what luck does."""
    from medgraft.report.wording import ends, signed

    told = part["foretold"]
    rows = [[row["name"], *(_with_rank(each["values"], row["name"]) for each in told)] for row in part["rows"]]
    known = [each if each["tau"] is not None else None for each in told]
    rows.append(["weighted tau", *("-" if each is None else signed(each["tau"]) for each in known)])
    if any(known):
        bounds = ["" if each is None else ends({"value": each["tau"], **each}).replace("-", "−") for each in known]
        rows.append(["  95% interval", *bounds])
        rows.append(["  as good by luck", *("" if each is None else _share(each) for each in known)])
    return ("encoder", *(f">{each['title']}" for each in told)), rows


def _with_rank(values: Mapping[str, float], name: str) -> str:
    """A source's score, and the rank that it gives: ``0.896 (1)``."""
    if name not in values:
        return "-"
    return f"{values[name]:.3f} ({list(values).index(name) + 1})".replace("-", "−")


def _share(each: Mapping[str, Any]) -> str:
    return f"{100 * each['chance']:.0f}%"
