"""The methods: each turns an image at the working size into a map of what the target's number rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medgraft.data import scale
from medgraft.errors import EngineError, RecipeError, suggest
from medgraft.explain.layers import MapLayer, tapped
from medgraft.explain.target import Target
from medgraft.prediction import Array
from medgraft.serving.occlusion import occlusion_map

STEPS = (64, 128, 256)
"""Points on the path of integrated gradients; more are taken until the attributions add up."""
COMPLETE = 0.05
"""By how much of the logits' difference the attributions may fail to add up to it."""
_FEW = 24
_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Found:
    """A map [h, w], float32, of the working size or coarser, and sentences on it."""

    map: Array
    notes: tuple[str, ...] = ()


Find = Callable[[nn.Module, Array, Target, MapLayer | None], Found]


@dataclass(frozen=True)
class Method:
    """A method by its words and what it needs.

    Attributes
    ----------
    name, title : for programs and for people.
    meaning : a sentence on what a bright place says.
    source : the paper.
    find : from a model in eval mode, pixels [S, S, C], a target and a layer to the map.
    again : the same, where many maps of one image are compared and fewer digits do.
    layered : whether it reads a layer's maps; else ``layer`` is None.
    signed : whether values below 0 mean something.
    quick : whether an image takes about one look of the model forth and back.
    """

    name: str
    title: str
    meaning: str
    source: str
    find: Find
    again: Find
    layered: bool
    signed: bool
    quick: bool


def method_named(name: str) -> Method:
    """The method of that name; raises RecipeError where there is none, EngineError where its package lacks."""
    if name not in METHODS:
        raise RecipeError(f"method: there is no {name!r}; there are {', '.join(METHODS)}.{suggest(name, METHODS)}")
    if name != "occlusion":
        _captum()
    return METHODS[name]


def _captum() -> Any:
    try:
        import captum.attr
    except ImportError:
        raise EngineError(
            "this method needs captum, which is not installed: pip install 'medgraft[explain]'. "
            "Occlusion needs nothing more: --method occlusion."
        ) from None
    return captum.attr


def gradcam(model: nn.Module, pixels: Array, target: Target, layer: MapLayer | None) -> Found:
    """Grad-CAM (Selvaraju et al. 2017, equations 1 and 2), [h, w] of the layer's grid, from 0 up.

    Each channel of the layer weighs as much as its gradient on average over places; the weighted sum of channels is cut
    off at 0. Behind a global average and a linear layer that is CAM (Zhou et al. 2016).
    """
    assert layer is not None
    with tapped(model, layer) as tap:
        method = _captum().LayerGradCam(_answer(model, target), tap)
        found = method.attribute(_batch(model, pixels), relu_attributions=True)
    return Found(_plane(found))


def hirescam(model: nn.Module, pixels: Array, target: Target, layer: MapLayer | None) -> Found:
    """HiResCAM (Draelos & Carin 2020), [h, w] of the layer's grid, from 0 up.

    As Grad-CAM, with each place's own gradient in place of the average, so that no place is marked for a channel that
    matters elsewhere.
    """
    assert layer is not None
    with tapped(model, layer) as tap:
        method = _captum().LayerGradientXActivation(_answer(model, target), tap)
        found = method.attribute(_batch(model, pixels)).sum(dim=1, keepdim=True)
    return Found(_plane(found.clamp(min=0)))


def integrated_gradients(model: nn.Module, pixels: Array, target: Target, layer: MapLayer | None) -> Found:
    """Integrated gradients (Sundararajan et al. 2017, equation 1), [S, S], the sum over the image's channels.

    The path begins at a flat image of the image's own mean colour, the same that occlusion covers with. Along it the
    gradient is summed by Gauss and Legendre's rule; the attributions should add up to the difference of the target's
    number between image and baseline (axiom of completeness). Points are doubled until they do within
    :data:`COMPLETE` of it, and a note says where 256 do not suffice.
    """
    images, answer = _batch(model, pixels), _answer(model, target)
    with torch.no_grad():
        difference = float(answer(images) - answer(_flat(images)))
    for steps in STEPS:
        plane = _along_path(model, pixels, target, steps)
        total = float(plane.sum(dtype=np.float64))
        if abs(total - difference) <= COMPLETE * abs(difference):
            return Found(plane)
    note = (
        f"the attributions add up to {total:.3g} and not to {difference:.3g}, the logits' difference from a flat "
        f"image, with {STEPS[-1]} points on the path: read the map with care"
    )
    return Found(plane, (note,))


def _rough_integrated_gradients(model: nn.Module, pixels: Array, target: Target, layer: MapLayer | None) -> Found:
    """With few points and whatever they add up to: enough to see whether a map changes."""
    return Found(_along_path(model, pixels, target, _FEW))


def _along_path(model: nn.Module, pixels: Array, target: Target, steps: int) -> Array:
    images, method = _batch(model, pixels), _captum().IntegratedGradients(_answer(model, target))
    found = method.attribute(images, _flat(images), n_steps=steps, method="gausslegendre", internal_batch_size=_AT_ONCE)
    return _plane(found.sum(dim=1, keepdim=True))


def _flat(images: Tensor) -> Tensor:
    """The images' own mean colours, as images."""
    return images.detach().mean(dim=(2, 3), keepdim=True).expand_as(images).contiguous()


def occlusion(model: nn.Module, pixels: Array, target: Target, layer: MapLayer | None) -> Found:
    """Occlusion (after Zeiler & Fergus 2014), [S, S]: how far the target's log-odds fall where a patch is covered.

    Of a structure, how far the sum of its logits falls. The patches are those of :mod:`medgraft.serving.occlusion`.
    """

    @torch.inference_mode()
    def score(images: Array) -> Array:
        batch = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        found: Array = target.odds(model(scale(batch.to(_device(model))))).cpu().numpy()
        return found

    return Found(occlusion_map(pixels, score, batch=_AT_ONCE))


def _answer(model: nn.Module, target: Target) -> Callable[[Tensor], Tensor]:
    return lambda images: target(model(images))


def _batch(model: nn.Module, pixels: Array) -> Tensor:
    """Pixels [S, S, C] as images [1, C, S, S] in [0, 1]."""
    batch = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).unsqueeze(0)
    return scale(batch.to(_device(model))).requires_grad_()


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _plane(found: Tensor) -> Array:
    plane: Array = found[0, 0].detach().cpu().numpy().astype(np.float32)
    return plane


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "gradcam",
            "Grad-CAM",
            "Bright: places whose features raise the answer.",
            "Selvaraju et al. 2017, arXiv:1610.02391",
            gradcam,
            gradcam,
            layered=True,
            signed=False,
            quick=True,
        ),
        Method(
            "hirescam",
            "HiResCAM",
            "Bright: places whose features raise the answer, each by its own gradient.",
            "Draelos & Carin 2020, arXiv:2011.08891",
            hirescam,
            hirescam,
            layered=True,
            signed=False,
            quick=True,
        ),
        Method(
            "integrated_gradients",
            "Integrated gradients",
            "Bright: pixels whose difference from the image's mean colour raises the answer.",
            "Sundararajan et al. 2017, arXiv:1703.01365",
            integrated_gradients,
            _rough_integrated_gradients,
            layered=False,
            signed=True,
            quick=False,
        ),
        Method(
            "occlusion",
            "Occlusion",
            "Bright: places without which the answer falls, covered by the image's mean colour.",
            "after Zeiler & Fergus 2014, arXiv:1311.2901",
            occlusion,
            occlusion,
            layered=False,
            signed=True,
            quick=False,
        ),
    )
}
"""The methods by name."""
