"""What is known of one set of weights that were pretrained on medical images, and the list of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from medgraft.errors import RecipeError, suggest
from medgraft.models.wildcards import matching

Status = Literal["loads", "convert first", "listed only"]

PREFIX = "medical:"
"""What stands before a source's name in ``--weights``."""

DOWNLOADED = "run this where there is a network, and it is downloaded; or fetch {}"
"""How to get a file that anybody may have."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's colours, which many medical encoders kept."""

HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""Maps [0, 1] to [-1, 1]."""


@dataclass(frozen=True)
class MedicalSource:
    """Weights of one encoder, pretrained on medical images by somebody else.

    Attributes
    ----------
    name : str
        Its name after ``medical:``.
    encoder : str
        The timm architecture that its weights belong to.
    domain, modality, data : str
        What field it is for, what kind of images it saw, and which collections they came from.
    licence : str
        The licence of the weights, as their publishers state it.
    paper : str
        ``arXiv:...`` or ``doi:...``.
    page : str
        The address where people read about it and get it.
    form : str
        How the published file names its tensors, one of :data:`medgraft.models.sources.translate.FORMS`.
    mean, std : tuple of float
        Statistics for images in [0, 1]; one value for an encoder of grey images, three for colour.
    size : int
        Side in pixels of the images in pretraining.
    get : str
        How to get the file, in a sentence; by default :data:`DOWNLOADED`.
    hub : str
        ``OWNER/NAME`` on the Hugging Face hub, empty where it is not there.
    files : tuple of str
        Names of the file on the hub, the first choice first; empty for the hub's usual names.
    url : str
        The address of the file itself, where it can be fetched by one.
    gated : bool
        Whether the hub gives it only to people whom the publishers have admitted.
    convert : str
        Python that turns the published file into one that can be read here, empty where none is needed.
    status : str
        ``loads``: the published file is read as it is. ``convert first``: it is a pickled Python model, which
        is not read here; ``convert`` says how its owner turns it into tensors. ``listed only``: not supported.
    unverified : tuple of str
        Names of attributes that could not be checked against the publishers' own files.
    note : str
        What else a user should know.
    """

    name: str
    encoder: str
    domain: str
    modality: str
    data: str
    licence: str
    paper: str
    page: str
    form: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    get: str = ""
    hub: str = ""
    files: tuple[str, ...] = ()
    url: str = ""
    gated: bool = False
    convert: str = ""
    status: Status = "loads"
    unverified: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if not self.get:
            file = " or ".join(self.files) or "its weights"
            place = f"{file} from https://huggingface.co/{self.hub}" if self.hub else self.url
            object.__setattr__(self, "get", DOWNLOADED.format(place))

    @property
    def channels(self) -> int:
        """Channels of the images that the encoder takes as published."""
        return len(self.mean)

    @property
    def stated_licence(self) -> str:
        """The licence, with a word on it where it could not be verified."""
        return f"{self.licence} (not verified)" if "licence" in self.unverified else self.licence

    def to_dict(self) -> dict[str, Any]:
        """As plain types that JSON can hold, ``channels`` included."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return plain | {"channels": self.channels}


_SOURCES: dict[str, MedicalSource] = {}


def register_sources(sources: Iterable[MedicalSource]) -> None:
    """Add sources to the list; raises ValueError for a name that is taken or an entry that cannot be used."""
    for source in sources:
        if source.name in _SOURCES:
            raise ValueError(f"medical source {source.name!r} is registered already")
        if len(source.mean) != len(source.std) or source.channels not in (1, 3) or min(source.std) <= 0:
            raise ValueError(f"medical source {source.name!r}: mean and std want 1 or 3 values, std above 0")
        if (source.status == "convert first") != bool(source.convert):
            raise ValueError(f"medical source {source.name!r}: status {source.status!r} is at odds with convert")
        _SOURCES[source.name] = source


def list_sources(pattern: str = "*") -> list[MedicalSource]:
    """Return the sources whose names match a pattern with wildcards; raises RecipeError where none does."""
    return [_SOURCES[name] for name in matching(pattern, list(_SOURCES), "medical source")]


def find_source(name: str) -> MedicalSource:
    """Return a source by its name; raises RecipeError, with near names, where there is none."""
    source = _SOURCES.get(name)
    if source is None:
        raise RecipeError(
            f"no medical source {name!r}; medgraft encoders --medical lists them.{suggest(name, _SOURCES)}"
        )
    return source
