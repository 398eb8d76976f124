"""CKA of all pairs of blocks: its time against a forward pass over the same images, and its memory."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch
from torch import Tensor

from machine import describe_machine, heading, markdown, say
from medgraft.models import Encoder, create_feature_encoder
from medgraft.transfer.onnx_export import evaluating
from medgraft.transfer.reuse import similarity
from medgraft.transfer.reuse.outputs import block_outputs

MOST_TIMES, MOST_BYTES = 3.0, 4e9
"""What is to be reached: the cost in forward passes, and the memory."""


def main() -> None:
    """Measure one and two encoders, each in a fresh process, and compare."""
    options = _options()
    if options.models:
        print(json.dumps(measure(options.models, options)))
        return
    machine = describe_machine()
    rows, reached = [], True
    for models in (1, 2):
        found = _in_a_fresh_process(models, options)
        times = found["cka"] / found["forward"]
        reached &= times <= MOST_TIMES and found["peak"] <= MOST_BYTES
        rows.append([
            f"{models}", f"{found['pairs']}", f"{found['forward']:.1f} s", f"{found['cka']:.1f} s", f"{times:.2f}",
            f"{found['peak'] / 1e9:.2f} GB", f"{found['start'] / 1e9:.2f} GB",
        ])  # fmt: skip
    print(heading("CKA of all pairs of blocks", machine))
    print(f"{options.encoder}, {options.images} images of {options.size} px in batches of {options.batch}.\n")
    columns = [
        "encoders", "pairs of blocks", "forward pass of one encoder", "CKA, forward passes included",
        "times one forward pass", "peak memory", "memory before, Python with torch and weights",
    ]  # fmt: skip
    print(markdown(columns, rows))
    print(f"To reach: at most {MOST_TIMES:g} times one forward pass, and {MOST_BYTES / 1e9:g} GB.")
    print("Forward passes and CKA take turns, batch by batch, so that both meet the same load of the machine.")
    sys.exit(0 if reached else 1)


def measure(models: int, options: argparse.Namespace) -> dict[str, float]:
    """Seconds of a forward pass of one encoder and of CKA of ``models``, and peak memory, of the same images."""
    encoders = {f"{number}": create_feature_encoder(options.encoder).eval() for number in range(models)}
    first, start, forward = encoders["0"], _resident(), 0.0
    _forward(first, torch.rand(2, 3, options.size, options.size))

    def batches() -> Iterator[tuple[range, Tensor]]:
        nonlocal forward
        for begin in range(0, options.images, options.batch):
            rows = range(begin, min(begin + options.batch, options.images))
            images = torch.rand(len(rows), 3, options.size, options.size)
            begun = time.perf_counter()
            _forward(first, images)
            forward += time.perf_counter() - begun
            yield rows, images
            say(f"{models} encoders: {rows.stop} of {options.images} images")

    begun = time.perf_counter()
    found = similarity(encoders, batches())
    whole, made = time.perf_counter() - begun, len(found.names)
    return {
        "forward": forward,
        "cka": whole - forward,
        "pairs": made * (made + 1) // 2,
        "peak": _peak(),
        "start": start,
    }


@torch.inference_mode()
def _forward(encoder: Encoder, images: Tensor) -> None:
    """A plain pass, in which nothing is looked at."""
    with evaluating(encoder):
        for _ in block_outputs(encoder, images):
            pass


def _in_a_fresh_process(models: int, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--models", str(models)]
    for name in ("encoder", "images", "size", "batch"):
        command += [f"--{name}", str(getattr(options, name))]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def _peak() -> int:
    # The kernel's own table: getrusage's peak is handed down from the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="resnet50", help="a timm name")
    parser.add_argument("--images", type=int, default=1000, help="how many, of noise")
    parser.add_argument("--size", type=int, default=224, help="side in pixels")
    parser.add_argument("--batch", type=int, default=64, help="images at once, as medgraft reuse takes at this size")
    parser.add_argument("--models", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
