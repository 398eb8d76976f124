"""A trained run as one file that runs without it: written, compared with PyTorch, and described."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from medgraft.errors import DataError, EngineError, MedgraftError, RecipeError, RunError
from medgraft.evaluation.resampling import Bootstrap
from medgraft.export.familiarity import LARGEST, with_familiarity
from medgraft.export.formats import SUFFIXES, WRITERS, check_choice
from medgraft.export.graph import Graph, has_features
from medgraft.export.int8 import CALIBRATION, quantised
from medgraft.export.onnx_file import graph_as_onnx, sample_images
from medgraft.export.torch_file import TorchFile, write_torch
from medgraft.files import replacing
from medgraft.label_predictor import LabelPredictor
from medgraft.pipeline.evaluating.data import Subject, own_subject
from medgraft.pipeline.export_check import (
    TOLERANCE,
    accuracy_lost,
    largest_difference,
    resized_difference,
    times_faster,
)
from medgraft.prediction import Array
from medgraft.predictor import Predictor
from medgraft.progress import Observer
from medgraft.run import Run
from medgraft.serving.model_info import ModelInfo
from medgraft.serving.sessions import Session, as_input, open_session
from medgraft.transfer.moments import sample_rows

Form = Literal["onnx", "openvino", "torch"]
CHECKED = 16
"""Images on which the file is compared with PyTorch."""

RESIZED = 8
"""Images at their own size on which the resize inside the graph is compared."""


@dataclass(frozen=True)
class Exported:
    """What was written, and what was measured on it.

    Attributes
    ----------
    path : the file to load; OpenVINO's has a ``.bin`` beside it.
    info : what it says of itself; ``info.lost`` is what reduced precision costs.
    megabytes : of all that was written.
    difference : the largest difference of a probability from PyTorch's; None where it was not checked.
    resized : the same for images that the graph resizes; None where it does not.
    images : on how many images it was compared, and ``own`` whether these are the run's.
    times : throughput as a multiple of eager PyTorch's, in batches of 8; None where it was not measured.
    notes : what a user must know.
    """

    path: Path
    info: ModelInfo
    megabytes: float
    difference: float | None = None
    resized: float | None = None
    images: int = 0
    own: bool = False
    times: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Job:
    """A run and how it is to be exported."""

    run: Run
    predictor: Predictor | LabelPredictor
    subject: Subject | None
    form: Form
    precision: str
    graph: Graph
    dtype: str
    check: bool
    observer: Observer

    @property
    def sample(self) -> Any:
        return sample_images(self.predictor.size, self.predictor.channels, self.dtype)

    def pixels(self, split: str, limit: int) -> Array:
        """Up to ``limit`` images of a split at working size, [n, size, size, C]."""
        assert self.subject is not None
        rows = self.subject.manifest.rows(split)
        return np.asarray(self.subject.store.images[rows[sample_rows(len(rows), limit)]])


def export_run(
    run: str | Path | Run,
    data: str | Path | None = None,
    *,
    form: Form = "onnx",
    precision: str = "fp32",
    out: str | Path | None = None,
    resize: Literal["outside", "inside"] = "outside",
    dtype: Literal["float32", "uint8"] = "float32",
    check: bool = True,
    observer: Observer | None = None,
) -> Exported:
    """Write a run's model as one file, with its preprocessing and the final sigmoid or softmax inside.

    Parameters
    ----------
    data : where the run's own images lie now; None looks where the training found them. Without them the file cannot
        say how far an image is from the training images, and int8 cannot be had.
    form : ``onnx``, ``openvino`` (extra ``cpu``) or ``torch``.
    precision : ``fp32``; ``int8`` (onnx, openvino); ``bf16`` (openvino).
    out : the file; by default in the run's folder ``export``.
    resize : ``inside`` lets the graph bring images of any size to the working size.
    dtype : what images are handed over as, with values from 0 to 255.
    check : compare with PyTorch on the run's images, and measure the throughput and what reduced precision costs.

    Raises
    ------
    RunError
        For a run without weights, with a file cut short or of another model, and for a cross-validation.
    RecipeError
        For choices that do not go together.
    EngineError
        Where the file would differ from PyTorch by more than 1e-4, or OpenVINO is not installed; nothing is written.
    """
    opened = run if isinstance(run, Run) else Run(run)
    check_choice(form, precision)
    path = _place(opened, form, precision, out)
    predictor = _predictor(opened)
    watching = observer or Observer()
    subject, notes = _images(opened, data, watching)
    graph = Graph(
        predictor.model, predictor.classes, predictor.temperature, predictor.size if resize == "inside" else None
    )
    info = _info(opened, predictor, precision, resize)
    job = _Job(opened, predictor, subject, form, precision, graph, dtype, check, watching)
    try:
        if form == "torch":
            return _torch(job, info, path, notes)
        return _onnx(job, info, path, notes)
    finally:
        watching.close()


def _torch(job: _Job, info: ModelInfo, path: Path, notes: tuple[str, ...]) -> Exported:
    with tempfile.TemporaryDirectory() as scratch:
        candidate = Path(scratch) / "model.pt2"
        write_torch(candidate, job.graph, job.sample, info)
        found = _checked(job, TorchFile(candidate)) if job.check else {}
        with replacing(path) as temporary:
            shutil.copyfile(candidate, temporary)
    unable = "a file for PyTorch cannot tell unfamiliar images from others; --format onnx can"
    return Exported(path, info, _megabytes(path), notes=(*notes, unable), **found)


def _onnx(job: _Job, info: ModelInfo, path: Path, notes: tuple[str, ...]) -> Exported:
    write = WRITERS[job.form]
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "plain.onnx"
        content = graph_as_onnx(job.graph, job.sample)
        WRITERS["onnx"](plain, content, replace(info, precision="fp32"))
        full = open_session(plain)
        if job.precision == "int8":
            if job.subject is None:
                raise DataError(f"int8 is calibrated on training images: {notes[0]}")
            job.observer.working("calibrating", 0, 1)
            content = quantised(content, as_input(job.pixels("train", CALIBRATION), full.dtype))
            job.observer.working("calibrating", 1, 1)
        candidate = Path(scratch) / path.name
        write(candidate, content, info)
        # Features by the very numbers that later images get.
        content, info, more = _familiar(job, content, info, open_session(candidate))
        write(candidate, content, info)
        session = open_session(candidate)
        found = _checked(job, session) if job.check else {}
        if job.check and job.precision != "fp32" and job.subject is not None and job.subject.rows:
            bootstrap = Bootstrap(job.run.recipe.bootstrap, seed=job.run.recipe.seed)
            lost = accuracy_lost(job.predictor, full, session, job.subject, bootstrap, job.observer)
            info = replace(info, lost=lost)
            if not lost:
                alike = "the held-out images have no score (are they of one class?)"
                more = (*more, f"what {job.precision} costs was not measured: {alike}")
    write(path, content, info)
    return Exported(path, info, _megabytes(path), notes=(*notes, *more), **found)


def _familiar(job: _Job, content: bytes, info: ModelInfo, session: Session) -> tuple[bytes, ModelInfo, tuple[str, ...]]:
    """The model that also says how far an image is from the training images, where that can be said."""
    if not has_features(job.predictor.model):
        return content, info, ("the model has no encoder, so the file cannot tell unfamiliar images from others",)
    if job.subject is None:
        return content, info, ()
    features = [_features(job, session, split, LARGEST) for split in ("train", "val")]
    content, familiarity = with_familiarity(content, *features)
    if familiarity is None:
        few = "there are too few validation images for the file to tell unfamiliar images from others"
        return content, info, (few,)
    return content, replace(info, familiarity=familiarity), ()


def _features(job: _Job, session: Session, split: str, limit: int) -> Array:
    images = job.pixels(split, limit)
    found = []
    for start in range(0, len(images), CHECKED):
        found.append(session.run(as_input(images[start : start + CHECKED], session.dtype))["features"])
        job.observer.working(f"features of the {split} images", min(start + CHECKED, len(images)), len(images))
    return np.concatenate(found) if found else np.zeros((0, 1), np.float32)


def _checked(job: _Job, session: Session) -> dict[str, Any]:
    """Differences from PyTorch and throughput; EngineError where float32 differs."""
    own = job.subject is not None
    images = job.pixels("val", CHECKED) if own else np.zeros(0)
    if own and not len(images):
        images = job.pixels("train", CHECKED)
    if not own:
        shape = (CHECKED, job.predictor.size, job.predictor.size, job.predictor.channels)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    if session.dtype == np.uint8 and images.dtype == np.uint16:
        images = as_input(images, session.dtype)
    difference = largest_difference(job.predictor, session, images)
    if job.precision == "fp32" and not difference <= TOLERANCE:
        raise EngineError(
            f"{job.run.folder}: the exported model differs from PyTorch by {difference:.1e} of a probability (at most "
            f"{TOLERANCE:.0e} is allowed), so it was not written; try another --format."
        )
    resized = None
    if job.graph.size is not None and job.subject is not None:
        addresses = job.subject.manifest.table["image"].tolist()[:RESIZED]
        resized = resized_difference(job.predictor, session, addresses)
    times = times_faster(job.predictor, session, images)
    return {"difference": difference, "resized": resized, "images": len(images), "own": own, "times": times}


def _predictor(run: Run) -> Predictor | LabelPredictor:
    if run.recipe.folds:
        raise RunError(
            f"{run.folder}: a cross-validation trains a model a fold and has none of its own; export one of them, such "
            f"as {run.folder / 'fold-1'}."
        )
    return run.predictor if run.task == "segmentation" else run.label_predictor


def _images(run: Run, data: str | Path | None, observer: Observer) -> tuple[Subject | None, tuple[str, ...]]:
    """The run's own images; where they are gone and nobody named a place for them, why."""
    if data is not None:
        found = own_subject(run, data, observer, "medgraft export {run} DATA")
        return found, found.cautions
    try:
        found = own_subject(run, None, observer, "medgraft export {run} DATA")
    except MedgraftError as error:
        return None, (f"the run's images are not at hand ({str(error).split('; ')[0].rstrip('.')})",)
    return found, found.cautions


def _info(run: Run, predictor: Predictor | LabelPredictor, precision: str, resize: str) -> ModelInfo:
    raw = run.model_info
    weights = raw.get("weights") or {}
    return ModelInfo(
        name=run.name,
        task=run.task,
        size=predictor.size,
        channels=predictor.channels,
        classes=predictor.classes,
        threshold=predictor.threshold,
        temperature=predictor.temperature,
        window=predictor.window,
        encoder=raw["spec"].get("encoder"),
        source=weights.get("source"),
        licence=weights.get("licence"),
        precision=precision,
        resize=resize,
        digest=hashlib.sha256((run.folder / "model.safetensors").read_bytes()).hexdigest(),
    )


def _place(run: Run, form: Form, precision: str, out: str | Path | None) -> Path:
    suffix = SUFFIXES[form]
    if out is None:
        stem = "model" if precision == "fp32" else f"model-{precision}"
        return run.folder / "export" / f"{stem}{suffix}"
    path = Path(out)
    if path.suffix != suffix or path.is_dir():
        raise RecipeError(f"--out {out}: a file of the format {form} has a name that ends in {suffix}.")
    return path


def _megabytes(path: Path) -> float:
    files = [path, path.with_suffix(".bin")] if path.suffix == SUFFIXES["openvino"] else [path]
    return sum(file.stat().st_size for file in files) / 1e6
