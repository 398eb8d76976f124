"""From what a model says of an image to the JSON that is answered."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from medgraft.data import LabelClasses, MaskClasses
from medgraft.prediction import Array, LabelPrediction, Prediction, decide_label
from medgraft.serving.decoder import Decoded
from medgraft.serving.model import Answer
from medgraft.serving.model_info import ModelInfo
from medgraft.serving.pictures import encoded, preview_size, shares_of, support_of, text_of

USUAL, RARE = 0.9, 0.99
"""Shares of the held-out images: nearer than the first is usual, beyond the second is unlike them."""


def image_answer(info: ModelInfo, decoded: Decoded, answer: Answer, threshold: float, pictures: bool) -> dict[str, Any]:
    """What is said of one image, see :class:`medgraft.serving.schema.ImageAnswer`.

    Parameters
    ----------
    answer : for the image at the model's size.
    pictures : whether previews and probability maps are wanted.
    """
    said: dict[str, Any] = {"width": decoded.width, "height": decoded.height}
    if pictures:
        said["preview"] = text_of(decoded.preview)
    said["familiarity"] = {
        "quantile": None if answer.familiarity is None else round(answer.familiarity, 4),
        "sentence": familiarity_sentence(answer.familiarity),
    }
    if isinstance(answer.prediction, LabelPrediction):
        assert isinstance(info.classes, LabelClasses)
        return said | _label_answer(answer.prediction, info.classes, threshold)
    assert isinstance(info.classes, MaskClasses)
    return said | _mask_answer(answer.prediction, info.classes, decoded, threshold, pictures)


def familiarity_sentence(quantile: float | None) -> str:
    """What the share of held-out images that are nearer to the training images means for a reader."""
    if quantile is None:
        return "This model cannot say how far an image is from those that it was trained on."
    if quantile < USUAL:
        return "As near to the images that the model was trained on as others of their kind."
    # Rounded down: 99.6% are not 100%, and "farther than 99%" is true of them.
    share = "all" if quantile >= 1 else f"{int(100 * quantile + 1e-9)}% of the"
    if quantile < RARE:
        return f"Farther from the training images than {share} held-out images; take care with the answer."
    return f"Unlike the training images: farther from them than {share} held-out images; do not rely on the answer."


def explained_class(info: ModelInfo, prediction: Prediction | LabelPrediction, threshold: float) -> int:
    """Which class is explained: the label that is given (the most probable one); of masks the largest structure."""
    if isinstance(prediction, LabelPrediction):
        if isinstance(info.classes, LabelClasses) and info.classes.kind == "binary":
            return int(prediction.probabilities[1] >= threshold)
        return int(prediction.probabilities.argmax())
    counts = np.bincount(prediction.classes.ravel(), minlength=len(info.class_names))
    return int(counts[1:].argmax()) + 1


def explanation_answer(info: ModelInfo, decoded: Decoded, index: int, plane: Array) -> dict[str, Any]:
    """The explanation of class ``index``, [h, w], as a picture of the preview's size."""
    picture = support_of(plane, *preview_size(decoded.height, decoded.width))
    return {"explanation": text_of(encoded(picture)), "explained_class": info.class_names[index]}


def _label_answer(prediction: LabelPrediction, classes: LabelClasses, threshold: float) -> dict[str, Any]:
    shares = zip(prediction.names, prediction.probabilities, strict=True)
    return {
        "probabilities": {name: round(float(p), 6) for name, p in shares},
        "label": decide_label(prediction.probabilities, classes, threshold).label,
    }


def _mask_answer(
    prediction: Prediction, classes: MaskClasses, decoded: Decoded, threshold: float, pictures: bool
) -> dict[str, Any]:
    planes = prediction.probability if prediction.probability.ndim == 3 else prediction.probability[None]
    said: dict[str, Any] = {}
    if pictures:
        size = preview_size(decoded.height, decoded.width)
        maps = [text_of(encoded(shares_of(plane, *size))) for plane in planes]
        if len(maps) == 1:
            said["probability_map"] = maps[0]
        else:
            said["probability_maps"] = dict(zip(classes.names, maps, strict=True))
    indices = own_classes(planes, decoded.height, decoded.width, threshold)
    counts = np.bincount(indices.ravel(), minlength=classes.count)
    said["mask"] = text_of(encoded(classes.decode(indices)))
    said["area_fraction"] = {
        name: round(float(count) / indices.size, 6) for name, count in zip(classes.names[1:], counts[1:], strict=True)
    }
    return said


def own_classes(planes: Array, height: int, width: int, threshold: float) -> Array:
    """The class of each pixel, uint8 [height, width], for probabilities [1 or C, h, w].

    The same as :func:`medgraft.prediction.decide_mask` decides, but with two planes in memory and not all of them,
    as images may be large and classes many.
    """
    if len(planes) == 1:
        return (_at_size(planes[0], height, width) >= threshold).astype(np.uint8)
    best, found = _at_size(planes[0], height, width), np.zeros((height, width), np.uint8)
    for index, plane in enumerate(planes[1:], start=1):
        full = _at_size(plane, height, width)
        found[full > best] = index
        np.maximum(best, full, out=best)
    return found


def _at_size(plane: Array, height: int, width: int) -> Array:
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR))
