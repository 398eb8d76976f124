"""All that is known of a data set when its checks begin: the table, the figures of each image, and what was refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from medgraft.audit.facts import Scan
from medgraft.data import SPLITS, Manifest, MaskClasses
from medgraft.data.exclusion import entry_for
from medgraft.data.formats import AUTO, file_of
from medgraft.data.problems import Problem, ProblemKind

if TYPE_CHECKING:  # what they import takes longer than a training's own checks
    from medgraft.audit.near import NearDuplicates
    from medgraft.audit.shortcuts import Shortcut

Rows = npt.NDArray[np.intp]
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Examined:
    """What the checks read. They look at no file.

    Attributes
    ----------
    manifest : the images; of data that a training refuses, those that are left (see :mod:`medgraft.data.problems`).
    scan : the figures of each of them, in the order of its table.
    problems : what a training would refuse.
    exact : [n], -1 or the number of the group of equal pixels.
    near : pairs of near-duplicates.
    shortcuts : what the labels can be guessed from.
    strays : files of images that lie with the data and are no part of it, by their folder.
    mask_classes : what mask values mean, where that was said.
    window : how grey levels were read (see the option ``window``).
    """

    manifest: Manifest
    scan: Scan
    problems: tuple[Problem, ...]
    exact: npt.NDArray[np.int64]
    near: NearDuplicates
    shortcuts: tuple[Shortcut, ...] = ()
    strays: Mapping[str, int] = field(default_factory=dict)
    mask_classes: MaskClasses | None = None
    window: str = AUTO

    def __len__(self) -> int:
        return len(self.manifest)

    @cached_property
    def names(self) -> list[str]:
        """Of each image, how a list of images to exclude names it."""
        table, root = self.manifest.table, self.manifest.root
        # Images of an .npz lie unpacked in the cache, where nobody looks for them; other names tell who a patient is.
        if root.suffix.lower() == ".npz" or self.manifest.withheld:
            return list(table["id"])
        return [entry_for(image, root) for image in table["image"]]

    @cached_property
    def groups(self) -> Texts | None:
        """[n] patients; None where none are known."""
        return self.manifest.table["group"].to_numpy(object) if self.manifest.has_groups else None

    @cached_property
    def splits(self) -> Texts | None:
        """[n] train, val, test, or an empty text where that is not known; None without any."""
        if not self.manifest.has_split:
            return None
        split = self.manifest.table["split"]
        return split.where(split.isin(SPLITS), "").to_numpy(object)

    @cached_property
    def labels(self) -> Texts | None:
        """[n] labels as texts; None where the images have masks."""
        return None if self.manifest.classes is None else self.manifest.table["target"].to_numpy(object)

    @cached_property
    def presence(self) -> npt.NDArray[np.uint8]:
        """[n, C], 1 for each class that an image has; of data with labels alone."""
        return self.manifest.presence

    @cached_property
    def copies(self) -> list[Rows]:
        """The rows of each group of exact duplicates, in the order of the table."""
        rows = np.flatnonzero(self.exact >= 0)
        ordered = rows[np.argsort(self.exact[rows], kind="stable")]
        bounds = np.flatnonzero(np.diff(self.exact[ordered])) + 1
        return [part for part in np.split(ordered, bounds) if len(part) > 1]

    def named(self, rows: Iterable[int]) -> tuple[str, ...]:
        """Names of the images in ``rows``."""
        return tuple(self.names[row] for row in rows)

    def pairs(self, rows: Iterable[int]) -> tuple[tuple[str, str], ...]:
        """Names of the pairs of near-duplicates at these places."""
        return tuple((self.names[self.near.first[row]], self.names[self.near.second[row]]) for row in rows)

    def refused(self, *kinds: ProblemKind) -> tuple[str, ...]:
        """Names of all that was refused for one of these kinds of problems, each once."""
        places = [place for problem in self.problems if problem.kind in kinds for place in problem.places]
        called = {entry: name for name, entry in self.withheld.items()}
        return tuple(dict.fromkeys(called.get(entry, entry) for entry in map(self._short, places)))

    @cached_property
    def withheld(self) -> dict[str, str]:
        """How a list names files that were refused and whose names tell who a patient is, by what they are called.

        They are numbered, as what is not there has no content to be called by.
        """
        if not self.manifest.withheld:
            return {}
        places = [place for problem in self.problems for place in problem.places if Path(place).is_absolute()]
        entries = dict.fromkeys(map(self._short, places))
        return {f"withheld file {number}": entry for number, entry in enumerate(entries, start=1)}

    def reasons(self, rows: Rows, column: Literal["image", "target"]) -> dict[str, str]:
        """Why the images in ``rows``, or their masks, cannot be read, by the images' names."""
        seen = self.scan.images if column == "image" else self.scan.masks
        assert seen is not None
        said = {self.names[row]: str(seen["error"].iloc[row]) for row in rows}
        if self.manifest.withheld:  # an error names its file, and perhaps once more in what to do about it
            for row in rows:
                name, file = self.names[row], file_of(self.manifest.table[column].iloc[row])
                said[name] = said[name].replace(str(file), name).replace(file.name, name)
        return said

    def said_of(self, kind: ProblemKind) -> str:
        """What a training says of the first problem of a kind; empty where there is none."""
        return next((problem.sentence for problem in self.problems if problem.kind == kind), "")

    def _short(self, place: str) -> str:
        return entry_for(place, self.manifest.root) if Path(place).is_absolute() else place
