"""Run: the folder a training leaves behind, and how to open it again on another machine."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any, get_args, overload

import pandas as pd

from medgraft.data import LabelClasses, MaskClasses
from medgraft.errors import RunError, counted, listing
from medgraft.files import write_text
from medgraft.inference import Answerer, answerer_of, answers
from medgraft.label_predictor import LabelPredictor
from medgraft.models import ModelSpec, build_model
from medgraft.prediction import Array, LabelPrediction, Prediction
from medgraft.predictor import Predictor
from medgraft.recipe import Recipe, Task
from medgraft.scores import Scores, read_predictions
from medgraft.version import __version__
from medgraft.weightfile import load_weights
from medgraft.window import AUTO

FORMAT = 1
"""Version of the folder's layout; a reader refuses a newer one."""


class Run:
    """A run folder.

    It holds ``recipe.yaml``, ``split.csv``, ``environment.json``, ``history.jsonl``, ``model.safetensors``,
    ``model.json``, ``checkpoint/``, ``predictions.csv``, ``predictions/``, ``scores.json`` and ``report.html``, and
    opens without the pretrained weights' source and without the training data.

    Examples
    --------
    >>> run = Run("runs/lesions-frozen-128")  # doctest: +SKIP
    >>> run.scores.test["dice"]  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise RunError(f"{self.folder}: no such run folder; give the folder that a training wrote.")
        if not (self.folder / "recipe.yaml").is_file():
            raise RunError(
                f"{self.folder}: not a run folder (it has no recipe.yaml); give the folder that a training wrote."
            )
        self._refuse_newer()

    @classmethod
    def create(cls, folder: str | Path, recipe: Recipe) -> Run:
        """Make a new run folder; raises RunError where one exists."""
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(
                f"{folder} exists already. Choose another folder with --out, or add --resume to go on with that run."
            )
        folder.mkdir(parents=True, exist_ok=True)
        recipe.save(folder / "recipe.yaml")
        return cls(folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @cached_property
    def recipe(self) -> Recipe:
        """The complete recipe that the run was started with."""
        return Recipe.load(self.folder / "recipe.yaml")

    @property
    def folds(self) -> list[Run]:
        """The runs of a cross-validation, one a fold; empty where this is no cross-validation."""
        return [Run(self.folder / f"fold-{k}") for k in range(1, self.recipe.folds + 1)] if self.recipe.folds else []

    @property
    def finished(self) -> bool:
        """Whether the run was trained and evaluated to the end."""
        trained = bool(self.recipe.folds) or (self.folder / "model.safetensors").is_file()
        return trained and (self.folder / "scores.json").is_file()

    @property
    def task(self) -> str:
        """``segmentation`` or ``classification``."""
        return str(self.model_info["task"])

    @property
    def scores(self) -> Scores:
        """Scores by split and metric, with intervals; raises RunError before the run is evaluated."""
        return Scores.load(self._need("scores.json"))

    @property
    def history(self) -> list[dict[str, Any]]:
        """What happened in each epoch: losses, scores, rates, seconds."""
        path = self.folder / "history.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    @property
    def predictions(self) -> pd.DataFrame:
        """One row an evaluated image: id, files, split, and its scores."""
        path = self._need("predictions.csv")
        try:
            return read_predictions(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read ({error}); train again with another --out.") from None

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, machine, what the probe chose, where the time went."""
        return self._json("environment.json")

    @property
    def model_info(self) -> dict[str, Any]:
        """What travels with the weights: architecture, preprocessing, classes, threshold, licence."""
        info = self._json("model.json")
        classes = info.get("classes")
        lacking = None
        if not isinstance(classes, dict) or "names" not in classes:
            lacking = "no classes"
        elif info.get("task") not in get_args(Task):
            lacking = f"task {info.get('task')!r}"
        if lacking:
            raise RunError(
                f"{self.folder}: model.json cannot be read as what the run's model is ({lacking}); put its own file "
                "back."
            )
        return info

    def update_environment(self, **entries: Any) -> None:
        """Add entries to environment.json."""
        known = self.environment if (self.folder / "environment.json").is_file() else {}
        write_text(self.folder / "environment.json", json.dumps(known | entries, indent=2) + "\n")

    def save_model_info(self, **entries: Any) -> None:
        """Write model.json, with the folder's format and the version of this package."""
        info = {"format": FORMAT, "medgraft": __version__, "task": self.recipe.task} | entries
        write_text(self.folder / "model.json", json.dumps(info, indent=2) + "\n")

    def update_model_info(self, **entries: Any) -> None:
        """Add entries to model.json, such as a threshold that was chosen after training."""
        write_text(self.folder / "model.json", json.dumps(self.model_info | entries, indent=2) + "\n")
        for cached in ("predictor", "label_predictor", "answerer"):
            self.__dict__.pop(cached, None)

    @cached_property
    def predictor(self) -> Predictor:
        """The trained segmentation model, ready to predict; raises RunError where the run has none."""
        return Predictor(**self._model("segmentation", MaskClasses))

    @cached_property
    def label_predictor(self) -> LabelPredictor:
        """The trained classifier, ready to predict; raises RunError where the run has none."""
        return LabelPredictor(**self._model("classification", LabelClasses))

    def _model(self, task: str, kind: type[LabelClasses] | type[MaskClasses]) -> dict[str, Any]:
        """The model and what it wants of images; RunError where it is for another task or does not fit."""
        info = self.model_info
        if info["task"] != task:
            raise RunError(f"{self.folder}: a run for {info['task']}, and one for {task} is wanted here.")
        if self.recipe.folds:
            raise RunError(
                f"{self.folder}: a cross-validation trains a model a fold and has none of its own; "
                f"take one of them, such as {self.folder / 'fold-1'}."
            )
        spec, wants = self._described(info, kind)
        model = build_model(spec)
        state = load_weights(self._need("model.safetensors"))
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{self.folder}: model.safetensors does not fit model.json ({reason}).") from None
        return {"model": model.eval(), **wants}

    def _described(
        self, info: dict[str, Any], kind: type[LabelClasses] | type[MaskClasses]
    ) -> tuple[ModelSpec, dict[str, Any]]:
        """The model's structure, and what it wants and means; RunError where model.json does not say it."""
        try:
            spec = ModelSpec.from_dict(info["spec"])
            classes = kind.from_dict(info["classes"])
            wants = {
                "classes": classes,
                "size": int(info["size"]),
                "channels": int(info["spec"]["in_channels"]),
                "threshold": float(info["threshold"]),
                "temperature": float(info.get("temperature", 1.0)),
                "window": str(info.get("window", AUTO)),
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunError(
                f"{self.folder}: model.json cannot be read as what the run's model is ({error}); put its own file back."
            ) from None
        if classes.outputs != spec.classes:
            raise RunError(
                f"{self.folder}: model.json is not of this model: it speaks of {classes.count} classes "
                f"({listing(classes.names)}), which are not told apart by {counted(spec.classes, 'output')}; put the "
                "run's own file back."
            )
        return spec, wants

    @cached_property
    def answerer(self) -> Answerer:
        """The model, or the models of all folds together; with further looks, see :mod:`medgraft.inference`."""
        return answerer_of(self)

    @overload
    def predict(self, image: str | Path | Array) -> Prediction | LabelPrediction: ...
    @overload
    def predict(self, image: list[Any] | tuple[Any, ...]) -> list[Prediction | LabelPrediction]: ...
    def predict(
        self, image: str | Path | Array | list[Any] | tuple[Any, ...]
    ) -> Prediction | LabelPrediction | list[Prediction | LabelPrediction]:
        """Predict an image file or an array: a mask of the image's own size, or a label; of a list, a list of them.

        The images of a list go through the model in batches and are read in parallel. The folds of a cross-validation
        answer together, by the mean of their probabilities. Raises DataError for an image that cannot be read.
        """
        if isinstance(image, list | tuple):
            return [answer.prediction for answer in answers(self.answerer, image)]
        return self.answerer.predict(image).prediction

    def _need(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise RunError(
                f"{self.folder}: the run has no {name}; its training has not ended. Go on with it by --resume."
            )
        return path

    def _json(self, name: str) -> dict[str, Any]:
        path = self._need(name)
        try:
            loaded = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read ({error}).") from None
        if not isinstance(loaded, dict):
            raise RunError(f"{path} should hold a mapping and holds a {type(loaded).__name__}.")
        return loaded

    def _refuse_newer(self) -> None:
        if not (self.folder / "model.json").is_file():
            return
        found = self.model_info.get("format")
        if not isinstance(found, int) or found > FORMAT:
            raise RunError(
                f"{self.folder} was written by a newer version (medgraft {self.model_info.get('medgraft')}, folder "
                f"format {found}; this is medgraft {__version__}, format {FORMAT}). Upgrade medgraft to open it."
            )
