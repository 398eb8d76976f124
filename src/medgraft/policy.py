"""Augmentation policies: how far a training image of a kind may be changed and stay one of that kind."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Augment(BaseModel):
    """Random changes to a training image and, for the geometry, to its mask by the same map.

    Ranges are symmetric and drawn uniformly: ``rotation: 30`` means -30 to 30 degrees, ``scale: 0.1`` means a
    factor from 0.9 to 1.1, ``shift: 0.1`` a tenth of the side, ``brightness: 0.2`` a factor from 0.8 to 1.2.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    flip_horizontal: float = Field(0.0, ge=0, le=1, description="chance of a left-right flip")
    flip_vertical: float = Field(0.0, ge=0, le=1, description="chance of an up-down flip")
    rotation: float = Field(0.0, ge=0, le=180, description="rotation, up to this many degrees either way")
    scale: float = Field(0.0, ge=0, lt=1, description="zoom by up to this fraction either way")
    shift: float = Field(0.0, ge=0, le=1, description="shift by up to this fraction of the side")
    elastic: float = Field(0.0, ge=0, le=0.5, description="elastic displacement, as a fraction of the side")
    brightness: float = Field(0.0, ge=0, lt=1, description="brightness factor, 1 plus or minus this")
    contrast: float = Field(0.0, ge=0, lt=1, description="contrast factor, 1 plus or minus this")
    saturation: float = Field(0.0, ge=0, lt=1, description="saturation factor, 1 plus or minus this")
    hue: float = Field(0.0, ge=0, le=0.5, description="hue shift, as a fraction of the colour circle")


POLICIES: dict[str, Augment] = {
    # A lesion has no up and no left; camera and skin vary in colour.
    "dermoscopy": Augment(
        flip_horizontal=0.5, flip_vertical=0.5, rotation=180, scale=0.2, shift=0.1,
        brightness=0.2, contrast=0.2, saturation=0.2, hue=0.03,
    ),
    # A chest has an up and a left (the heart), and no colour.
    "xray": Augment(rotation=10, scale=0.1, shift=0.05, brightness=0.2, contrast=0.2),
    # A slide has no orientation; tissue deforms; stains vary.
    "microscopy": Augment(
        flip_horizontal=0.5, flip_vertical=0.5, rotation=180, scale=0.2, shift=0.1, elastic=0.03,
        brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05,
    ),
    "none": Augment(),
}  # fmt: skip
