"""What learners handed in: a folder a learner, or a file each."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from medgraft.errors import DataError
from medgraft.workshop.notebook import SUFFIXES, Notebook, read_notebook

_SKIPPED = (".ipynb_checkpoints", "__pycache__", "__MACOSX", "site-packages")
_MOST_FILES = 200
_MOST_BYTES = 32 << 20
"""Of all files of a learner that are read; as cells and words they take some ten times as much memory."""
_MOST_ENTRIES = 20_000
"""Names that are looked at in a learner's folder."""
_DEEPEST = 40
"""Folders in folders."""
_LARGEST_MODULE = 1 << 20
"""Bytes of a learner's own module that is copied beside the notebooks."""


@dataclass(frozen=True)
class Handed:
    """A file that was handed in; ``where`` is its path below the learner's folder."""

    where: str
    notebook: Notebook


@dataclass(frozen=True)
class Submission:
    """What a learner handed in, read once, before anything of it is run.

    Attributes
    ----------
    learner : the folder's name, or the file's without its ending.
    files : notebooks with cells of exercises first.
    modules : by path below the learner's folder, the text of Python files that a notebook may import.
    unread : what could not be read, a sentence each.
    """

    learner: str
    files: tuple[Handed, ...]
    modules: dict[str, bytes] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    def unpack(self, folder: Path) -> None:
        """Write the learner's own modules, where the notebooks will look for them."""
        for where, content in self.modules.items():
            target = folder / where
            with contextlib.suppress(OSError):  # a path that is too long where it lies now
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)


def read_submissions(folder: Path) -> list[Submission]:
    """All that was handed in, by learner.

    Parameters
    ----------
    folder : a folder for each learner, with ``.ipynb`` or ``.py`` files at any depth, or such a file for each.

    Raises
    ------
    DataError
        Where it is no folder, or nothing in it was handed in.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder. Name the one that holds a folder (or a notebook) for each learner.")
    by_learner: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name in _SKIPPED or entry.is_symlink():
            continue
        if entry.is_dir():
            by_learner.setdefault(entry.name, []).extend(_files(entry))
        elif entry.suffix in SUFFIXES and entry.is_file():
            by_learner.setdefault(entry.stem, []).append(entry)
    if not any(by_learner.values()):
        raise DataError(f"{folder} holds no notebook (.ipynb, .py), nor folders with any.")
    return [_read(learner, folder, paths) for learner, paths in sorted(by_learner.items())]


def _files(folder: Path) -> list[Path]:
    """Notebooks and modules at any depth; links, which may lead anywhere, are left out, and what is no plain file."""
    found: list[Path] = []
    entries, top = 0, len(folder.parts)
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        entries += len(folders) + len(names)
        paths = (Path(root) / name for name in sorted(names) if not name.startswith("."))
        found += [path for path in paths if path.suffix in SUFFIXES and path.is_file() and not path.is_symlink()]
        if len(Path(root).parts) - top > _DEEPEST:
            folders.clear()
        if entries > _MOST_ENTRIES or len(found) > _MOST_FILES:
            break
    return sorted(found)


def _read(learner: str, folder: Path, paths: list[Path]) -> Submission:
    handed, modules, unread, left = [], {}, [], _MOST_BYTES
    for path in paths[:_MOST_FILES]:
        below = _below(path, folder)
        try:
            size = path.stat().st_size
            if size > left:
                raise DataError(f"{path} was left out: {learner} handed in more than {_MOST_BYTES >> 20} MB.")
            notebook = read_notebook(path)
            content = path.read_bytes() if path.suffix == ".py" and size <= _LARGEST_MODULE else None
        except DataError as error:
            unread.append(str(error))
            continue
        except Exception as error:  # whatever it is that trips up a reader, it is one learner's file
            unread.append(f"{path} cannot be read ({type(error).__name__}).")
            continue
        left -= size
        handed.append(Handed(below, notebook))
        if content is not None:
            modules[below] = content
    if len(paths) > _MOST_FILES:
        unread.append(f"{learner}: more than {_MOST_FILES} files; those after the first {_MOST_FILES} were left out.")
    handed.sort(key=lambda one: not one.notebook.exercises)
    name = learner.encode("utf-8", "backslashreplace").decode()  # a name may hold bytes that are no text
    return Submission(name, tuple(handed), modules, tuple(unread))


def _below(path: Path, folder: Path) -> str:
    """The path below the learner's own folder."""
    inside = path.relative_to(folder)
    return Path(*inside.parts[1:]).as_posix() if len(inside.parts) > 1 else inside.as_posix()
