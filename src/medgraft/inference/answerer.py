"""One way to ask for an answer, whether one model gives it or many, at one glance or at many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from medgraft.data import LabelClasses, MaskClasses
from medgraft.errors import RecipeError, RunError
from medgraft.inference.answer import Answer, label_answer, mask_answer
from medgraft.inference.member import Member
from medgraft.inference.views import IDENTITY, NONE, POLICY, parse_views
from medgraft.inference.windows import Tiling, Windows
from medgraft.label_predictor import LabelPredictor
from medgraft.prediction import Array, LabelPrediction, as_pixels
from medgraft.predictor import Predictor
from medgraft.recipe import Recipe


class Trained(Protocol):
    """What is asked of a run; :class:`medgraft.run.Run` is one."""

    folder: Path

    @property
    def task(self) -> str: ...
    @property
    def recipe(self) -> Recipe: ...
    @property
    def model_info(self) -> dict[str, Any]: ...
    @property
    def folds(self) -> Sequence[Trained]: ...
    @property
    def predictor(self) -> Predictor: ...
    @property
    def label_predictor(self) -> LabelPredictor: ...


@dataclass(frozen=True)
class Seen:
    """An image as it was read.

    Attributes
    ----------
    pixels : [H, W, C] at the image's own size, as the first model reads it.
    shown : what each model is shown of it.
    """

    pixels: Array
    shown: tuple[Array, ...]


@dataclass(frozen=True)
class Answerer:
    """Models that answer together by the mean of their probabilities.

    :meth:`predict` does all for one image; :meth:`look`, :meth:`weigh` and :meth:`conclude` are its steps, of which the
    first and the last may run in other threads while the models are at work.

    Attributes
    ----------
    members : the models, each with its own size, channels, window and temperature; see :class:`Member`.
    classes : of all of them.
    threshold : probability from which a pixel is foreground, or an image positive.
    """

    members: tuple[Member, ...]
    classes: MaskClasses | LabelClasses
    threshold: float

    @property
    def task(self) -> str:
        """``segmentation`` or ``classification``."""
        return "segmentation" if isinstance(self.classes, MaskClasses) else "classification"

    def predict(self, image: str | Path | Array) -> Answer:
        """Answer for a file, or an array [H, W] or [H, W, channels] of uint8 or uint16; see Predictor."""
        seen = self.look(image)
        return self.conclude(seen, self.weigh([seen])[0])

    def probabilities_of(self, image: str | Path | Array) -> Array:
        """Mean probabilities of one image: [C] of labels, or at the image's size [H, W] (binary) or [C, H, W]."""
        prediction = self.predict(image).prediction
        return prediction.probabilities if isinstance(prediction, LabelPrediction) else prediction.probability

    def look(self, image: str | Path | Array) -> Seen:
        """Read an image, once for each way of reading that a model has, and resize it for each size."""
        read: dict[tuple[int, str], Array] = {}
        shown: dict[tuple[tuple[int, str], Tiling | int], Array] = {}
        for member in self.members:
            if member.reading not in read:
                read[member.reading] = as_pixels(image, *member.reading)
            key = (member.reading, member.scaling)
            if key not in shown:
                shown[key] = member.shown(read[member.reading])
        first = read[self.members[0].reading]
        return Seen(first, tuple(shown[member.reading, member.scaling] for member in self.members))

    def weigh(self, seen: Sequence[Seen]) -> list[tuple[Array, ...]]:
        """What each model says of each image: probabilities [C], or [1 or C, h, w] at the scale that it was shown."""
        said = [m.probabilities([image.shown[i] for image in seen]) for i, m in enumerate(self.members)]
        return list(zip(*said, strict=True))

    def conclude(self, seen: Seen, opinions: Sequence[Array]) -> Answer:
        """The answer to an image from the models' opinions; no model is needed for it."""
        if isinstance(self.classes, LabelClasses):
            return label_answer(opinions, self.classes, self.threshold)
        height, width = seen.pixels.shape[:2]
        return mask_answer(opinions, (height, width), self.classes, self.threshold)

    def to(self, device: str | torch.device) -> Answerer:
        """Move all models to a device; returns self."""
        for member in self.members:
            member.predictor.model.to(device)
        return self


def answerer_of(
    run: Trained,
    *,
    tta: str = NONE,
    windows: Windows | None = None,
    others: Sequence[Trained] = (),
    threshold: float | None = None,
) -> Answerer:
    """The models of runs as one :class:`Answerer`.

    Parameters
    ----------
    run : a run, or a cross-validation, whose folds answer together.
    tta : test-time augmentation: ``none``; ``policy``, the flips and quarter turns that each run's own augmentation
        had; or names of views, comma separated (see :data:`medgraft.inference.VIEWS`).
    windows : cut images that are larger than those of the training into windows (masks alone); None shows them whole.
    others : runs (or cross-validations) that answer with the first, all of one task and with the same classes.
    threshold : probability from which a pixel is foreground, or an image positive; None takes the first run's.

    Raises
    ------
    RunError
        For a run without a model, and for runs that do not fit together.
    RecipeError
        For an option out of range, windows for labels, and a ``policy`` that allows no view but the image itself.
    """
    runs = [single for chosen in (run, *others) for single in (chosen.folds or [chosen])]
    _refuse_strangers(run, runs)
    if windows is not None and run.task != "segmentation":
        raise RecipeError(f"windows: they are for masks, and {run.folder} gives a label to an image as a whole.")
    members = tuple(_member(single, tta, windows) for single in runs)
    if tta == POLICY and all(member.views == (IDENTITY,) for member in members):
        raise RecipeError(
            f"tta: {run.folder} was trained without flips and quarter turns (as a chest X-ray has an up and a left), "
            "so there is no other view to look at. Leave it out, or name views yourself, such as left-right."
        )
    chosen = float(run.model_info["threshold"]) if threshold is None else threshold
    return Answerer(members, members[0].predictor.classes, chosen)


def _member(run: Trained, tta: str, windows: Windows | None) -> Member:
    predictor = run.predictor if run.task == "segmentation" else run.label_predictor
    tiling = _tiling(run, windows, predictor.size) if windows is not None else None
    return Member(predictor, parse_views(tta, run.recipe.augment), tiling)


def _tiling(run: Trained, windows: Windows, size: int) -> Tiling:
    if windows.side is not None:
        return Tiling(windows.side, windows.side, size, windows.overlap)
    trained = run.model_info.get("source_size")
    if trained is None:
        raise RecipeError(
            f"windows: {run.folder} does not say how large its training images were (an earlier version wrote it); "
            "give the side of a window in pixels of your images, by --window-side."
        )
    return Tiling(int(trained[0]), int(trained[1]), size, windows.overlap)


def _refuse_strangers(first: Trained, runs: Sequence[Trained]) -> None:
    """Raise RunError unless all runs do one task, with the same classes, and none comes twice."""
    seen: set[Path] = set()
    for run in runs:
        place = run.folder.resolve()
        if place in seen:
            raise RunError(f"{run.folder}: named twice; a run counts once in an ensemble.")
        seen.add(place)
        if run.task != first.task:
            raise RunError(
                f"{run.folder} is a run for {run.task} and {first.folder} one for {first.task}; they cannot answer "
                "together."
            )
        ours, theirs = (_classes(one.model_info["classes"]) for one in (first, run))
        if ours != theirs:
            raise RunError(
                f"{run.folder} knows the classes {', '.join(theirs[0])} and {first.folder} {', '.join(ours[0])}"
                f"{' with other values' if ours[0] == theirs[0] else ''}; runs answer together only about the same "
                "ones, in one order."
            )


def _classes(record: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """Names, and all else that is said of them, in a form that can be compared."""
    return tuple(record["names"]), repr(sorted((key, value) for key, value in record.items() if key != "names"))
