"""How far the images of a study are from the pretraining images, by one ruler for all studies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from medgraft.data import Manifest, apply_split_file
from medgraft.errors import RunError
from medgraft.files import write_text
from medgraft.pipeline.distance import layers_from_pretraining
from medgraft.progress import Observer
from medgraft.studies.folder import Study

DISTANCE = "distance.json"
"""In a study's folder, what ``medgraft distance DATA --json`` prints of its data."""
IMAGES = 128
"""Images that are looked at: 100 already place a data set to 0.02 or better."""


@dataclass(frozen=True)
class Ruled:
    """A distance from the pretraining images, and the encoder and size of image that it was measured by."""

    value: float
    ruler: str


def measure_distance(study: Study, manifest: Manifest, observer: Observer) -> None:
    """Write ``distance.json`` into the study's folder where there is none; what goes wrong is said, and no more.

    Whatever the encoders of the study are, the default one looks, as ``medgraft distance`` has it: only what one
    encoder measured at one size can be compared between studies. Test images are not looked at.
    """
    path, plan = study.folder / DISTANCE, study.plan
    if path.is_file():
        return
    what = "measuring the distance from the pretraining images"
    observer.working(what, 0, 1)
    try:
        split = apply_split_file(manifest, study.split_file(1 if plan.grid.folds else 0))
        found = layers_from_pretraining(
            split, images=IMAGES, observer=Observer(), seed=plan.recipe.seed, window=plan.recipe.window,
            device=plan.recipe.device,
        )  # fmt: skip
        write_text(path, json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n")
    except Exception as error:  # whatever it is, the cells stand
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        observer.say(f"the distance from the pretraining images is not known: {reason}")
    observer.working(what, 1, 1)


def read_distance(folder: Path) -> Ruled | None:
    """The distance from the pretraining images in ``distance.json``; None where there is no such file.

    Raises
    ------
    RunError
        Where the file is not what ``medgraft distance DATA --json`` prints.
    """
    path = folder / DISTANCE
    if not path.is_file():
        return None
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        value = float(plain["layers"]["value"])
        return Ruled(value, f"{plain.get('encoder', 'an encoder')} at {plain.get('size', 'some')} px")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{path} cannot be read as a distance from pretraining images ({type(error).__name__}); take it away, and "
            f"--resume the study, or write it again: medgraft distance DATA --json > {path}"
        ) from None
