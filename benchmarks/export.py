"""Throughput of exported models against eager PyTorch, what reduced precision costs, and how near the machine's limit.

A classifier (blood cells, EfficientNet-Lite0 at 224 px) and a U-Net on the same encoder (nuclei at 256 px) are
trained, or found in ``--runs``, and exported in every form. All forms then take turns on the same batches of the run's
own images, in one process; a figure is the median of its turns. Eager PyTorch is what ``run.predict`` runs. Exported
forms cut a batch into a part a core, as the server does; "whole batch" has all cores work on every layer together
instead.

The limit is what the machine does in a large matrix product, measured here in float32 and in bf16 (PyTorch, all
cores). The operations of a model are twice its multiplications.
"""

from __future__ import annotations

import argparse
import copy
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

# Before torch is imported, as the command line does (medgraft.threads).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
import numpy as np
import onnxruntime
import torch
from torchinfo import summary

from machine import describe_machine, heading, markdown, say
from medgraft import Run, fit
from medgraft.data import scale
from medgraft.pipeline.evaluating.data import own_subject
from medgraft.pipeline.export import Exported, export_run
from medgraft.progress import Observer
from medgraft.serving.sessions import as_input, open_session

FORMS = {
    "onnxruntime": ("onnx", "fp32"),
    "OpenVINO": ("openvino", "fp32"),
    "OpenVINO, bf16": ("openvino", "bf16"),
    "onnxruntime, int8": ("onnx", "int8"),
    "OpenVINO, int8": ("openvino", "int8"),
}
PEAK_SIDE = 2048


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes
    ----------
    name, data, options : of the training.
    """

    name: str
    data: Path
    options: dict[str, Any]


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    machine = describe_machine()
    shared = arguments.data
    subjects = (
        Subject("classifier", shared / "blood_cells" / "labels.csv", {"group": "source_image_group", "size": 224}),
        Subject("U-Net", shared / "nuclei", {"size": 256, "epochs": arguments.epochs}),
    )
    peaks = {"f32": _peak(torch.float32), "bf16": _peak(torch.bfloat16)}
    print(heading("Exported models", machine))
    print(f"A product of matrices of {PEAK_SIDE} x {PEAK_SIDE} runs at {peaks['f32']:.0f} GFLOP/s in float32, "
          f"{peaks['bf16']:.0f} in bf16.\n")  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        for subject in subjects:
            if arguments.only in (None, subject.name):
                run = _run(subject, arguments.runs or Path(scratch))
                print(_measured(subject, run, Path(scratch) / subject.name, peaks, arguments))


def _run(subject: Subject, folder: Path) -> Run:
    place = folder / f"{subject.name.lower()}-{subject.options['size']}"
    if (place / "scores.json").is_file():
        return Run(place)
    say(f"training: {subject.name}")
    return fit(subject.data, out=place, observer=Observer(), encoder="tf_efficientnet_lite0", **subject.options)


def _measured(subject: Subject, run: Run, folder: Path, peaks: dict[str, float], arguments: argparse.Namespace) -> str:
    files = {name: _export(run, folder, name) for name in FORMS}
    predictor = run.predictor if run.task == "segmentation" else run.label_predictor
    operations = (
        2e-9
        * summary(predictor.model, (1, predictor.channels, predictor.size, predictor.size), verbose=0).total_mult_adds
    )
    images = own_subject(run, None, Observer())
    pixels = np.asarray(images.store.images[images.manifest.rows("train")[:32]])
    rates = {batch: _rates(predictor, files, np.resize(pixels, (batch, *pixels.shape[1:])), arguments.turns)
             for batch in (8, 32)}  # fmt: skip
    columns = ["", "batch of 8", "times eager", "batch of 32", "times eager", "of the limit", "lost"]
    rows = []
    for name in rates[8]:
        best = max(rates[8][name], rates[32][name]) * operations
        share = "–" if "int8" in name else f"{best / peaks['bf16' if 'bf16' in name else 'f32']:.0%}"
        cells = [f"{rates[b][name]:.0f} /s|{rates[b][name] / rates[b]['eager PyTorch']:.1f}" for b in (8, 32)]
        rows.append([name, *(part for cell in cells for part in cell.split("|")), share, _lost(files.get(name))])
    title = f"### {subject.name}, {predictor.size} px, {operations:.2f} GFLOP an image\n\n"
    return title + markdown(columns, rows)


def _export(run: Run, folder: Path, name: str) -> Exported:
    form, precision = FORMS[name]
    say(f"exporting: {name}")
    suffix = ".onnx" if form == "onnx" else ".xml"
    out = folder / f"{form}-{precision}{suffix}"
    return export_run(run, form=form, precision=precision, out=out)  # type: ignore[arg-type]


def _rates(predictor: Any, files: dict[str, Exported], batch: np.ndarray, turns: int) -> dict[str, float]:
    """Images a second of each form."""
    calls = _torch_calls(predictor, batch)
    cores = torch.get_num_threads()
    pixels = as_input(batch, np.dtype(np.float32))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores
    whole = onnxruntime.InferenceSession(files["onnxruntime"].path, options, providers=["CPUExecutionProvider"])
    calls["onnxruntime, whole batch"] = lambda: whole.run(None, {"images": pixels})
    for name, exported in files.items():
        session = open_session(exported.path, cores)
        calls[name] = lambda session=session: session.run(pixels)  # type: ignore[misc]
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(turns + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: len(batch) / median(taken) for name, taken in seconds.items()}


def _torch_calls(predictor: Any, batch: np.ndarray) -> dict[str, Callable[[], Any]]:
    tensor = torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
    last = tensor.contiguous(memory_format=torch.channels_last)
    model = copy.deepcopy(predictor.model).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def channels_last() -> Any:
        return model(scale(last))

    return {"eager PyTorch": lambda: predictor.probabilities(tensor), "eager, channels last": channels_last}


def _peak(dtype: torch.dtype) -> float:
    """GFLOP/s of a large matrix product, the best of several."""
    a, b = (torch.randn(PEAK_SIDE, PEAK_SIDE).to(dtype) for _ in range(2))
    taken = []
    for _ in range(6):
        start = time.perf_counter()
        torch.mm(a, b)
        taken.append(time.perf_counter() - start)
    return 2e-9 * PEAK_SIDE**3 / min(taken)


def _lost(exported: Exported | None) -> str:
    if exported is None:
        return "–"
    lost = exported.info.lost
    if not lost:
        return f"parity {exported.difference:.0e}"
    name = {"auc": "AUC", "dice": "Dice"}[lost["metric"]]
    return f"{name} {lost['value']:+.4f} ({lost['low']:+.4f} to {lost['high']:+.4f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), metavar="DIR")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="keep the trained runs there, and take those found")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=20, help="of the U-Net")
    parser.add_argument("--only", choices=("classifier", "U-Net"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
