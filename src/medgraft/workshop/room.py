"""What a process with somebody else's code can reach: a folder to write to and, where the system allows, no more."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PASSED_ON = (
    "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC",
)  # fmt: skip
"""Variables that Python may need. All others, which may hold passwords, stay out."""
_PROBING = 20.0
"""Seconds that a system may take to say whether it allows a room."""

_ALONE = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--pid", "--fork", "--kill-child"]
"""A network of its own, which leads nowhere, and processes that all end with the first, and that with this one."""
_FIXED = """set -ef
IFS="$(printf '\\n_')"; IFS="${IFS%_}"
mount --bind "$0" /sys
for place in $MEDGRAFT_HIDDEN; do mount -t tmpfs -o size=1m none "$place"; done
mkdir -p "$0"
mount --bind /sys "$0"
umount /sys
for place in $MEDGRAFT_HIDDEN $MEDGRAFT_MOUNTS; do
  mount -o remount,bind,ro "$place" 2>/dev/null || test "$place" != /
done
mount -t tmpfs -o size=256m none /dev/shm 2>/dev/null || true
mount -t proc -o ro none /proc 2>/dev/null || mount -o remount,bind,ro /proc 2>/dev/null || true
cd "$0/work"
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""
"""Places are hidden, and everything is read-only but the folder; no privilege is left to change that."""
_FITS = 'test -x "$0" && test -w . || exit 1; for place in "$@"; do if test -w "$place"; then exit 1; fi; done'
"""Whether Python ($0) can be reached, the folder written to, and no place that is named."""


@dataclass(frozen=True)
class Room:
    """Where a process runs; by default with all that this one can reach.

    Attributes
    ----------
    folder : the one that it may write to; in it ``work`` is where it runs. None: no folder of its own.
    environment : its variables.
    walls : the command that closes the network and the disk, in which ``{folder}`` stands for the folder.
    """

    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    walls: tuple[str, ...] = ()

    @property
    def work(self) -> Path | None:
        """Where the process runs; None: where this one does."""
        return None if self.folder is None else self.folder / "work"

    def command(self, inside: Sequence[str]) -> list[str]:
        """The command that runs another one in the room."""
        return [*(word.replace("{folder}", str(self.folder)) for word in self.walls), *inside]


@dataclass(frozen=True)
class Walls:
    """What a system lets us close.

    Attributes
    ----------
    command : that does it; empty where nothing can be closed.
    left_open : of ``network`` and ``files``, what stays open.
    hidden : folders that look empty from inside.
    """

    command: tuple[str, ...]
    left_open: tuple[str, ...]
    hidden: tuple[Path, ...] = ()


def made_room(folder: Path, walls: Walls) -> Room:
    """A room in a new, empty folder; its process finds no variable of yours that it does not need."""
    work = str(folder / "work")
    Path(work).mkdir()
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    own = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "MEDGRAFT_WORKSHOP"), work)
    rest = {
        "MEDGRAFT_CACHE": str(Path(work) / "cache"), "MPLBACKEND": "Agg", "HF_HUB_OFFLINE": "1",
        "PYTHONDONTWRITEBYTECODE": "1", "MEDGRAFT_MOUNTS": "\n".join(_mounts()),
        "MEDGRAFT_HIDDEN": "\n".join(map(str, walls.hidden)),
    }  # fmt: skip
    return Room(folder, kept | own | rest, walls.command)


@functools.cache
def walls_here(protected: tuple[Path, ...], hidden: tuple[Path, ...] = ()) -> Walls:
    """The strongest walls that this system allows, tried out.

    Parameters
    ----------
    protected : files and folders that must not be writable from inside, for the files to count as closed.
    hidden : folders to hide, where the disk can be closed at all.
    """
    if all(shutil.which(tool) for tool in ("unshare", "mount", "setpriv", "sh")):
        for privilege in ([], ["--map-root-user"]):
            alone = [*_ALONE, *privilege]
            both = Walls((*alone, "--mount", "sh", "-c", _FIXED, "{folder}"), (), hidden)
            if _holds(both, protected):
                return both
            network = Walls(tuple(alone), ("files",))
            if _holds(network, ()):
                return network
    return Walls((), ("network", "files"))


def _holds(walls: Walls, protected: Sequence[Path]) -> bool:
    """Whether Python can be started within these walls, writes to its folder, and to nothing that is protected."""
    with tempfile.TemporaryDirectory(prefix="medgraft-room-") as name:
        room = made_room(Path(name).resolve(), walls)
        command = room.command(["sh", "-c", _FITS, sys.executable, *map(str, protected)])
        try:
            tried = subprocess.run(
                command, cwd=room.work, env=dict(room.environment), stdin=subprocess.DEVNULL, capture_output=True,
                timeout=_PROBING, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return False
        return tried.returncode == 0


def _mounts() -> list[str]:
    """Where disks are mounted, the root first; the system's table writes a blank as \\040."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    places = {line.split()[1] for line in lines if len(line.split()) > 3 and line.split()[3].split(",")[0] == "rw"}
    written = (place.replace("\\040", " ").replace("\\134", "\\") for place in places)
    return sorted(place for place in written if not place.startswith("/dev/pts"))
