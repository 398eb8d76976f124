"""An exported file and what it says of images; onnxruntime is all that it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from medgraft.data import LabelClasses, MaskClasses
from medgraft.data.resize import resize_image
from medgraft.errors import DataError
from medgraft.prediction import Array, LabelPrediction, Prediction, as_pixels, decide_label, decide_mask
from medgraft.serving.model_info import ModelInfo
from medgraft.serving.occlusion import CELLS, Floats, occlusion_map
from medgraft.serving.sessions import Session, as_input, open_session

__all__ = ["Answer", "ModelInfo", "ServedModel"]

BATCH = 16
"""Images that go through the model at once; more are cut into batches, so that memory stays bounded."""


@dataclass(frozen=True)
class Answer:
    """What the model says of one image.

    Attributes
    ----------
    prediction : a label with its probabilities, or a mask at the image's own size.
    familiarity : share of the validation images, 0 to 1, that are nearer to the training images (or as near): towards
        1 the image is unlike what the model knows. None where the file cannot tell.
    """

    prediction: Prediction | LabelPrediction
    familiarity: float | None


class ServedModel:
    """A model that was exported by ``medgraft export``; threads may share it.

    Attributes
    ----------
    info : what the file says of itself.

    Examples
    --------
    >>> model = ServedModel.load("runs/xrays/export/model.onnx")  # doctest: +SKIP
    >>> model.predict([pixels])[0].prediction.label  # doctest: +SKIP
    'pneumonia'
    """

    def __init__(self, session: Session) -> None:
        self.info = session.info
        self._session = session

    @classmethod
    def load(cls, path: str | Path, threads: int | None = None) -> ServedModel:
        """Open an exported file: ``.onnx``, or OpenVINO's ``.xml`` with the ``.bin`` beside it.

        Parameters
        ----------
        threads : cores that one call may use; None for all.

        Raises
        ------
        RunError
            Where there is no such file, it is cut short, or it is no model that Medgraft exported.
        EngineError
            Where the file is OpenVINO's and that is not installed.
        """
        return cls(open_session(path, threads))

    def predict(self, images: Sequence[Array], threshold: float | None = None) -> list[Answer]:
        """Predict images of any size.

        Parameters
        ----------
        images : each [H, W] or [H, W, channels], uint8 or uint16.
        threshold : instead of ``info.threshold``.

        Raises
        ------
        DataError
            For an array of another shape or dtype.
        """
        pixels = [as_pixels(image, self.info.channels) for image in images]
        answers: list[Answer] = []
        for part in self._batches(pixels):
            found = self.run(np.stack([self.prepared(each) for each in part]))
            distances = found.get("distance", [None] * len(part))
            answers += [
                self._answer(*each, threshold) for each in zip(part, found["probabilities"], distances, strict=True)
            ]
        return answers

    def explain(self, pixels: Array, class_index: int, cells: int = CELLS) -> Floats:
        """Occlusion map for one class, see :func:`medgraft.serving.occlusion.occlusion_map`.

        For labels the score that falls is the log-odds of the class; for masks it is the class's mean probability over
        the pixels where it is found (over the whole image where there are none).

        Parameters
        ----------
        pixels : [H, W] or [H, W, channels], uint8 or uint16.
        class_index : into ``info.class_names``.

        Returns
        -------
        float32 [size, size]; bring it to the image's size for an overlay.
        """
        if not 0 <= class_index < len(self.info.class_names):
            raise DataError(f"there is no class {class_index}; there are 0 to {len(self.info.class_names) - 1}.")
        image = resize_image(as_pixels(pixels, self.info.channels), self.info.size)
        if self.info.task == "classification":
            return occlusion_map(image, lambda batch: self._log_odds(batch, class_index), cells, BATCH)
        where = self._maps(image[None], class_index)[0]
        inside = self._found(where, class_index)
        region = inside if inside.any() else np.ones_like(inside)
        return occlusion_map(image, lambda batch: self._maps(batch, class_index)[:, region].mean(1), cells, BATCH)

    def prepared(self, pixels: Array) -> Array:
        """An image as the graph wants it: of its size and type, values from 0 to 255."""
        resized = pixels if self.info.resize == "inside" else resize_image(pixels, self.info.size)
        return as_input(resized, self._session.dtype)

    def run(self, batch: Array) -> dict[str, Array]:
        """All outputs of the graph by name, for images as :meth:`prepared` makes them, [B, H, W, C]."""
        return self._session.run(batch)

    def _batches(self, images: list[Array]) -> Iterator[list[Array]]:
        """In order; images of different sizes cannot share a batch where the graph resizes them."""
        apart = self.info.resize == "inside"
        for _, alike in groupby(images, key=lambda image: image.shape if apart else None):
            group = list(alike)
            yield from (group[start : start + BATCH] for start in range(0, len(group), BATCH))

    def _answer(self, pixels: Array, probability: Array, distance: float | None, threshold: float | None) -> Answer:
        info = self.info
        cut = info.threshold if threshold is None else threshold
        prediction: Prediction | LabelPrediction
        if isinstance(info.classes, LabelClasses):
            prediction = decide_label(probability, info.classes, cut)
        else:
            height, width = pixels.shape[:2]
            prediction = decide_mask(probability, height, width, info.classes, cut)
        near = info.familiarity.quantile(float(distance)) if info.familiarity and distance is not None else None
        return Answer(prediction, near)

    def _probabilities(self, batch: Array) -> Array:
        return self.run(np.stack([self.prepared(image) for image in batch]))["probabilities"]

    def _log_odds(self, batch: Array, index: int) -> Floats:
        probabilities = self._probabilities(batch).astype(np.float64)
        chosen = probabilities[:, index]
        several = isinstance(self.info.classes, LabelClasses) and self.info.classes.multilabel
        # The sum of the others keeps its digits where 1 - p has none left.
        other = 1 - chosen if several else np.delete(probabilities, index, axis=1).sum(1)
        tiny = 1e-12
        return np.asarray(np.log((chosen + tiny) / (other + tiny)), np.float32)

    def _maps(self, batch: Array, index: int) -> Array:
        """Probability of the class, [B, size, size]."""
        probabilities = self._probabilities(batch)
        if probabilities.shape[1] == 1:
            return probabilities[:, 0] if index else 1 - probabilities[:, 0]
        plane: Array = probabilities[:, index]
        return plane

    def _found(self, plane: Array, index: int) -> Array:
        classes = self.info.classes
        assert isinstance(classes, MaskClasses)
        cut = self.info.threshold if index else 1 - self.info.threshold
        return np.asarray(plane >= (cut if classes.count == 2 else 0.5))
