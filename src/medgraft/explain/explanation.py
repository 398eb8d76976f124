"""Explanation: a map of what an answer rests on, at the image's own size."""

from __future__ import annotations

from dataclasses import dataclass

from medgraft.prediction import Array, LabelPrediction, Prediction


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where a model looked in one image, as one method sees it.

    Attributes
    ----------
    map : float32 [H, W], at the image's own size. Above 0 where the image speaks for the target; below 0, where a
        method says so, where it speaks against it. Values of two images are not comparable.
    target : the class that is explained.
    method : as in :data:`medgraft.explain.METHODS`.
    layer : the encoder's block whose maps were taken; None for methods that look at pixels alone.
    score : the target's logit; of a structure, the sum of its logits over the region that was predicted.
    prediction : what the model says of the image.
    notes : sentences that a reader must know, such as that the map is flat.
    """

    map: Array
    target: str
    method: str
    layer: str | None
    score: float
    prediction: Prediction | LabelPrediction
    notes: tuple[str, ...] = ()

    @property
    def flat(self) -> bool:
        """Whether no part of the image stands out."""
        return not bool(self.map.any())
