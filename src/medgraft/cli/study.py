"""``medgraft study``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from medgraft.cli.options import add_recipe_options, chosen_options
from medgraft.errors import counted, listing

DESCRIPTION = """Does transfer help here, and by how much? Train every combination of encoder,
initialisation, strategy, number of training images and seed, on equal terms.

WT starts from pretrained weights, ST from random ones with the statistics of
each pretrained tensor, RI from random ones alone; WT over ST is what the
weights themselves give, ST over RI what their mere scale gives. All cells share
one split, made once: the test images are the same for all. Fewer images are
contained in more of the same seed. Each cell tries the same learning rates and
keeps the best by validation.

All encoder blocks learn at one rate, that of the head (decay 1, encoder_lr =
lr): the layer-wise rates that medgraft fit takes would keep random weights from
learning. --decay or --encoder-lr say otherwise, for all cells.

Every cell is an ordinary run in DIR/cells/; a row of DIR/cells.csv says what it
was, what it scored, or why it failed. The others go on where one fails.
DIR/report.html says whether transfer helped, by how much, and how sure that is.
"""

EXAMPLES = """examples:
  three initialisations of one encoder, 50, 200 and all images, 3 seeds
    medgraft study xrays/labels.csv --group patient --n 50 200 all
  write the page again, by another score
    medgraft report studies/xrays --metric balanced_accuracy
  more encoders, two processes; pages of single cells are written on demand
    medgraft study xrays/ --encoder tf_efficientnet_lite0 resnet50 --jobs 2
    medgraft report studies/xrays/cells/tf_efficientnet_lite0-WT-full-nall-s0
  one rate for all cells
    medgraft study xrays/ --lr 0.001 --epochs 20
  go on after Ctrl-C or a crash, and add seeds
    medgraft study xrays/ --resume --seeds 5
"""

_AXES = ("encoder", "init", "strategy", "train_images", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data, the axes of the grid, and every option of a recipe that is none of them."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.usage = "medgraft study DATA [options]"
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder, a CSV or an .npz")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the study's folder (default: studies/DATA)")
    parser.add_argument("--resume", action="store_true",
                        help="train what is not finished; values may be added to the axes")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1, metavar="N",
                        help="processes that train cells at the same time (default: 1)")  # fmt: skip
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="start from a YAML recipe; options below change it")
    parser.add_argument("--metric", metavar="NAME", help="the score that decides in tables and report, as kappa or "
                        "macro_recall (default: auc, or dice of masks)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the scores as JSON, all else to standard error")
    _add_axes(parser.add_argument_group("the grid"))
    _add_cluster(parser.add_argument_group("several machines"))
    add_recipe_options(parser, without=_AXES)


def _add_axes(section: argparse._ArgumentGroup) -> None:
    section.add_argument("--encoder", nargs="+", metavar="NAME", help="encoders, each perhaps with weights of its own "
                         "as NAME@WEIGHTS (default: tf_efficientnet_lite0)")  # fmt: skip
    section.add_argument("--init", nargs="+", metavar="NAME", help="initialisations: RI, ST, WT, mean_var, WT-ST-3, "
                         "slim-3 (default: RI ST WT)")  # fmt: skip
    section.add_argument("--strategy", nargs="+", metavar="NAME", help="strategies, as medgraft fit has them "
                         "(default: full)")  # fmt: skip
    section.add_argument("--n", nargs="+", metavar="N", help="numbers of training images, or all (default: all)")
    section.add_argument("--seeds", type=int, metavar="N", help="trainings of each cell, by other seeds (default: 3)")
    section.add_argument("--seed", type=int, metavar="N", help="seed of the split, and the first of the seeds "
                         "(default: 0)")  # fmt: skip
    section.add_argument("--lr-grid", nargs="+", type=float, metavar="RATE", help="learning rates that each cell tries "
                         "(default: 1e-4 3e-4 1e-3; --lr trains at one rate alone)")  # fmt: skip
    section.add_argument("--lr-trials", type=int, metavar="N", help="let optuna (with the extra study) find N rates to "
                         "try, between the least and the greatest of the grid")  # fmt: skip


def _add_cluster(section: argparse._ArgumentGroup) -> None:
    section.add_argument("--ray", metavar="ADDRESS", help="train cells on a Ray cluster (with the extra study): "
                         "HOST:PORT of its head, or auto for one on this machine, started where none runs")  # fmt: skip
    section.add_argument("--ray-cpus", type=int, metavar="N", help="CPUs that a cell asks of a node of the cluster "
                         "(default: 1; with GPUs, their part of the CPUs)")  # fmt: skip
    section.add_argument("--ray-gpus", type=float, metavar="F", help="GPUs, or a share of one, that a cell asks for "
                         "(default: 1 where the cluster has any)")  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Train the cells and print the table of scores; leaves with exit code 1 where every cell failed."""
    options = chosen_options(arguments)
    axes = {name: options.pop(name, None) for name in ("encoder", "init", "strategy")}
    from medgraft.progress import Terminal
    from medgraft.studies import study
    from medgraft.studies.summary import plain_summary, table_of

    found = study(
        arguments.data,
        arguments.recipe,
        **axes,
        n=arguments.n,
        seeds=arguments.seeds,
        lr_grid=arguments.lr_grid,
        lr_trials=arguments.lr_trials,
        metric=arguments.metric,
        jobs=arguments.jobs,
        ray=arguments.ray,
        ray_cpus=arguments.ray_cpus,
        ray_gpus=arguments.ray_gpus,
        out=arguments.out,
        resume=arguments.resume,
        observer=Terminal(sys.stderr),
        **options,
    )
    failed, cells = found.failed, found.cells
    if arguments.json:
        print(json.dumps(plain_summary(found), indent=2, allow_nan=False))
    else:
        print(table_of(found))
        for sentence in dict.fromkeys(failed.values()):
            names = [name for name, reason in failed.items() if reason == sentence]
            print(f"failed: {counted(len(names), 'cell')} ({listing(names, 3)}): {sentence}")
        print(found.page)
        print(found.folder / "cells.csv")
    if len(failed) == len(cells):
        sys.exit(1)
