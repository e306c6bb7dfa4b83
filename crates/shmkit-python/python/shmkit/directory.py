"""Where to put files that are to be in memory."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

from . import _shmkit

__all__ = ["Candidate", "candidates", "choose", "examine"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A directory that files may be put in, and what speaks for and against it."""

    path: Path
    medium: Literal["memory", "disk", "network", "unknown"] | None
    """What it lies on; ``None`` if it does not exist or may not be looked at."""
    file_system: str | None
    available: int
    """How many bytes are free there for this user."""
    merits: str
    objection: str | None
    """Why it will not do, if so."""


def candidates(size: int = 0, /) -> list[Candidate]:
    """The usual directories for a file of ``size`` bytes, the best first."""
    return [Candidate(**it) for it in _shmkit.directory_candidates(size)]


def examine(path: str | PathLike[str], size: int = 0, /) -> Candidate:
    """What speaks for and against a directory, for a file of ``size`` bytes that is to be in memory."""
    return Candidate(**_shmkit.examine_directory(path, size))


def choose(size: int = 0, /) -> Path:
    """The best of the usual directories; ``UnsupportedError`` with the objections if none will do."""
    return _shmkit.choose_directory(size)
