"""What a pretraining comparison over a million images costs: arithmetic from a throughput, measured or given."""

from __future__ import annotations

import argparse
import io
import statistics
import time

import numpy as np
import timm
import torch
from PIL import Image

from machine import describe_machine, heading, markdown, say

CITED = {"1 x A100 80 GB": (1, 2470.0), "8 x A100 80 GB": (8, 16621.0)}
"""GPUs and images a second of ResNet-50 at 224 px in mixed precision, as NVIDIA published them (see scale.md)."""

_NAMES = {"cpu": "one core"}
_CLOCK = {"cpu": ", one thread, by processor time, on which other work counts little"}


def main() -> None:
    """Measure this machine, then print the arithmetic for it, for what was given and for what was published."""
    options = _options()
    machine = describe_machine()
    here, decoded = trained(options), decoded_a_core(options)
    machines = {f"this machine, {_NAMES.get(options.device, options.device)}": (1, here), **CITED}
    if options.rate:
        machines["as given"] = (options.gpus, options.rate)
    print(heading("A pretraining comparison", machine))
    print(
        f"{options.encoder} at {options.size} px, batches of {options.batch}: {here:.2f} images a second trained "
        f"(median of {options.steps} steps{_CLOCK.get(options.device, '')}).\n"
        f"A core decodes and resizes {decoded:.0f} JPEG images of {options.native} px a second.\n"
    )
    print(markdown(["of the study", "value"], _sizes(options)))
    rows = [_row(name, gpus, rate, decoded, options) for name, (gpus, rate) in machines.items()]
    print(markdown(["machine", "images a second", "one training", f"{_trainings(options)} trainings",
                    "hours of GPUs (or the core)", "cores that decode"], rows))  # fmt: skip


def trained(options: argparse.Namespace) -> float:
    """Images a second of forward, backward and step, with the batch at hand; on the CPU, of one core."""
    device = torch.device(options.device)
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    torch.set_num_threads(1)
    model = timm.create_model(options.encoder, num_classes=10).to(device).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    images = torch.randn(options.batch, 3, options.size, options.size, device=device)
    targets = torch.randint(10, (options.batch,), device=device)
    seconds = []
    for step in range(options.steps + 1):
        start = clock()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu"):
            loss = torch.nn.functional.cross_entropy(model(images), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()  # waits for the device
        seconds.append(clock() - start)
        say(f"step {step + 1}: {seconds[-1]:.2f} s")
    return float(options.batch / statistics.median(seconds[1:]))


def decoded_a_core(options: argparse.Namespace, times: int = 40) -> float:
    """JPEG images that one core decodes and resizes in a second; smooth noise stands for what a camera sees."""
    small = np.random.default_rng(0).integers(0, 255, (options.native // 8, options.native // 8, 3), np.uint8)
    image = Image.fromarray(small).resize((options.native, options.native), Image.Resampling.BICUBIC)
    kept = io.BytesIO()
    image.save(kept, "jpeg", quality=90)
    start = time.process_time()
    for _ in range(times):
        Image.open(kept).convert("RGB").resize((options.size, options.size), Image.Resampling.BILINEAR)
    return times / (time.process_time() - start)


def _trainings(options: argparse.Namespace) -> int:
    return int(options.cells * options.seeds)


def _sizes(options: argparse.Namespace) -> list[list[str]]:
    pixels, files = options.images * options.size**2 * 3 / 1e9, options.images * options.kilobytes / 1e6
    return [
        ["trainings", f"{options.cells} initialisations x {options.seeds} seeds = {_trainings(options)}"],
        ["images seen", f"{_trainings(options)} x {options.epochs} epochs x {options.images:,} = {_seen(options):.2e}"],
        ["store of uint8 pixels", f"{options.images:,} x {options.size}^2 x 3 bytes = {pixels:.0f} GB"],
        ["JPEG files", f"{options.images:,} x {options.kilobytes:g} kB = {files:.0f} GB"],
        ["shards of 1 GB", f"{files:.0f}"],
    ]  # fmt: skip


def _seen(options: argparse.Namespace) -> float:
    return float(_trainings(options) * options.epochs * options.images)


def _row(name: str, gpus: int, rate: float, decoded: float, options: argparse.Namespace) -> list[str]:
    hours = options.epochs * options.images / rate / 3600
    total = hours * _trainings(options)
    return [name, f"{rate:,.1f}", _time(hours), _time(total), f"{gpus * total:,.0f}", f"{rate / decoded:.1f}"]


def _time(hours: float) -> str:
    return f"{hours:,.1f} h" if hours < 72 else f"{hours / 24:,.0f} days"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="resnet50", help="a timm name")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--native", type=int, default=512, help="pixels of a side of the files")
    parser.add_argument("--kilobytes", type=float, default=100, help="of a file")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--cells", type=int, default=3, help="initialisations")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rate", type=float, help="images a second of your machine")
    parser.add_argument("--gpus", type=int, default=1, help="that give this rate together")
    return parser.parse_args()


if __name__ == "__main__":
    main()
