"""From files to batches: manifest, formats, layouts, labels, splits, store, augmentation, batches, synthetic set."""

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
