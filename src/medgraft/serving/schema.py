"""What requests and answers look like: read by the server, and published as OpenAPI."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictStr

NOTICE = (
    "For research only. This is not a medical device, and its answers must not be used to diagnose or treat anybody."
)

_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR4nGNgGAWDEwAAAZgAAdm7AAAAAABJRU5ErkJggg=="


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Base64Image(_Said):
    """An image in a JSON request."""

    name: StrictStr = Field("image", description="what the answer calls it; nothing else is done with it")
    data: StrictStr = Field(description="a PNG, JPEG, TIFF or DICOM file in base64 (RFC 4648, section 4)")


class PredictRequest(_Said):
    """A JSON request; a form has the same fields, with files as ``images``."""

    model_config = ConfigDict(
        extra="forbid",
        protected_namespaces=(),
        json_schema_extra={"example": {"images": [{"name": "chest.png", "data": _PIXEL}], "threshold": 0.5}},
    )

    images: list[Base64Image] = Field(description="the images", min_length=1)
    model: StrictStr | None = Field(None, description="a name of /v1/models; the first of them by default")
    threshold: StrictFloat | None = Field(
        None, gt=0, lt=1, description="probability from which something is positive; the model's own by default"
    )
    explain: StrictBool | Literal[0, 1] = Field(False, description="whether to add an explanation map (takes longer)")
    pictures: StrictBool | Literal[0, 1] = Field(True, description="whether to add previews and probability maps")


class Health(BaseModel):
    """The server is up."""

    status: Literal["ok"] = "ok"


class LimitsAnswer(BaseModel):
    """What one request may hold, so that a client can tell before it sends."""

    max_bytes: int = Field(description="of the body", examples=[67108864])
    max_images: int = Field(examples=[16])
    max_pixels: int = Field(description="of one image", examples=[32000000])


class ModelAnswer(BaseModel):
    """What is served."""

    name: str = Field(examples=["xrays-frozen-224"])
    task: Literal["classification", "segmentation"]
    classes: list[str] = Field(description="in the order of the probabilities", examples=[["no_finding", "pneumonia"]])
    kind: Literal["binary", "multiclass", "multilabel"] = Field(
        description="two classes and a threshold; several, the most probable is given; several, each with the threshold"
    )
    threshold: float = Field(description="probability from which something is positive", examples=[0.43])
    size: int = Field(description="side in pixels of the images that the model works on", examples=[224])
    channels: Literal[1, 3] = Field(description="1 for grey images, 3 for coloured ones")
    encoder: str | None = Field(examples=["tf_efficientnet_lite0"])
    licence: str | None = Field(description="of the pretrained weights", examples=["Apache-2.0"])
    temperature: float = Field(description="by which logits were divided, to calibrate the probabilities")
    familiarity: bool = Field(description="whether it can say how far an image is from its training images")
    limits: LimitsAnswer
    notice: str = Field(examples=[NOTICE])


class FamiliarityAnswer(BaseModel):
    """How far an image is from the training images."""

    quantile: float | None = Field(description="share of held-out images that are as near or nearer, 0 to 1")
    sentence: str


class ImageAnswer(BaseModel):
    """What was found in an image, or why it could not be read (then there are ``name`` and ``error`` alone)."""

    name: str = Field(examples=["chest.png"])
    error: str | None = Field(None, description="one sentence")
    width: int | None = Field(None, description="of the image itself, in pixels")
    height: int | None = None
    preview: str | None = Field(None, description="what was understood of the image: PNG of 8 bits in base64")
    familiarity: FamiliarityAnswer | None = None
    probabilities: dict[str, float] | None = Field(None, description="by class (classification)")
    label: str | None = Field(None, description="the class; several are joined by | (classification)")
    probability_map: str | None = Field(
        None, description="PNG in base64, as large as the preview: the foreground's probability x 255 (segmentation)"
    )
    probability_maps: dict[str, str] | None = Field(None, description="the same by class, where there are several")
    mask: str | None = Field(None, description="PNG in base64, as large as the image, in the training masks' values")
    area_fraction: dict[str, float] | None = Field(None, description="share of the pixels by class (segmentation)")
    explanation: str | None = Field(
        None, description="PNG in base64, as large as the preview: how much each place speaks for the class"
    )
    explained_class: str | None = None


class PredictAnswer(BaseModel):
    """The results, in the order of the images."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "example": {
                "model": "xrays-frozen-224",
                "threshold": 0.43,
                "notice": NOTICE,
                "results": [
                    {
                        "name": "chest.png",
                        "width": 1024,
                        "height": 1024,
                        "preview": _PIXEL,
                        "familiarity": {"quantile": 0.41, "sentence": "It looks like the training images."},
                        "probabilities": {"no_finding": 0.38, "pneumonia": 0.62},
                        "label": "pneumonia",
                    },
                    {"name": "notes.zip", "error": "This file is not read: it is a ZIP archive."},
                ],
            }
        },
    )

    model: str
    threshold: float
    notice: str
    results: list[ImageAnswer]


class ErrorAnswer(BaseModel):
    """Nothing in the request could be used."""

    error: str = Field(description="one sentence", examples=["The request holds no image."])
    results: list[ImageAnswer] | None = Field(None, description="what is wrong with each image, where there are some")


def base64_bytes(text: str) -> bytes:
    """The bytes that a text stands for; raises ValueError for another text. A data: address is taken too."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


def request_body(most: int) -> dict[str, Any]:
    """The body of a prediction request of at most ``most`` images, for OpenAPI."""
    form = {
        "type": "object",
        "required": ["images"],
        "properties": {
            "images": {
                "type": "array",
                "items": {"type": "string", "format": "binary"},
                "minItems": 1,
                "maxItems": most,
                "description": "PNG, JPEG, TIFF or DICOM files",
            },
            "model": {"type": "string", "description": "a name of /v1/models"},
            "threshold": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "explain": {"type": "integer", "enum": [0, 1], "default": 0},
            "pictures": {"type": "integer", "enum": [0, 1], "default": 1},
        },
        "additionalProperties": False,
    }
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form},
            "application/json": {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/PredictRequest"},
                        {"properties": {"images": {"maxItems": most}}},
                    ]
                }
            },
        },
    }
