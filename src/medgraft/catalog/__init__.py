"""Public data sets: what they hold, under which terms, and how to get them, by hand or by ``get``."""

from medgraft.catalog.entries import catalogue, find_dataset, list_datasets
from medgraft.catalog.entry import Dataset, Edition, RemoteFile, Size

__all__ = ["Dataset", "Edition", "RemoteFile", "Size", "catalogue", "find_dataset", "list_datasets"]
