"""Whether maps depend on what a model has learned: they must change when its weights are shuffled."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from medgraft.data import scale
from medgraft.explain.explainer import Case, Explainer
from medgraft.explain.layers import block_paths
from medgraft.explain.similarity import spearman, ssim
from medgraft.models.encoder_model import EncoderModel
from medgraft.prediction import Array
from medgraft.progress import Observer

STAGES = 8
"""Stages at most; neighbouring blocks are shuffled together where there are more."""
ALIKE = 0.5
"""Rank correlation with the original map from which a map of an all shuffled model counts as unchanged."""

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True, eq=False)
class SanityCheck:
    """How alike maps stay while the weights are shuffled block by block, from the answer down to the image.

    Attributes
    ----------
    stages : what was shuffled in each stage, on top of all before it.
    spearman, ssim : float64 [images, stages], similarity with the map of the trained model.
    """

    stages: tuple[str, ...]
    spearman: Array
    ssim: Array

    @property
    def passed(self) -> bool | None:
        """Whether maps change; None where no map had anything in it to begin with."""
        return bool(self.spearman[:, -1].mean() < ALIKE) if len(self.spearman) else None

    def verdict(self, title: str) -> str:
        """A sentence for people; ``title`` names the method."""
        if self.passed is None:
            return f"All maps of {title} are flat, so nothing can be said of whether they depend on what was learned."
        end, images = self.spearman[:, -1].mean(), len(self.spearman)
        of = f"of {images} image{'s' if images > 1 else ''}"
        if self.passed:
            return (
                f"{title} passes the check: when all weights are shuffled, the maps {of} keep a rank correlation of "
                f"{end:.2f} with the original ones (1: the same, 0: unrelated), so they depend on what was learned."
            )
        return (
            f"{title} fails the check: even when all weights are shuffled, the maps {of} keep a rank correlation of "
            f"{end:.2f} with the original ones (1: the same, 0: unrelated). What they show lies in the images "
            "more than in what the model learned; do not read them as its reasons."
        )


def sanity_check(
    explainer: Explainer, cases: Sequence[Case], seed: int = 0, observer: Observer | None = None
) -> SanityCheck:
    """The cascading randomisation test of Adebayo et al. (2018, "Sanity Checks for Saliency Maps", section 3).

    The head's weights are shuffled first, then the blocks from last to first, and after each stage the maps of the same
    targets are made anew. Shuffling the entries within each tensor destroys what was learned and keeps its scale, so
    that activations neither die nor explode; batch normalisations that lie among shuffled weights measure their
    statistics anew on the images and their mirror images. Maps that are flat from the start are left out, and one that
    becomes flat has a similarity of 0.

    Parameters
    ----------
    cases : images with their targets, which stay as they are.
    seed : of the shuffling.
    """
    observer = observer or Observer()
    originals = [(case, found) for case in cases if (found := explainer.again(case, explainer.model)).any()]
    model = copy.deepcopy(explainer.model).eval()
    stages = _stages(model)
    generator = torch.Generator().manual_seed(seed)
    images = _images([case for case, _ in originals], model) if originals else None
    order, structure = np.zeros((2, len(originals), len(stages)))
    norms: list[nn.Module] = []
    for place, (_, parts) in enumerate(stages):
        observer.working("shuffling weights", place + 1, len(stages))
        for part in parts:
            _shuffle(part, generator)
            norms += [module for module in part.modules() if isinstance(module, _BATCH_NORMS)]
        if images is not None:
            _measure_again(model, norms, images)
        for row, (case, original) in enumerate(originals):
            found = explainer.again(case, model)
            order[row, place], structure[row, place] = spearman(original, found), ssim(original, found)
    return SanityCheck(tuple(name for name, _ in stages), order, structure)


def _stages(model: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """What is shuffled together, by name, from the answer to the image."""
    paths = block_paths(model)
    blocks = [(name, model.get_submodule(path)) for name, path in reversed(paths.items())]
    blocks = [(name, part) for name, part in blocks if any(True for _ in part.parameters())]
    first = _behind(model, paths)
    grouped = np.array_split(np.arange(len(blocks)), min(STAGES - 1, len(blocks)))
    return [first, *(_joined([blocks[place] for place in group]) for group in grouped)]


def _behind(model: nn.Module, paths: dict[str, str]) -> tuple[str, list[nn.Module]]:
    """All that comes after the blocks: a classifier's head, or a decoder."""
    tops = {path.partition(".")[0] for path in paths.values()}
    parts = [part for name, part in model.named_children() if name not in tops]
    decodes = not isinstance(model, EncoderModel) or len(parts) > 1
    return ("decoder" if decodes else "head"), parts


def _joined(blocks: list[tuple[str, nn.Module]]) -> tuple[str, list[nn.Module]]:
    names = [name for name, _ in blocks]
    return (names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"), [part for _, part in blocks]


@torch.no_grad()
def _shuffle(part: nn.Module, generator: torch.Generator) -> None:
    for parameter in part.parameters():
        places = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
        parameter.copy_(parameter.flatten()[places].view_as(parameter))


@torch.no_grad()
def _measure_again(model: nn.Module, norms: Sequence[nn.Module], images: Tensor) -> None:
    """Give batch normalisations the statistics of what reaches them now."""
    kept = []
    for norm in norms:
        assert isinstance(norm, _BATCH_NORMS)
        kept.append((norm, norm.momentum))
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    if norms:
        model(images)
    for norm, momentum in kept:
        norm.momentum = momentum
        norm.eval()


def _images(cases: Sequence[Case], model: nn.Module) -> Tensor:
    """All cases and their mirror images, as a batch in [0, 1]: batch statistics want more than one image."""
    stacked = np.stack([case.pixels for case in cases]).transpose(0, 3, 1, 2)
    images = scale(torch.from_numpy(np.ascontiguousarray(stacked)).to(next(model.parameters()).device))
    return torch.cat([images, images.flip(-1)])
