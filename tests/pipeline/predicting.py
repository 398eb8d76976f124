"""A run that was never trained: random weights and all that a prediction asks of a run's folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from medgraft.cli.main import main
from medgraft.data import LabelClasses, MaskClasses
from medgraft.models import ModelSpec, build_model
from medgraft.recipe import Recipe
from medgraft.run import Run
from medgraft.weightfile import save_weights

BINARY = MaskClasses(("background", "lesion"), ((0, 0, 0), (255, 255, 1)))
THREE = MaskClasses(("background", "grey", "white"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
PAIR = LabelClasses(("normal", "ill"))


def mask_run(folder: Path, seed: int = 0, classes: MaskClasses = BINARY) -> Run:
    """A U-Net of 32 x 32 that calls about half of all pixels foreground."""
    outputs = 1 if classes.count == 2 else classes.count
    spec = ModelSpec("unet", None, 1, outputs, mean=(0.5,), std=(0.25,), widths=(4, 8))
    run = _run(folder, spec, classes, seed, model="unet", strategy="scratch", size=32, augment="microscopy")
    if outputs == 1:
        run.update_model_info(threshold=float(np.median(run.predict(pixels(0)).probability)))
    return run


def label_run(folder: Path, seed: int = 0) -> Run:
    """A small convolutional classifier of 32 x 32."""
    spec = ModelSpec("classifier", "cbr_tiny", 1, 1, mean=(0.5,), std=(0.25,))
    return _run(folder, spec, PAIR, seed, task="classification", encoder="cbr_tiny", strategy="scratch", size=32)


def _run(folder, spec, classes, seed, **options) -> Run:
    torch.manual_seed(seed)
    recipe = Recipe.make(channels=1, **{"task": "segmentation"} | options)
    run = Run.create(folder, recipe)
    model = build_model(spec).eval()
    *_, last = (module for module in model.modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Linear))
    with torch.no_grad():
        # So that logits are spread around 0, and every class is found somewhere.
        last.weight *= 10
        logits = model(torch.from_numpy(pixels(0, 32, 32)).float().div(255)[None, None])
        last.bias -= logits.transpose(0, 1).flatten(1).mean(1)
    save_weights(folder / "model.safetensors", model.state_dict())
    run.save_model_info(
        size=32, source_size=[48, 64], classes=classes.to_dict(), threshold=0.5, spec=asdict(spec), window="auto"
    )
    return Run(folder)


def pixels(seed: int, height: int = 40, width: int = 56) -> np.ndarray:
    """Grey noise with a bright square in it."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 120, (height, width), dtype=np.uint8)
    image[8:20, 10 + seed % 10 : 30] += 100
    return image


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below the folder with its contents."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def call(capsys, *words: object) -> tuple[int, str, str]:
    """Run ``medgraft predict``: its exit code, standard output and standard error."""
    capsys.readouterr()
    code = main(["predict", *map(str, words)])
    return code, *capsys.readouterr()
