"""File formats: from one file to one array."""

from medgraft.data.formats.raster import IMAGE_SUFFIXES, image_size, read_image, read_mask

__all__ = ["IMAGE_SUFFIXES", "image_size", "read_image", "read_mask"]
