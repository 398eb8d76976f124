"""Statistics of a set of images under one encoder, kept in a file, to compare other images with later.

The file is an .npz of plain arrays. It holds means, variances and principal axes over all images, and no single one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.errors import DataError, RecipeError
from medgraft.files import replacing
from medgraft.models import Encoder
from medgraft.transfer.distance import ImageSet, Statistics
from medgraft.transfer.frechet import Gaussian

FORMAT = 1
_KEYS = ("about", "feature_mean", "feature_axes", "layer_sizes", "layer_means", "layer_variances")


@dataclass(frozen=True, eq=False)
class Reference:
    """What other images are compared with.

    Attributes
    ----------
    encoder, digest : the encoder's name, and the digest of its weights.
    size, channels : of the images that it was run on.
    name : what the set of images is called.
    features : of its pooled features.
    statistics : of its BatchNorms; of no layer where it has none.
    """

    encoder: str
    digest: str
    size: int
    channels: int
    name: str
    features: Gaussian
    statistics: Statistics

    @classmethod
    def of(cls, encoder: Encoder, size: int, name: str, images: ImageSet) -> Reference:
        """The statistics of images of ``size`` that the encoder was run on; two of them or more."""
        features = Gaussian.of(images.observed.features).along_principal_axes()
        statistics = images.statistics()
        return cls(encoder.name, encoder_digest(encoder), size, encoder.in_channels, name, features, statistics)

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        layers = self.statistics.layers
        about = {
            "format": FORMAT, "encoder": self.encoder, "digest": self.digest, "size": self.size,
            "channels": self.channels, "name": self.name, "images": self.features.count, "layers": list(layers),
        }  # fmt: skip
        arrays = {
            "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
            "feature_mean": self.features.mean,
            "feature_axes": self.features.axes.astype(np.float32),
            "layer_sizes": np.array([len(mean) for mean, _ in layers.values()], np.int64),
            "layer_means": np.concatenate([np.empty(0), *(mean for mean, _ in layers.values())]),
            "layer_variances": np.concatenate([np.empty(0), *(variance for _, variance in layers.values())]),
        }
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | Path) -> Reference:
        """Read what :meth:`save` wrote; raises DataError where the file is missing, damaged or something else."""
        path = Path(path)
        if not path.is_file():
            raise DataError(f"{path}: no such file; write one with medgraft distance DATA --save-reference {path}.")
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {key: file[key] for key in _KEYS}
            about = json.loads(arrays["about"].tobytes())
            if about["format"] != FORMAT:
                raise DataError(f"{path}: was written by another version of Medgraft; write it anew.")
            return cls._read(about, arrays)
        except DataError:
            raise
        except Exception as error:
            raise DataError(f"{path}: not the saved statistics of a set of images ({error}).") from error

    @classmethod
    def _read(cls, about: dict[str, Any], arrays: dict[str, Any]) -> Reference:
        mean, axes = arrays["feature_mean"].astype(np.float64), arrays["feature_axes"].astype(np.float64)
        means, variances = arrays["layer_means"], arrays["layer_variances"]
        if axes.shape[1:] != mean.shape or arrays["layer_sizes"].sum() != len(means) or len(means) != len(variances):
            raise ValueError("its arrays do not fit each other")
        if not all(np.isfinite(each).all() for each in (mean, axes, means, variances)):
            raise ValueError("it holds values that are no finite numbers")
        ends = np.cumsum(arrays["layer_sizes"])[:-1]
        layers = zip(np.split(means, ends), np.split(variances, ends), strict=True) if len(means) else ()
        return cls(
            str(about["encoder"]), str(about["digest"]), int(about["size"]), int(about["channels"]),
            str(about["name"]), Gaussian(mean, axes, int(about["images"])),
            Statistics(dict(zip(about["layers"], layers, strict=True))),
        )  # fmt: skip

    def refuse_other(self, encoder: Encoder, size: int, path: str | Path) -> None:
        """Raise RecipeError where this was taken with another encoder, other weights, or images of another kind."""
        if self.encoder != encoder.name:
            raise RecipeError(f"{path}: was taken with encoder {self.encoder}, not {encoder.name}; "
                              f"add --encoder {self.encoder}, or take it anew.")  # fmt: skip
        if self.digest != encoder_digest(encoder):
            raise RecipeError(f"{path}: was taken with other weights of {encoder.name} than these; take it anew.")
        if (self.size, self.channels) != (size, encoder.in_channels):
            raise RecipeError(f"{path}: was taken of images of {self.size} pixels and {self.channels} channels; "
                              f"add --size {self.size} --channels {self.channels}, or take it anew.")  # fmt: skip


def encoder_digest(encoder: Encoder) -> str:
    """SHA-256 of all that the encoder computes with: its normalisation, weights and statistics."""
    digest = hashlib.sha256()
    for part in (encoder.normalise, encoder.blocks):
        for name, tensor in part.state_dict().items():
            # A counter that plays no part in what is computed, and that some files lack.
            if not name.endswith("num_batches_tracked"):
                digest.update(f"{name} {tuple(tensor.shape)}".encode())
                digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()
