"""Other data brought to the classes of a run, in the run's order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medgraft.data import LabelClasses, Manifest, MaskClasses, PixelStore
from medgraft.errors import DataError, listing, suggest
from medgraft.run import Run


def with_classes_of(run: Run, manifest: Manifest, store: PixelStore) -> tuple[Manifest, PixelStore]:
    """The data with its targets in the run's classes.

    A class that no image of the data has is no mistake, unless an image may have several: then nobody looked for it.

    Raises
    ------
    DataError
        Where the data has a class that the run does not know, or lacks a column of one that it does.
    """
    record = run.model_info["classes"]
    if manifest.classes is not None:
        known = LabelClasses.from_dict(record)
        _check_labels(manifest, known)
        aligned = replace(manifest, classes=known)
        return aligned, replace(store, labels=aligned.labels)
    found, wanted = store.classes, MaskClasses.from_dict(record)
    assert found is not None
    aligned_masks = _masks(manifest, found, wanted)
    if found.count > 2 and found.names != wanted.names:
        order = np.array([wanted.names.index(name) for name in found.names], np.uint8)
        store = replace(store, masks=order[store.masks])
    return manifest, replace(store, classes=aligned_masks)


def _check_labels(manifest: Manifest, known: LabelClasses) -> None:
    assert manifest.classes is not None
    found = manifest.classes
    strange = [name for name in found.names if name not in known.names]
    if found.multilabel != known.multilabel:
        kinds = {True: "several labels or none", False: "one label"}
        raise DataError(
            f"{manifest.root}: an image has {kinds[found.multilabel]} here, and {kinds[known.multilabel]} in the run's "
            "training; name the columns with --label-column."
        )
    if strange:
        raise DataError(
            f"{manifest.root}: the run does not know the class {listing(strange)}; it was trained on "
            f"{listing(known.names)}.{suggest(strange[0], known.names)} Rename the class in the data, or leave its "
            "images out with --exclude."
        )
    lacking = [name for name in known.names if name not in found.names]
    if known.multilabel and lacking:
        raise DataError(
            f"{manifest.root}: the data says nothing of {listing(lacking)}, which the run looks for; of several labels "
            "each needs a column of 0 and 1. Add it, or name the columns with --label-column."
        )


def _masks(manifest: Manifest, found: MaskClasses, known: MaskClasses) -> MaskClasses:
    """The data's own values, with the run's names in the run's order."""
    if found.count == known.count == 2:
        return MaskClasses(known.names, found.ranges)
    strange = [name for name in found.names if name not in known.names]
    lacking = [name for name in known.names if name not in found.names]
    if strange or lacking:
        parts = [f"does not know {listing(strange)}"] if strange else []
        parts += [f"looks for {listing(lacking)}, which no mask value stands for"] if lacking else []
        raise DataError(
            f"{manifest.root}: the masks have the classes {listing(found.names)}, and the run {' and '.join(parts)}; "
            f"say what the values mean with --mask-values, in the names {listing(known.names)}."
        )
    ranges = tuple((low, high, known.names.index(found.names[index])) for low, high, index in found.ranges)
    return MaskClasses(known.names, ranges)
