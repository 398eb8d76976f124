"""inspect: look at every image of a data set, and write down what is there, what is wrong and what would leak."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medgraft.audit.audit import Audit
from medgraft.audit.examined import Examined
from medgraft.audit.facts import Scan
from medgraft.audit.near import exact_duplicates, near_duplicates
from medgraft.audit.scan import scan
from medgraft.audit.shortcuts import Shortcut, find_shortcuts
from medgraft.data import Manifest, MaskClasses
from medgraft.data.exclusion import write_exclusion
from medgraft.data.formats import file_of, has_image_suffix
from medgraft.data.problems import Problem, collecting
from medgraft.errors import DataError, RecipeError
from medgraft.pipeline.folders import settle
from medgraft.pipeline.prepare import is_synthetic, open_for
from medgraft.progress import Observer, Terminal
from medgraft.recipe import Recipe
from medgraft.report.audit_page import audit_page

_HEADING = "medgraft inspect: images for medgraft fit --exclude; take out a line to keep its image"


@dataclass(frozen=True)
class Inspection:
    """What an inspection left behind.

    Attributes
    ----------
    audit : what it found.
    folder : with ``audit.json`` and ``index.html``.
    """

    audit: Audit
    folder: Path

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / "index.html"


def inspect(
    data: str | Path,
    *,
    out: str | Path = "inspect",
    fix_list: str | Path | None = None,
    workers: int | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Inspection:
    """Look at ``data``, also where a training would refuse it, and write a page and ``audit.json``.

    Parameters
    ----------
    data : a folder, a CSV, or another layout that :func:`medgraft.open` understands.
    out : the folder for both; that of an earlier inspection is overwritten.
    fix_list : a file for the list of images that ``fit --exclude`` reads.
    workers : threads that decode; default one a core.
    observer : who is told of the progress; default: a bar on standard error.
    options : options of a recipe that say how the data is read, by name.

    Raises
    ------
    MedgraftError
        Where the layout is not understood, no image is left to look at, or ``out`` holds what no inspection wrote.
    """
    observer = observer or Terminal()
    recipe = settle(None, options)
    if workers is not None and workers < 1:
        raise RecipeError(f"workers: {workers} threads decode nothing; give 1 or more, or leave it out for one a core.")
    folder = Path(out)
    _refuse_foreign(folder, fix_list)
    try:
        examined = examine(Path(data), recipe, workers, observer)
        audit = Audit.of(examined)
        observer.working("writing the page", 0, 1)
        audit.save(folder / "audit.json")  # before the page, as it shows that the folder is an inspection's
        audit_page(audit, examined, folder / "index.html", is_synthetic(examined.manifest))
        observer.working("writing the page", 1, 1)
    finally:
        observer.close()
    if fix_list is not None:
        listed = ((examined.withheld.get(name, name), why) for name, why in audit.exclusion)
        write_exclusion(fix_list, listed, _HEADING)
    return Inspection(audit, folder)


def examine(data: Path, recipe: Recipe, workers: int | None, observer: Observer) -> Examined:
    """Open the data without refusing what can be left out, and measure every image that is left."""
    with collecting() as problems:
        manifest = open_for(data, recipe, observer)
    if not len(manifest):
        raise DataError(f"{data}: no image is left to look at. {problems[0].sentence if problems else ''}".rstrip())
    masks = list(manifest.table["target"]) if manifest.classes is None else None
    mask_values = recipe.mask_values or manifest.mask_values
    seen = scan(
        list(manifest.table["image"]),
        masks,
        workers,
        lambda done, total: observer.working("looking at images", done, total),
        recipe.window,
    )
    near = near_duplicates(seen.hashes)
    return Examined(
        manifest,
        seen,
        tuple(problems),
        exact_duplicates(seen),
        near,
        tuple(_shortcuts(manifest, seen, near.clusters, recipe.seed)),
        strays(manifest, problems),
        MaskClasses.from_option(mask_values) if mask_values else None,
        recipe.window,
    )


def strays(manifest: Manifest, problems: Sequence[Problem]) -> Mapping[str, int]:
    """How many image files of each folder lie with the data and are no part of it.

    Of a folder, everything below it is looked at; of a table, the folders that its images are in.
    """
    if manifest.root.suffix.lower() == ".npz":
        return {}
    real_folder = lru_cache(os.path.realpath)

    def real(file: str) -> str:
        """The file without links in its folders; a link to a file keeps its name."""
        folder, _, name = file.rpartition("/")
        return f"{real_folder(folder)}/{name}"

    used = {real(str(file_of(image))) for image in manifest.table["image"]}
    if manifest.classes is None:
        used |= {real(str(file_of(mask))) for mask in manifest.table["target"]}
    used |= {real(str(file_of(place))) for problem in problems for place in problem.places if "/" in place}
    whole = manifest.root.is_dir()
    base = manifest.root if whole else manifest.root.parent
    found: Counter[str] = Counter()
    for folder in [base] if whole else sorted({Path(file).parent for file in used}):
        for place, inside, files in os.walk(os.path.realpath(folder)):
            inside[:] = [name for name in inside if whole and not name.startswith((".", "__MACOSX"))]
            names = [name for name in files if name[0] != "." and has_image_suffix(Path(name))]
            count = sum(real(f"{place}/{name}") not in used for name in names)
            if count:
                found[f"{os.path.relpath(place, os.path.realpath(base))}/"] += count
    if manifest.withheld and found:  # folders may be called after patients too
        return {"withheld folders": found.total()}
    return dict(sorted(found.items()))


def _shortcuts(manifest: Manifest, seen: Scan, clusters: npt.NDArray[np.integer], seed: int) -> list[Shortcut]:
    """Guessed across patients, or where none are known across near-copies, as a copy of an image tells its label."""
    classes = manifest.classes
    if classes is None or classes.count < 2:
        return []
    alone = np.arange(len(manifest)) + len(manifest)
    known = manifest.table["group"] if manifest.has_groups else np.where(clusters < 0, alone, clusters)
    groups = pd.factorize(known)[0]
    return find_shortcuts(seen, np.asarray(manifest.labels), classes.names, groups, seed)


def _refuse_foreign(folder: Path, fix_list: str | Path | None) -> None:
    """Raise DataError where a file would be written over that no inspection wrote."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; name another folder with --out.")
    if (folder / "index.html").exists() or (folder / "audit.json").exists():
        try:
            Audit.load(folder / "audit.json")
        except DataError:
            raise DataError(
                f"{folder} holds files that no inspection wrote (index.html or audit.json); name another folder "
                "with --out."
            ) from None
    if fix_list is not None and Path(fix_list).is_file():
        text = Path(fix_list).read_bytes()
        if text and not text.startswith(b"# medgraft inspect"):
            raise DataError(f"{fix_list} exists and is no list that an inspection wrote; name another file.")
