"""Domain distance by encoder and set of images, as docs/explanation/domain-distance.md has it, and the time it takes.

Photographs are those of :mod:`medgraft.transfer.anchors`, in crops of the first two, the first three and all of them;
other rows are the folders under ``--data``. Nothing is random but by the seed, so the figures come out again.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

# Before torch is imported, as the command line does (medgraft.threads).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
import numpy as np

from machine import describe_machine, heading, markdown, say
from medgraft.errors import WeightsError
from medgraft.models import FeatureEncoder, create_feature_encoder, find_weights
from medgraft.pipeline.distance_data import Reader, draw_sample
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.transfer.anchors import crops, noise, photograph_files
from medgraft.transfer.distance import DomainDistance, from_pretraining

ENCODERS = ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2", "mobilenetv2_100")
CROPS, NOISE = 128, 16


def main() -> None:
    """Measure every set with every encoder whose weights are at hand, and print the table."""
    arguments = _arguments()
    machine = describe_machine()
    sets = _sets(arguments)
    columns, cells, seconds = [], {name: [] for name in sets}, {}
    for encoder in _encoders(arguments.encoders):
        columns.append(encoder.name)
        for name, (images, groups) in sets.items():
            say(f"{encoder.name}: {name}")
            start = time.perf_counter()
            found = from_pretraining(encoder, [images], groups)
            seconds[encoder.name, name] = (time.perf_counter() - start) / len(images)
            cells[name].append(_cell(found, groups is not None))
    print(heading("Domain distance", machine))
    print(markdown(["", "images", *columns], [[name, str(len(sets[name][0])), *cells[name]] for name in sets]))
    for encoder in columns:
        per_image = sorted(value for (name, _), value in seconds.items() if name == encoder)
        say(f"{encoder}: {1000 * per_image[len(per_image) // 2]:.0f} ms an image, its median set, interval included")


def _sets(arguments: argparse.Namespace) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Images [n, size, size, 3] by name, with a group each where they are no crops or noise of ours."""
    size, files = arguments.size, photograph_files()
    sets: dict[str, tuple[np.ndarray, np.ndarray | None]] = {
        f"photographs, {count} in crops": (crops(files[:count], CROPS, size, 3), None)
        for count in sorted({2, 3, len(files)})
    }
    for folder in arguments.data:
        recipe = Recipe.make(Recipe(), size=size)
        reader = Reader(draw_sample(folder, recipe, arguments.images, Observer()), recipe)
        images = np.concatenate(list(reader))
        sets[folder.name] = (images, np.arange(len(images)) if reader.groups is None else reader.groups)
    sets["Gaussian noise"] = (noise("gaussian", NOISE, size, 3), None)
    sets["uniform noise"] = (noise("uniform", NOISE, size, 3), None)
    sets["black"] = (np.zeros((2, size, size, 3), np.uint8), None)
    return sets


def _encoders(names: list[str]) -> list[FeatureEncoder]:
    found = []
    for name in names:
        try:
            found.append(create_feature_encoder(name, weights=find_weights(name)))
        except WeightsError:
            say(f"{name}: its weights are not here")
    return found


def _cell(found: DomainDistance, with_interval: bool) -> str:
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})" if with_interval else f"{found.value:.2f}"


def _arguments() -> argparse.Namespace:
    shared = [Path("../shared/data") / name for name in ("isic2017", "nih_cxr", "blood_cells", "nuclei")]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="*", metavar="DIR", default=shared)
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS))
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--size", type=int, default=224)
    return parser.parse_args()


if __name__ == "__main__":
    main()
