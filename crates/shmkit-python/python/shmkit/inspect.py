"""Which segments there are, who has them, what crashed programs left behind, and what happens.

    >>> import shmkit.inspect
    >>> for segment in shmkit.inspect.list():
    ...     print(segment.key or segment.where, segment.size, segment.state)

``None`` stands for what this user may not know, or what cannot be told.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import _shmkit

if TYPE_CHECKING:
    from ._shmkit import Key

__all__ = [
    "Event",
    "Holder",
    "Holders",
    "Leftover",
    "Lock",
    "LockUser",
    "Report",
    "Segment",
    "events",
    "holders",
    "info",
    "list",
    "lock",
    "reap",
    "wait_for",
]


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a segment."""

    pid: int
    program: str
    attached: int
    """How often it has the segment mapped."""
    access: Literal["read_only", "read_write"] | None
    descriptors: int
    """How many open descriptors of the segment it has."""
    user: int | None
    user_name: str | None
    since: datetime | None
    """When the process began."""
    container: str | None


@dataclass(frozen=True, slots=True)
class Segment:
    """What can be told about a segment by looking at it."""

    key: Key | None
    place: Literal["posix", "systemv", "windows", "memfd", "file", "anonymous"]
    where: str
    """Its path, its number: what the operating system calls it."""
    kind: str
    """What made it: ``"raw"``, ``"typed NAME"``, ``"qt"``, ``"python"``, ``"boost"``, …"""
    size: int
    """In bytes."""
    resident: int | None
    """How many bytes of it are in memory."""
    owner: int
    owner_name: str | None
    mode: int
    created: datetime | None
    lifetime: Literal["ephemeral", "kept"]
    attached: int | None
    """How often it is mapped, by all processes."""
    holders: tuple[Holder, ...]
    complete: bool
    """Whether no holder was overlooked."""
    state: Literal["live", "orphan", "kept", "unknown"]
    reason: str
    """Why it is in that state."""


@dataclass(frozen=True, slots=True)
class LockUser:
    """A process that has a lock, or waits for it."""

    pid: int
    program: str


@dataclass(frozen=True, slots=True)
class Lock:
    """A segment's own lock."""

    key: Key
    held: bool | None
    holders: tuple[LockUser, ...]
    held_by_one_of: bool
    """Whether it is not known which of them has it."""
    owner_died: bool
    waiting: int | None
    waiters: tuple[LockUser, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Holders:
    """Who has a segment."""

    processes: tuple[Holder, ...]
    complete: bool
    lock: Lock | None


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that crashed programs left behind."""

    kind: Literal["segment", "lock", "temporary", "key file"]
    key: Key | None
    path: Path | None
    size: int
    """In bytes."""
    owner: int
    created: datetime | None
    reason: str
    outcome: Literal["found", "removed", "in use", "failed"]
    error: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a look for leftovers has found."""

    leftovers: tuple[Leftover, ...]
    untold: int
    """How many things could not be judged by this user."""

    @property
    def size(self) -> int:
        """How many bytes were freed, or would be."""
        return sum(it.size for it in self.leftovers if it.outcome in ("found", "removed"))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a segment."""

    happening: Literal["existing", "created", "attached", "detached", "removed"]
    time: datetime
    key: Key | None
    where: str
    size: int | None
    holder: Holder | None
    """Who attached or detached."""


def list() -> builtins.list[Segment]:
    """All segments that this user can see: shmkit's, Qt's, Python's, those of anybody."""
    return [_segment(found) for found in _shmkit.list_segments()]


def info(key: Key | str, /) -> Segment:
    """One segment; ``NotFoundError`` if there is none of that key."""
    return _segment(_shmkit.segment_info(key))


def holders(key: Key | str, /) -> Holders:
    """Who has a segment, who has its lock, who waits for that."""
    found = _shmkit.segment_holders(key)
    lock = found["lock"]
    return Holders(
        processes=tuple(Holder(**it) for it in found["processes"]),
        complete=found["complete"],
        lock=None if lock is None else _lock(lock),
    )


def lock(key: Key | str, /) -> Lock | None:
    """The own lock of a segment, if there is one by now."""
    found = _shmkit.lock_info(key)
    return None if found is None else _lock(found)


def reap(
    *names: str,
    keys: Iterable[Key | str] = (),
    owners: Iterable[int] = (),
    older_than: float | None = None,
    preview: bool = False,
) -> Report:
    """Removes what crashed programs left behind: orphaned segments, locks, temporary files.

    Nothing that may be in use is touched. ``names`` are patterns (``"cam*"``); ``owners`` are numbers
    of users, and without any it is what belongs to this one; ``older_than`` is in seconds. With
    ``preview`` it is only told what would be removed.
    """
    keys, owners = [*keys], [*owners]
    found, untold = _shmkit.reap([*names], keys, owners, older_than, preview)
    return Report(tuple(Leftover(**it) for it in found), untold)


def wait_for(
    key: Key | str,
    until: Literal["created", "attached", "unlocked", "released", "removed"],
    /,
    timeout: float | None = None,
) -> None:
    """Waits until a segment is ``"created"``, ``"attached"`` (somebody uses it), ``"unlocked"``,
    ``"released"`` (nobody uses it) or ``"removed"``; ``TimedOutError`` after ``timeout`` seconds."""
    _shmkit.wait_for(key, until, timeout)


def events(
    *keys: Key | str,
    existing: bool = False,
    interval: float = 0.5,
    timeout: float | None = None,
) -> Iterator[Event]:
    """What happens to the segments of these keys, or to all; begins to watch at once.

    With ``existing`` it begins with what is there. ``interval``, in seconds, is how often to look where
    the kernel does not tell. It ends when nothing has happened for ``timeout`` seconds.
    """
    stream = _shmkit.EventStream([*keys], existing, interval)
    return _each(stream, timeout)


def _each(stream: _shmkit.EventStream, timeout: float | None) -> Iterator[Event]:
    while (told := stream.next_within(timeout)) is not None:
        holder = told.pop("holder")
        where = told.pop("where_")
        yield Event(**told, where=where, holder=None if holder is None else Holder(**holder))


def _segment(found: dict[str, Any]) -> Segment:
    holders = tuple(Holder(**it) for it in found.pop("holders"))
    return Segment(where=found.pop("where_"), holders=holders, **found)


def _lock(found: dict[str, Any]) -> Lock:
    holders, waiters = found.pop("holders"), found.pop("waiters")
    return Lock(
        holders=tuple(LockUser(*it) for it in holders),
        waiters=tuple(LockUser(*it) for it in waiters),
        **found,
    )
