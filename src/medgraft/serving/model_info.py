"""What an exported file says of itself: one JSON text in its metadata, written by the export and read by the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medgraft.data import LabelClasses, MaskClasses
from medgraft.errors import RunError
from medgraft.serving.familiarity import Familiarity
from medgraft.version import __version__
from medgraft.window import AUTO

KEY = "medgraft"
"""Key of the metadata that holds the JSON."""

FORMAT = 1
"""Version of that JSON and of the graph's inputs and outputs; a reader refuses a newer one."""


@dataclass(frozen=True)
class ModelInfo:
    """What a model wants of images and what its answers mean.

    Attributes
    ----------
    name : of the run that was exported.
    task : ``classification`` or ``segmentation``.
    size : side in pixels of the images that the model works on.
    channels : 1 (grey) or 3 (colour).
    classes : of the labels, or of the masks.
    threshold : probability from which the second of two classes (one of several labels, the foreground) is given.
    temperature : logits were divided by it, inside the graph, before they became probabilities.
    window : how files of measured values (DICOM, volumes) become pixels.
    encoder : its name; None for a model without one.
    source, licence : of the pretrained weights; None where there were none.
    precision : ``fp32``, ``int8`` or ``bf16``.
    resize : ``outside`` where images come resized to [size, size], ``inside`` where the graph does that.
    digest : SHA-256 of the run's weights.
    lost : what reduced precision costs, as it was measured (see ``medgraft export``); empty for fp32.
    familiarity : how distances to the training images are read; None where the file has none.
    medgraft : the version that wrote the file.
    """

    name: str
    task: str
    size: int
    channels: int
    classes: LabelClasses | MaskClasses
    threshold: float = 0.5
    temperature: float = 1.0
    window: str = AUTO
    encoder: str | None = None
    source: str | None = None
    licence: str | None = None
    precision: str = "fp32"
    resize: str = "outside"
    digest: str = ""
    lost: Mapping[str, Any] = field(default_factory=dict)
    familiarity: Familiarity | None = None
    medgraft: str = __version__

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of the probabilities; of masks the background comes first."""
        return self.classes.names

    def to_json(self) -> str:
        """The text for the metadata; :meth:`from_json` reads it back."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain |= {"classes": self.classes.to_dict(), "lost": dict(self.lost)}
        plain["familiarity"] = self.familiarity.to_dict() if self.familiarity else None
        return json.dumps({"format": FORMAT} | plain)

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelInfo:
        """Read what :meth:`to_json` wrote; ``where`` names the file in messages.

        Raises RunError for another text, and for one of a newer version.
        """
        try:
            raw = json.loads(text)
            known = int(raw.pop("format"))
            version = str(raw["medgraft"])
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _unread(where) from None
        if known > FORMAT:
            raise RunError(
                f"{where} was exported by a newer version (medgraft {version}, file format {known}; this is medgraft "
                f"{__version__}, format {FORMAT}). Upgrade medgraft to use it."
            )
        try:
            kind = LabelClasses if raw["task"] == "classification" else MaskClasses
            raw["classes"] = kind.from_dict(raw["classes"])
            raw["familiarity"] = Familiarity.from_dict(raw["familiarity"]) if raw["familiarity"] else None
            return cls(**raw)
        except (ValueError, TypeError, KeyError):
            raise _unread(where) from None


def _unread(where: str) -> RunError:
    return RunError(f"{where}: what it says of its classes and images cannot be read; export the run again.")
