"""``medgraft export``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medgraft.pipeline.export import Exported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, and what the file is to be."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a trained run")
    parser.add_argument("data", type=Path, nargs="?", metavar="DATA",
                        help="where the run's images lie now (default: where the training found them)")  # fmt: skip
    parser.add_argument("--format", choices=("onnx", "openvino", "torch"), default="onnx",
                        help="for onnxruntime, OpenVINO or PyTorch (default: onnx)")  # fmt: skip
    parser.add_argument("--precision", choices=("fp32", "int8", "bf16"), default="fp32",
                        help="int8: weights and activations in 8 bits (onnx, openvino); bf16: openvino alone "
                        "(default: fp32)")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE",
                        help="the file (default: RUN/export/model.onnx; .xml for openvino, .pt2 for torch; "
                        "model-int8 and model-bf16 in these precisions)")  # fmt: skip
    parser.add_argument("--resize", choices=("outside", "inside"), default="outside",
                        help="inside: the file takes images of any size (default: outside)")  # fmt: skip
    parser.add_argument("--input", choices=("float32", "uint8"), default="float32",
                        help="what images come as, with values from 0 to 255 (default: float32)")  # fmt: skip
    parser.add_argument("--check", action=argparse.BooleanOptionalAction, default=True,
                        help="compare with PyTorch on the run's images, and measure speed and what reduced precision "
                        "costs (default: on)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print what was written and measured as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Export and print what was written and measured."""
    from medgraft.pipeline.export import export_run
    from medgraft.progress import Terminal

    exported = export_run(
        arguments.run,
        arguments.data,
        form=arguments.format,
        precision=arguments.precision,
        out=arguments.out,
        resize=arguments.resize,
        dtype=arguments.input,
        check=arguments.check,
        observer=Terminal(),
    )
    print(json.dumps(_plain(exported), indent=2) if arguments.json else "\n".join(_lines(exported)))


def _lines(exported: Exported) -> list[str]:
    info, whose = exported.info, "of the run's images" if exported.own else "generated images"
    lines = [f"{exported.path}  {exported.megabytes:.1f} MB, {info.precision}, images of {info.size} px"]
    if exported.difference is not None:
        lines.append(f"differs from PyTorch by {exported.difference:.1e} of a probability at most, on "
                     f"{exported.images} {whose}")  # fmt: skip
    if exported.resized is not None:
        lines.append(f"  and by {exported.resized:.1e} on images that it resizes itself")
    if exported.times is not None:
        lines.append(f"{exported.times:.1f} times the throughput of eager PyTorch here, in batches of 8")
    if info.lost:
        lines.append(_lost(info.lost, info.precision))
    if info.familiarity:
        lines.append(f"says how far an image is from {info.familiarity.images} training images, ranked among "
                     f"{len(info.familiarity.distances)} validation images")  # fmt: skip
    return [*lines, *(f"note: {note}" for note in exported.notes)]


def _lost(lost: Mapping[str, Any], precision: str) -> str:
    name = {"auc": "AUC", "dice": "Dice"}[lost["metric"]]
    ends = lost["low"], lost["high"]
    interval = "too few images for an interval" if None in ends else "{:+.4f} to {:+.4f}".format(*ends)
    return (
        f"{name} {lost['reduced']:.4f} in {precision}, {lost['full']:.4f} in fp32: difference {lost['value']:+.4f} "
        f"({interval}) on {lost['n']} {lost['split']} images"
    )


def _plain(exported: Exported) -> dict[str, Any]:
    plain = {key: value for key, value in asdict(exported).items() if key != "info"}
    return plain | {"path": str(exported.path), "info": json.loads(exported.info.to_json())}
