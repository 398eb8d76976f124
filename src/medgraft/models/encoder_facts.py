"""What timm and torchvision know of an encoder, gathered into one row. What nobody says is None, never a guess."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import timm
import torch
import torchvision

from medgraft.models.cbr import CBR, CBR_ENCODERS
from medgraft.models.encoder_families import family_of
from medgraft.models.tested import TESTED_ENCODERS
from medgraft.models.timm_models import pretrained_config
from medgraft.models.weight_hub import cached_encoders
from medgraft.models.weight_packages import package_of
from medgraft.models.wildcards import matching

# timm's names of architectures that torchvision has under another name; all others are the same in both or not in one.
_TORCHVISION_NAMES = {
    "mobilenetv2_100": "mobilenet_v2",
    "mobilenetv3_large_100": "mobilenet_v3_large",
    "mobilenetv3_small_100": "mobilenet_v3_small",
    "swin_tiny_patch4_window7_224": "swin_t",
    "swin_small_patch4_window7_224": "swin_s",
    "swin_base_patch4_window7_224": "swin_b",
    "vit_base_patch16_224": "vit_b_16",
    "vit_base_patch32_224": "vit_b_32",
    "vit_large_patch16_224": "vit_l_16",
    "regnetx_004_tv": "regnet_x_400mf",
    "regnetx_008": "regnet_x_800mf",
    "regnetx_016": "regnet_x_1_6gf",
    "regnetx_032": "regnet_x_3_2gf",
    "regnetx_080": "regnet_x_8gf",
    "regnetx_160": "regnet_x_16gf",
    "regnetx_320": "regnet_x_32gf",
    "regnety_004": "regnet_y_400mf",
    "regnety_008_tv": "regnet_y_800mf",
    "regnety_016": "regnet_y_1_6gf",
    "regnety_032": "regnet_y_3_2gf",
    "regnety_080_tv": "regnet_y_8gf",
    "regnety_160": "regnet_y_16gf",
    "regnety_320": "regnet_y_32gf",
}

_TORCHVISION_TAGS = {"tv_in1k": "IMAGENET1K_V1", "tv2_in1k": "IMAGENET1K_V2"}
"""timm's tags for weights that are torchvision's."""


@dataclass(frozen=True)
class EncoderFacts:
    """What is known of one encoder and of the weights that it starts from by default.

    Attributes
    ----------
    name : str
        The name for ``--encoder``.
    family : str
        What the architecture is called, or timm's module of it.
    tested : bool
        Whether it is one of the encoders that Medgraft's own tests go through.
    parameters : int or None
        Of the whole model, its classifier for the weights' classes included.
    size : int or None
        Side in pixels of the images that the weights were trained with.
    top1 : float or None
        Accuracy on ImageNet-1k in per cent, from torchvision's metadata; timm's has none.
    top1_weights : str or None
        The weights that reached ``top1``.
    top1_same : bool or None
        Whether those are the very weights of this row; if not, they are of the same architecture.
    year, paper : int and str, or None
        Of the publication of the architecture, as far as it is in our table; else of the paper in timm's metadata.
    weights : str or None
        Where the weights come from.
    licence : str or None
        The licence of the weights.
    offline : bool
        Whether the weights are on this machine.
    """

    name: str
    family: str
    tested: bool
    parameters: int | None
    size: int | None
    top1: float | None
    top1_weights: str | None
    top1_same: bool | None
    year: int | None
    paper: str | None
    weights: str | None
    licence: str | None
    offline: bool

    def to_dict(self) -> dict[str, Any]:
        """As plain types that JSON can hold."""
        return asdict(self)


def list_encoders(pattern: str | None = None) -> list[str]:
    """Return names of encoders.

    Parameters
    ----------
    pattern
        A name, or a pattern with wildcards, looked for in all that timm has and the CBR family; with a dot in it,
        among the tags of weights too (``resnet50.*``). None: the tested encoders.

    Raises
    ------
    RecipeError
        When nothing matches; names near to it are suggested.
    """
    if pattern is None:
        return list(TESTED_ENCODERS)
    searched = timm.list_pretrained() if "." in pattern else [*timm.list_models(), *CBR_ENCODERS]
    return matching(pattern, searched, f"encoder in timm {timm.__version__}")


def encoder_facts(names: Iterable[str]) -> Iterator[EncoderFacts]:
    """Yield what is known of each encoder, one by one: counting the parameters takes about 0.1 s an encoder."""
    kept = set(cached_encoders())
    for name in names:
        yield _facts(name, kept)


def _facts(name: str, kept: set[str]) -> EncoderFacts:
    config = pretrained_config(name)
    architecture = name.partition(".")[0]
    package = package_of(name)
    file = package.find() if package else None
    weights, licence = (package.title, package.licence) if package and file else _timm_weights(config)
    family = family_of(architecture)
    year, paper = (family.year, family.paper) if family else _paper_of(config)
    top1, reached_by, same = _top1(architecture, config.tag if file is None else None, file.name if file else "")
    return EncoderFacts(
        name=name,
        family=family.title if family else timm.model_entrypoint(architecture).__module__.rpartition(".")[2],
        tested=architecture in TESTED_ENCODERS,
        parameters=_parameters(name),
        size=None if architecture in CBR_ENCODERS else int(config.input_size[-1]),
        top1=top1, top1_weights=reached_by, top1_same=same,
        year=year, paper=paper, weights=weights, licence=licence,
        offline=file is not None or f"{architecture}.{config.tag}" in kept,
    )  # fmt: skip


def _timm_weights(config: Any) -> tuple[str | None, str | None]:
    """Where timm takes the weights from and their licence; nothing where it has none."""
    place = f"hf-hub:{config.hf_hub_id}" if config.hf_hub_id else config.url
    return (place, config.license) if place else (None, None)


def _parameters(name: str) -> int | None:
    """Count by building on torch's meta device, which holds shapes and no numbers."""
    try:
        with torch.device("meta"):
            plan = CBR_ENCODERS.get(name)
            model = CBR(plan) if plan else timm.create_model(name, pretrained=False)
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return None  # a model that computes with its own numbers while it is built
    return sum(parameter.numel() for parameter in model.parameters())


def _paper_of(config: Any) -> tuple[int | None, str | None]:
    """Year and id of the first paper on arXiv in timm's metadata."""
    ids = config.paper_ids if isinstance(config.paper_ids, tuple | list) else (config.paper_ids,)
    for text in (*ids, config.origin_url):
        found = re.search(r"(?:arxiv:|arxiv\.org/\w+/)((\d\d)\d\d\.\d{4,5})", str(text), re.IGNORECASE)
        if found:
            return 2000 + int(found[2]), f"arXiv:{found[1]}"
    return None, None


def _top1(architecture: str, tag: str | None, file: str) -> tuple[float | None, str | None, bool | None]:
    """Accuracy, the weights that reached it, and whether they are the ones with this tag or in this file."""
    known = _torchvision_weights(architecture)
    if not known:
        return None, None, None
    of_file = next((member for member, (_, url) in known.items() if file and url.endswith(f"/{file}")), None)
    of_tag = _TORCHVISION_TAGS.get(tag or "")
    member = of_file or (of_tag if of_tag in known else next(iter(known)))
    return known[member][0], f"torchvision {member}", bool(of_file or of_tag == member)


@cache
def _torchvision_weights(architecture: str) -> dict[str, tuple[float, str]]:
    """ImageNet accuracy and address of torchvision's weights of an architecture, by their names, oldest first."""
    name = _TORCHVISION_NAMES.get(architecture, architecture)
    if name not in torchvision.models.list_models(module=torchvision.models):
        return {}
    found = {}
    for member in torchvision.models.get_model_weights(name):
        accuracy = member.meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1")
        if accuracy is not None:
            found[member.name] = (float(accuracy), str(member.url))
    return found
