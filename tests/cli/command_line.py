"""What a command leaves behind, and what the tests ask of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

TINY = (
    *("--model", "unet", "--strategy", "scratch", "--widths", "4,8", "--size", "32", "--epochs", "1"),
    *("--precision", "fp32", "--memory-format", "contiguous", "--bootstrap", "100"),
)
"""A training of a second, with nothing left to a probe."""


class Said(NamedTuple):
    """Exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def refused(said: Said, *parts: str) -> None:
    """One message of ours with all the parts, and exit code 2."""
    assert said.code == 2, said
    assert said.err.startswith("error: ") and said.err.count("error:") == 1, said.err
    assert "Traceback" not in said.err + said.out
    for part in parts:
        assert part in said.err, (part, said.err)


def stores(workplace: Path) -> list[Path]:
    """Whatever lies in the cache of this test, whole or not."""
    return sorted((workplace.parent / "cache").glob("stores/*"))


def nothing_begun(workplace: Path) -> None:
    """No run folder, and nothing in the cache, whole or half-written."""
    assert not (workplace / "runs").exists()
    assert not (workplace / "out").exists()
    assert stores(workplace) == []


def snapshot(folder: str | Path) -> dict[Path, bytes]:
    """Every file below the folder with its contents."""
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}
