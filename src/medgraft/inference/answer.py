"""What one or several models say of an image together, and how sure they are of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from medgraft.data import LabelClasses, MaskClasses
from medgraft.inference.uncertainty import entropy, label_disagreement, label_entropy
from medgraft.prediction import Array, LabelPrediction, Prediction, decide_label, decide_mask


@dataclass(frozen=True)
class Answer:
    """A prediction with its uncertainty.

    Attributes
    ----------
    prediction : the mask or the label, from the mean of the models' probabilities.
    confidence : of a label the probability of what was decided (of several labels, the mean over them); of a mask the
        mean probability of the decided class over the pixels that are not background, or over all where none is found.
    entropy : nats; of a label that of the mean probabilities (of several labels, the mean over them), of a mask the
        mean over the same pixels as ``confidence``.
    disagreement : None for one model. Of a label the mutual information in nats between label and model; of a mask the
        mean of ``spread`` over the pixels that at least one model takes as something, 0 where none does.
    spread : masks of several models alone: float32 [H, W], the standard deviation over the models of the probability of
        the class that was decided.
    """

    prediction: Prediction | LabelPrediction
    confidence: float
    entropy: float
    disagreement: float | None = None
    spread: Array | None = None

    @property
    def uncertainty(self) -> float:
        """One number to rank images by: the entropy, in which any disagreement is contained."""
        return self.entropy


def label_answer(opinions: Sequence[Array], classes: LabelClasses, threshold: float) -> Answer:
    """The answer to an image from what each model says of it [C]."""
    mean = opinions[0] if len(opinions) == 1 else np.asarray(np.mean(np.stack(opinions), axis=0, dtype=np.float64))
    prediction = decide_label(mean.astype(np.float32), classes, threshold)
    if classes.multilabel:
        confidence = float(np.where(mean >= threshold, mean, 1 - mean).mean())
    else:
        confidence = float(mean[classes.names.index(prediction.label)])
    disagreement = label_disagreement(opinions, classes) if len(opinions) > 1 else None
    return Answer(prediction, confidence, label_entropy(mean, classes), disagreement)


def mask_answer(opinions: Sequence[Array], size: tuple[int, int], classes: MaskClasses, threshold: float) -> Answer:
    """The answer to an image of ``size`` (height, width) from each model's probabilities [1 or C, h, w]."""
    if len(opinions) == 1:
        prediction = decide_mask(opinions[0], *size, classes, threshold)
        return Answer(prediction, *_sureness(prediction))
    # Models have sizes of their own, so they meet at the image's.
    maps = [_at_size(opinion, *size) for opinion in opinions]
    prediction = decide_mask(np.asarray(np.mean(maps, axis=0, dtype=np.float32)), *size, classes, threshold)
    spread = _spread(maps, prediction)
    marked = np.any([_marked(found, threshold) for found in maps], axis=0)
    disagreement = float(spread[marked].mean()) if marked.any() else 0.0
    return Answer(prediction, *_sureness(prediction), disagreement, spread)


def _at_size(probability: Array, height: int, width: int) -> Array:
    planes = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in probability]
    return np.stack(planes)


def _marked(probability: Array, threshold: float) -> Array:
    """Where one model takes a pixel for something."""
    if len(probability) == 1:
        return np.asarray(probability[0] >= threshold)
    return np.asarray(probability.argmax(0) > 0)


def _spread(maps: Sequence[Array], prediction: Prediction) -> Array:
    """Binary probabilities of both classes have one spread, so that of the foreground is taken."""
    if len(maps[0]) == 1:
        decided = np.stack([found[0] for found in maps])
    else:
        chosen = prediction.classes[None].astype(np.intp)
        decided = np.stack([np.take_along_axis(found, chosen, axis=0)[0] for found in maps])
    return np.asarray(decided.std(axis=0, dtype=np.float32))


def _sureness(prediction: Prediction) -> tuple[float, float]:
    """Confidence and entropy, over what was found or, where nothing was, over the whole image."""
    region = prediction.classes > 0
    if not region.any():
        region[:] = True
    if prediction.probability.ndim == 2:
        p = prediction.probability[region].astype(np.float64)
        both = np.stack([1 - p, p])
    else:
        both = prediction.probability[:, region].astype(np.float64)
    chosen = prediction.classes[region][None].astype(np.intp)
    return float(np.take_along_axis(both, chosen, axis=0).mean()), float(entropy(both, axis=0).mean())
