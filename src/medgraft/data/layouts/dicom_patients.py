"""Patients of DICOM images: the group of each image by its header, and names of files that tell who it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from medgraft.data.formats import file_of
from medgraft.data.formats.dicom_identity import Identity, alias, content_of, identity_of, tells
from medgraft.data.formats.dicom_kind import is_dicom
from medgraft.data.layouts.unpacking import Progress, in_silence
from medgraft.data.manifest import Manifest
from medgraft.errors import DataError

NAMELESS = "dicom"
"""What a data set is called whose own folder tells who a patient is."""


def with_patients(manifest: Manifest, progress: Progress = in_silence) -> Manifest:
    """Return the manifest with the patients that its DICOM files name as groups, where it has no groups of its own.

    Groups, and ids of images whose files' names tell who a patient is, are replaced by hashes (see
    ``dicom_identity``), and notes say so. A manifest without DICOM files comes back as it is.

    Raises
    ------
    DataError
        Where each label is that of one patient, or where what a manifest refuses comes to light by the patients.
    """
    files = {text: file_of(text) for text in manifest.table["image"]}
    headers = list(dict.fromkeys(file for file in files.values() if is_dicom(file)))
    if not headers:
        return manifest
    known: dict[Path, Identity] = {}
    for done, file in enumerate(headers, start=1):
        found = _identity(file)
        if found is not None:
            known[file] = found
        progress("reading DICOM headers", done, len(headers))
    identities = [known.get(files[text]) for text in manifest.table["image"]]
    words = frozenset(word for identity in known.values() for word in identity.words)
    named = _with_groups(manifest, identities, words).with_notes(*_windowless(known))
    _refuse_patients_as_classes(named)
    return _with_names_withheld(named, identities)


def _identity(file: Path) -> Identity | None:
    """What the header says; None of a file that cannot be read, which is refused where its pixels are read."""
    try:
        return identity_of(file)
    except DataError:
        return None


def _with_groups(manifest: Manifest, identities: list[Identity | None], words: frozenset[str]) -> Manifest:
    if manifest.has_groups:
        return _with_groups_hashed(manifest, words)
    owners = [_owner(identity) for identity in identities]
    if all(owner is None for owner in owners):
        return manifest
    contents: dict[tuple[str, str], list[bytes]] = {}
    for owner, identity in zip(owners, identities, strict=True):
        if owner is not None and identity is not None:
            contents.setdefault(owner, []).append(identity.content)
    names = {owner: alias(*owner, found) for owner, found in contents.items()}
    groups = [
        f"image {name}" if owner is None else names[owner]
        for owner, name in zip(owners, manifest.table["id"], strict=True)
    ]
    kinds = [owner[0] if owner else "" for owner in owners]
    return replace(manifest, table=manifest.table.assign(group=groups)).with_notes(*_said(kinds, names))


def _owner(identity: Identity | None) -> tuple[str, str] | None:
    """The patient of an image, or where the file names none its study."""
    if identity is None:
        return None
    if identity.patient:
        return "patient", identity.patient
    return ("study", identity.study) if identity.study else None


def _said(kinds: list[str], names: Mapping[tuple[str, str], str]) -> list[str]:
    patients, studies = (sum(owner[0] == kind for owner in names) for kind in ("patient", "study"))
    said = [f"DICOM headers: {patients} patients read as groups, by hashes of their ids"] if patients else []
    if studies:
        said.append(f"{kinds.count('study')} DICOM images name no patient; their {studies} studies stand for them")
    if "" in kinds:
        said.append(f"{kinds.count('')} images name neither patient nor study, and stand alone")
    return said


def _with_groups_hashed(manifest: Manifest, words: frozenset[str]) -> Manifest:
    """Groups of the user's own table, hashed where they are the very ids or names that the headers hold."""
    groups = manifest.table["group"]
    if not any(tells(group, words) for group in groups.unique()):
        return manifest
    images = manifest.table["image"].groupby(groups)
    contents = {group: [content_of(file_of(image)) for image in found] for group, found in images}
    names = {group: alias("patient", str(group), found) for group, found in contents.items()}
    hashed = replace(manifest, table=manifest.table.assign(group=groups.map(names)))
    return hashed.with_notes("the groups are ids that the DICOM headers hold; hashes stand for them")


def _windowless(known: Mapping[Path, Identity]) -> list[str]:
    without = [identity for identity in known.values() if identity.windowless]
    if not without:
        return []
    tomography = any(identity.modality == "CT" for identity in without)
    advice = "; for CT, one such as 40/400 (Hounsfield units) makes images alike" if tomography else ""
    return [
        f"{len(without)} of {len(known)} DICOM files ask for no window: each is shown from the 0.5th to the 99.5th "
        f"percentile of its values, unless --window says otherwise{advice}"
    ]


def _refuse_patients_as_classes(manifest: Manifest) -> None:
    if manifest.classes is None or manifest.classes.multilabel or not manifest.has_groups:
        return
    if len(manifest) == manifest.table["group"].nunique():
        return
    pairs = manifest.table[["target", "group"]].drop_duplicates()
    if len(pairs) == pairs["group"].nunique() == pairs["target"].nunique():
        raise DataError(
            f"{manifest.root}: all images of a class are of one patient, and each patient has a class of its own, so "
            "only patients could be told apart. If the folders are patients and no classes, give a CSV with the labels."
        )


def _with_names_withheld(manifest: Manifest, identities: list[Identity | None]) -> Manifest:
    """Ids that are hashes, where the path of an image or of its mask tells who its patient is."""
    words = frozenset(word for identity in identities if identity is not None for word in identity.words)
    paths = set(manifest.table["image"]) | (set() if manifest.classes else set(manifest.table["target"]))
    if not any(tells(path, words) for path in paths):
        return manifest
    ids = _hashed_ids(manifest.table, identities)
    groups = {"group": _alone_anew(manifest.table, ids)} if manifest.has_groups else {}
    name = NAMELESS if tells(str(manifest.root), words) else manifest.name
    notes = [note.replace(manifest.root.name, "the data") if tells(note, words) else note for note in manifest.notes]
    notes = [note for note in notes if not tells(note, words)]
    table = manifest.table.assign(id=ids, **groups)
    said = "file names tell who a patient is, so images are called by hashes, and no path to them is kept"
    return replace(manifest, table=table, name=name, notes=(*notes, said), withheld=True)


def _hashed_ids(table: pd.DataFrame, identities: list[Identity | None]) -> list[str]:
    """A hash of each image's file, with the part where it holds several; copies are numbered."""
    ids: list[str] = []
    seen: dict[str, int] = {}
    for text, identity in zip(table["image"], identities, strict=True):
        file = file_of(text)
        part = str(text)[len(str(file)) + 1 :]
        content = identity.content if identity is not None else content_of(file)
        name = alias("image", "", [content]) + (f"-{part}" if part else "")
        seen[name] = seen.get(name, 0) + 1
        ids.append(name if seen[name] == 1 else f"{name}-copy{seen[name]}")
    return ids


def _alone_anew(table: pd.DataFrame, ids: list[str]) -> list[str]:
    """Groups; that of an image that stands alone was made of its id."""
    rows = zip(table["group"], table["id"], ids, strict=True)
    return [f"image {new}" if group == f"image {old}" else group for group, old, new in rows]
