"""File formats: from one picture in a file to one array."""

from medgraft.data.formats.address import SIGN, Address, ending_of, file_of, stem_of
from medgraft.data.formats.reading import (
    IMAGE_SUFFIXES,
    has_image_suffix,
    image_size,
    is_image,
    is_windowed,
    parts_of,
    read_image,
    read_mask,
    sources_of,
)
from medgraft.data.formats.volume import AXES, Axis
from medgraft.data.formats.volumes import at_once, is_volume, refuse_apart, space_of
from medgraft.window import AUTO

__all__ = [
    "AUTO",
    "AXES",
    "IMAGE_SUFFIXES",
    "SIGN",
    "Address",
    "Axis",
    "at_once",
    "ending_of",
    "file_of",
    "has_image_suffix",
    "image_size",
    "is_image",
    "is_volume",
    "is_windowed",
    "parts_of",
    "read_image",
    "read_mask",
    "refuse_apart",
    "sources_of",
    "space_of",
    "stem_of",
]
