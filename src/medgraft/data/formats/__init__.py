"""File formats: from one picture in a file to one array."""

from medgraft.data.formats.address import Address, file_of
from medgraft.data.formats.raster import IMAGE_SUFFIXES
from medgraft.data.formats.reading import AUTO, image_size, parts_of, read_image, read_mask

__all__ = ["AUTO", "IMAGE_SUFFIXES", "Address", "file_of", "image_size", "parts_of", "read_image", "read_mask"]
