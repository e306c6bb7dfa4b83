"""Whose end ends a tracked block: the family of the process that created it.

A family is the process that imports this first and all that descend from it, which find its ledger
by a variable of the environment. Each of them shares a lock of the ledger (``flock``), which the
kernel drops with the process, however that ends. The names of tracked blocks are in the ledger. The
last one out removes them; if it was killed, the next process that tracks a block does.

Nobody's block is removed under somebody who has it mapped: that is marked as ephemeral instead, so
that ``shmkit reap`` and the next creator of that name may have it afterwards.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import stat
from _thread import RLock

from .._shmkit import unlink_unused

VARIABLE = "SHMKIT_FAMILY"
DIRECTORY = "/dev/shm/"
PREFIX = "shmkit-family-"

_SMALL = 1 << 16
"""Bytes of a ledger that are not worth to be looked through for blocks that are gone."""


class Ledger:
    """An open ledger: as long as it is, the family lives."""

    def __init__(self, family: str, flags: int = 0) -> None:
        self.family = family
        self.path = DIRECTORY + PREFIX + family
        self.file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | flags, 0o600)
        status = os.fstat(self.file)
        self.identity = status.st_dev, status.st_ino
        self.small = _SMALL

    def join(self) -> bool:
        """Whether the family is still alive, and this process in it."""
        fcntl.flock(self.file, fcntl.LOCK_SH)
        return os.fstat(self.file).st_nlink > 0

    def is_last(self) -> bool:
        """Whether nobody else is in it. If somebody is, this process may not be any more."""
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_open(self) -> bool:
        """Whether the descriptor is still ours: daemons close all that they find."""
        try:
            status = os.fstat(self.file)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.identity

    def add(self, name: str) -> None:
        line = f"{_inode(name)} {name}\0".encode()
        # Processes by `lockf`, threads by `_guard`, which the caller holds.
        fcntl.lockf(self.file, fcntl.LOCK_EX)
        try:
            os.write(self.file, line)
            if os.lseek(self.file, 0, os.SEEK_END) > self.small:
                self._tidy()
        finally:
            fcntl.lockf(self.file, fcntl.LOCK_UN)

    def blocks(self) -> list[tuple[int, str]]:
        """Inode and name of each block that is still there."""
        size = os.fstat(self.file).st_size
        lines = os.pread(self.file, size, 0).decode(errors="replace").split("\0")
        entries = (line.split(" ", 1) for line in lines if line[:1].isdigit() and " " in line)
        return [(int(inode), name) for inode, name in entries if _inode(name) == int(inode)]

    def end(self) -> None:
        """Removes what the family has left behind, and the ledger."""
        for _, name in self.blocks():
            try:
                if not unlink_unused(name):
                    _mark_ephemeral(name)
            except OSError:
                continue  # Somebody else's by now.
        os.unlink(self.path)

    def close(self) -> None:
        os.close(self.file)

    def _tidy(self) -> None:
        left = "".join(f"{inode} {name}\0" for inode, name in self.blocks()).encode()
        os.ftruncate(self.file, 0)
        os.write(self.file, left)
        self.small = max(_SMALL, 2 * len(left))


_ledger: Ledger | None = None
_next: Ledger | None = None
_founded = False
_guard = RLock()  # Signal handlers may fork.


def record(name: str) -> None:
    """Notes a block that goes with this process's family."""
    global _founded
    with _guard:
        ledger = _joined()
        if _founded:
            _founded = False
            _bury_others(ledger)
        ledger.add(name)


def _joined() -> Ledger:
    global _ledger
    if _ledger is None or not _ledger.is_open():
        _ledger = _find() or _found()
    return _ledger


def _find() -> Ledger | None:
    """The family that the environment names, if it is alive."""
    family = os.environ.get(VARIABLE, "")
    if not family.isalnum():
        return None
    try:
        ledger = Ledger(family)
    except OSError:
        return None
    if ledger.join():
        return ledger
    ledger.close()
    return None


def _found() -> Ledger:
    global _founded
    while True:
        ledger = Ledger(os.urandom(8).hex(), os.O_CREAT | os.O_EXCL)
        # Between the two steps somebody may have taken it for the ledger of the dead.
        if ledger.join():
            break
        ledger.close()
    os.environ[VARIABLE] = ledger.family
    _founded = True
    return ledger


def _bury_others(ours: Ledger) -> None:
    """Removes what families have left that were killed to the last."""
    for file in os.listdir(DIRECTORY):
        if not file.startswith(PREFIX) or file == PREFIX + ours.family:
            continue
        try:
            ledger = Ledger(file.removeprefix(PREFIX))
        except OSError:
            continue  # Another user's, or gone.
        try:
            if os.fstat(ledger.file).st_uid == os.geteuid() and ledger.is_last():
                ledger.end()
        except OSError:
            pass  # Somebody was faster.
        finally:
            ledger.close()


def _leave() -> None:
    global _ledger
    ledger, _ledger = _ledger, None
    if ledger is None or not ledger.is_open():
        return
    try:
        if ledger.is_last():
            ledger.end()
    except OSError:
        pass  # The next one that founds a family does it.
    ledger.close()


def _before_fork() -> None:
    """A description of its own for the child, so that there is no moment without its lock."""
    global _next
    _guard.acquire()
    if _ledger is None or not _ledger.is_open():
        return
    try:
        _next = Ledger(_ledger.family)
        _next.join()
    except OSError:
        _next = None


def _after_fork_in_parent() -> None:
    global _next
    if _next is not None:
        _next.close()
        _next = None
    _guard.release()


def _after_fork_in_child() -> None:
    global _ledger, _next
    if _ledger is not None and _next is not None:
        _ledger.close()
        _ledger, _next = _next, None
    _guard.release()


def _inode(name: str) -> int | None:
    try:
        return os.stat(DIRECTORY + name.lstrip("/")).st_ino
    except OSError:
        return None


def _mark_ephemeral(name: str) -> None:
    path = DIRECTORY + name.lstrip("/")
    os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | stat.S_ISVTX)


try:
    _joined()  # Now, so that what children make outlives them.
except OSError:
    pass  # Whoever creates a block is told then.
atexit.register(_leave)
os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
