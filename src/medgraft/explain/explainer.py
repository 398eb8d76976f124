"""From a run and an image to an explanation at the image's own size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from medgraft.data import scale
from medgraft.data.resize import resize_image
from medgraft.explain.explanation import Explanation
from medgraft.explain.layers import MapLayer, find_layer
from medgraft.explain.methods import Found, Method, method_named
from medgraft.explain.target import Target, label_target, mask_target
from medgraft.label_predictor import LabelPredictor
from medgraft.prediction import Array, LabelPrediction, Prediction, as_pixels
from medgraft.predictor import Predictor
from medgraft.run import Run

CONSTANT = "every pixel of this image is the same, so no part of it can stand out: the map is flat"
FLAT = "nothing in the map stands out: at this layer no place raises the answer for {name}"


def explain(
    run: Run | str | Path,
    image: str | Path | Array,
    method: str = "gradcam",
    target: str | None = None,
    layer: str | None = None,
) -> Explanation:
    """Where a run's model looked in one image.

    Parameters
    ----------
    run : a trained run, or its folder.
    image : a file, or an array [H, W] or [H, W, channels] of uint8 or uint16.
    method : ``gradcam``, ``hirescam``, ``integrated_gradients`` or ``occlusion``.
    target : the class, or structure; by default the predicted one (of a segmentation the largest that was found).
    layer : for Grad-CAM and HiResCAM the encoder's block; by default the last one whose places take part.

    Raises
    ------
    RunError
        Where the run has no trained model.
    RecipeError
        Where there is no such method, class or layer.
    DataError
        Where the image cannot be read.

    Examples
    --------
    >>> found = explain("runs/xrays-frozen-224", "chest.png")  # doctest: +SKIP
    >>> found.map.shape, found.target  # doctest: +SKIP
    ((1024, 1024), 'pneumonia')
    """
    return Explainer.of_run(run, method, layer).explain(image, target)


@dataclass(frozen=True, eq=False)
class Case:
    """An image at the working size [S, S, C], and what is explained of it."""

    pixels: Array
    target: Target


@dataclass(frozen=True, eq=False)
class Explainer:
    """A model with a method, to explain many images alike.

    Attributes
    ----------
    predictor : the model with its preprocessing.
    method : one of :data:`~medgraft.explain.methods.METHODS`.
    layer : the layer whose maps are read, the same for all images; None for methods that read none.
    """

    predictor: Predictor | LabelPredictor
    method: Method
    layer: MapLayer | None

    @classmethod
    def of_run(cls, run: Run | str | Path, method: str = "gradcam", layer: str | None = None) -> Explainer:
        """Open a run; see :func:`explain`."""
        chosen = method_named(method)
        opened = run if isinstance(run, Run) else Run(run)
        predictor = opened.label_predictor if opened.task == "classification" else opened.predictor
        return cls.of_predictor(predictor, chosen, layer)

    @classmethod
    def of_predictor(cls, predictor: Predictor | LabelPredictor, method: Method, layer: str | None) -> Explainer:
        """With the layer that ``layer`` names, or the last that takes part."""
        model = predictor.model.eval()
        if not method.layered:
            return cls(predictor, method, None)
        device = next(model.parameters()).device
        generator = torch.Generator().manual_seed(0)
        probe = torch.rand(1, predictor.channels, predictor.size, predictor.size, generator=generator).to(device)
        return cls(predictor, method, find_layer(model, probe, layer))

    @property
    def model(self) -> nn.Module:
        """The model that is explained."""
        return self.predictor.model

    def explain(self, image: str | Path | Array, target: str | None = None) -> Explanation:
        """Explain one image; see :func:`explain`."""
        pixels = as_pixels(image, self.predictor.channels, self.predictor.window)
        return self.explain_pixels(pixels, target)[0]

    def explain_pixels(self, pixels: Array, target: str | None = None) -> tuple[Explanation, Case]:
        """Explain pixels [H, W, channels], and return the case at the working size too."""
        height, width = pixels.shape[:2]
        case, prediction = self.case(pixels, target)
        resized, chosen = case.pixels, case.target
        found = self.find(case)
        notes = [chosen.note] if chosen.note else []
        values = found.map
        if (resized == resized[:1, :1]).all():
            # Padding makes a pattern of its own at the borders, which says nothing of the image.
            values, found = np.zeros_like(values), Found(values)
            notes.append(CONSTANT)
        elif not values.any():
            notes.append(FLAT.format(name=chosen.name))
        made = Explanation(
            at_size(values, height, width),
            chosen.name,
            self.method.name,
            None if self.layer is None else self.layer.block,
            self._score(case),
            prediction,
            (*notes, *found.notes),
        )
        return made, case

    def case(self, pixels: Array, target: str | None = None) -> tuple[Case, Prediction | LabelPrediction]:
        """Bring pixels [H, W, channels] to the working size, and choose what is explained by what the model says."""
        height, width = pixels.shape[:2]
        resized = resize_image(pixels, self.predictor.size)
        prediction, chosen = self._answer(resized, height, width, target)
        return Case(resized, chosen), prediction

    def find(self, case: Case) -> Found:
        """The map of a case, as coarse or fine as the method gives it."""
        return _finite(self.method.find(self.model, case.pixels, case.target, self.layer))

    def again(self, case: Case, model: nn.Module) -> Array:
        """The map of a case at the working size, by another model of the same structure, as fast as the method can."""
        height, width = case.pixels.shape[:2]
        found = _finite(self.method.again(model, case.pixels, case.target, self.layer))
        return at_size(found.map, height, width)

    def _answer(
        self, resized: Array, height: int, width: int, target: str | None
    ) -> tuple[Prediction | LabelPrediction, Target]:
        batch = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1))).unsqueeze(0)
        predictor, probability = self.predictor, self.predictor.probabilities(batch)[0]
        if isinstance(predictor, Predictor):
            chosen = mask_target(predictor.classes, probability, predictor.threshold, target)
            return predictor.at_size(probability, height, width), chosen
        said = predictor.decide(probability)
        # With a threshold of its own, a model may name the less probable of two classes.
        named = said.label if target is None and said.label in predictor.classes.names else target
        return said, label_target(predictor.classes, probability, named)

    @torch.inference_mode()
    def _score(self, case: Case) -> float:
        batch = torch.from_numpy(np.ascontiguousarray(case.pixels.transpose(2, 0, 1))).unsqueeze(0)
        return float(case.target(self.model(scale(batch.to(next(self.model.parameters()).device)))))


def _finite(found: Found) -> Found:
    """A gradient that overflows is no statement about a place."""
    return Found(np.nan_to_num(found.map, nan=0.0, posinf=0.0, neginf=0.0), found.notes)


def at_size(values: Array, height: int, width: int) -> Array:
    """A map [h, w] as float32 [height, width]: averaged where it shrinks, bilinear where it grows."""
    rows, columns = values.shape
    smaller = (min(columns, width), min(rows, height))
    result = np.ascontiguousarray(values, np.float32)
    if smaller != (columns, rows):
        result = cv2.resize(result, smaller, interpolation=cv2.INTER_AREA)
    if smaller != (width, height):
        result = cv2.resize(result, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(result, np.float32).reshape(height, width)
