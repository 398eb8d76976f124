"""Weights pretrained on medical images: what there is, how to get it, and how its files are read."""

# The order of these imports is the order of the list.
from medgraft.models.sources import architectures, chest, radiology, histology  # noqa: F401, I001 (they register)
from medgraft.models.sources.source import PREFIX, MedicalSource, find_source, list_sources

__all__ = ["PREFIX", "MedicalSource", "find_source", "list_sources"]
