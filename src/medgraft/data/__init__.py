"""From files to batches: manifest, formats, layouts, labels, splits, store, augmentation, batches, synthetic set.

Names are loaded when they are first used: what only reads files does without PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medgraft.lazy import lazy_names

if TYPE_CHECKING:
    from medgraft.data.augment import Augmenter
    from medgraft.data.batches import Batch, evaluation_loader, scale, training_loader
    from medgraft.data.folds import assign_folds
    from medgraft.data.formats import IMAGE_SUFFIXES, image_size, read_image, read_mask
    from medgraft.data.labels import LabelClasses
    from medgraft.data.layouts import open_data
    from medgraft.data.manifest import SPLITS, Manifest
    from medgraft.data.masks import MaskClasses
    from medgraft.data.resize import resize_image, resize_mask
    from medgraft.data.split import apply_split_file, assign_splits, refuse_unseen_labels, save_split
    from medgraft.data.statistics import ChannelStatistics
    from medgraft.data.store import PixelStore
    from medgraft.data.synthetic import generate

_PLACES = {
    "Augmenter": "medgraft.data.augment:Augmenter",
    "Batch": "medgraft.data.batches:Batch",
    "ChannelStatistics": "medgraft.data.statistics:ChannelStatistics",
    "IMAGE_SUFFIXES": "medgraft.data.formats:IMAGE_SUFFIXES",
    "LabelClasses": "medgraft.data.labels:LabelClasses",
    "Manifest": "medgraft.data.manifest:Manifest",
    "MaskClasses": "medgraft.data.masks:MaskClasses",
    "PixelStore": "medgraft.data.store:PixelStore",
    "SPLITS": "medgraft.data.manifest:SPLITS",
    "apply_split_file": "medgraft.data.split:apply_split_file",
    "assign_folds": "medgraft.data.folds:assign_folds",
    "assign_splits": "medgraft.data.split:assign_splits",
    "evaluation_loader": "medgraft.data.batches:evaluation_loader",
    "generate": "medgraft.data.synthetic:generate",
    "image_size": "medgraft.data.formats:image_size",
    "open_data": "medgraft.data.layouts:open_data",
    "read_image": "medgraft.data.formats:read_image",
    "read_mask": "medgraft.data.formats:read_mask",
    "refuse_unseen_labels": "medgraft.data.split:refuse_unseen_labels",
    "resize_image": "medgraft.data.resize:resize_image",
    "resize_mask": "medgraft.data.resize:resize_mask",
    "save_split": "medgraft.data.split:save_split",
    "scale": "medgraft.data.batches:scale",
    "training_loader": "medgraft.data.batches:training_loader",
}

__all__ = [
    "IMAGE_SUFFIXES",
    "SPLITS",
    "Augmenter",
    "Batch",
    "ChannelStatistics",
    "LabelClasses",
    "Manifest",
    "MaskClasses",
    "PixelStore",
    "apply_split_file",
    "assign_folds",
    "assign_splits",
    "evaluation_loader",
    "generate",
    "image_size",
    "open_data",
    "read_image",
    "read_mask",
    "refuse_unseen_labels",
    "resize_image",
    "resize_mask",
    "save_split",
    "scale",
    "training_loader",
]

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
