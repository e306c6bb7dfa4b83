"""What the tests of ``shmkit.qt`` share: processes of each implementation, and keys that leave nothing."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PEER = Path(__file__).with_name("qt_peer.py")

PYQT = "PyQt6.QtCore"
PYSIDE = "PySide6.QtCore"
OURS = "shmkit.qt"
OURS_AS_PYSIDE = "shmkit.qt.pyside6"

_libc = ctypes.CDLL(None)
_REMOVE = 0
_PROJECT = ord("Q")

LIMIT = 30.0
"""No answer takes as long as this, also on a busy machine."""

KINDS = {
    "posix": "M.platformSafeKey({name!r}, T.PosixRealtime)",
    "posix legacy": "M.legacyNativeKey({name!r}, T.PosixRealtime)",
    "system v": "M.platformSafeKey({name!r}, T.SystemV)",
    "system v legacy": "M.legacyNativeKey({name!r}, T.SystemV)",
}
"""The keys of a name, as an expression."""


class Peer:
    """A process with one implementation. It ends with the ``with`` block, or with the test."""

    def __init__(self, module: str, folder: Path) -> None:
        self.module = module
        folders = {"TMPDIR": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, str(PEER), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | folders,
        )

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def tell(self, expression: str) -> None:
        """Says what to do; the answer is read by ``told``."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(expression).encode() + b"\n")
        self.process.stdin.flush()

    def told(self, limit: float = LIMIT) -> list[str] | None:
        """What came of it; ``None`` if nothing has within ``limit`` seconds."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], limit)[0]:
            return None
        line = self.process.stdout.readline()
        if not line:
            return ["died", str(self.process.wait(LIMIT))]
        answer: list[str] = json.loads(line)
        return answer

    def outcome(self, expression: str) -> list[str]:
        """What comes of an expression."""
        self.tell(expression)
        answer = self.told()
        assert answer is not None, f"{self.module} hangs in {expression}"
        return answer

    def ask(self, expression: str) -> str:
        """The value of an expression, as text."""
        answer = self.outcome(expression)
        assert answer[0] == "value", f"{self.module}: {expression}: {answer}"
        return answer[1]

    def ok(self, *expressions: str) -> None:
        """Does it; each has to succeed."""
        for expression in expressions:
            value = self.ask(expression)
            assert value in ("None", "True"), f"{self.module}: {expression}: {value}: {self.error()}"

    def error(self) -> list[str]:
        return self.outcome("m.errorString()")

    def kill(self) -> None:
        """Kills the process as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(LIMIT)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                pass

    def end(self) -> None:
        """Lets the process end of itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(LIMIT)


def key_folder(name: str) -> Iterator[Path]:
    """A folder for the key files of one test; what is left of their segments and locks goes with it.

    It lies in memory, where no file is ever given the number of one before: the numbers are the keys.
    """
    folder = Path("/dev/shm") / f"{name}-keys"
    folder.mkdir(mode=0o700)
    before = _semaphore_sets(folder)
    try:
        yield folder
    finally:
        sweep(folder)
        # Where Qt leaves last it takes the file of the lock away and leaves the set.
        for semaphores in _semaphore_sets(folder) - before:
            _libc.semctl(semaphores, 0, _REMOVE)
        folder.rmdir()


def sweep(folder: Path) -> None:
    """Removes what is left of a test's segments and locks, whatever the kind of their keys."""
    name = folder.name.removesuffix("-keys")
    for file in folder.iterdir():
        _remove_system_v(file)
        file.unlink()
    for letters in (name, "".join(filter(str.isalpha, name))):
        digest = hashlib.sha1(name.encode()).hexdigest() if letters != name else ""
        for left in Path("/dev/shm").glob(f"*{letters}{digest}"):
            left.unlink()


def _remove_system_v(file: Path) -> None:
    key = _libc.ftok(os.fsencode(file), _PROJECT)
    segment, semaphores = _libc.shmget(key, 0, 0), _libc.semget(key, 0, 0)
    if segment >= 0:
        _libc.shmctl(segment, _REMOVE, None)
    if semaphores >= 0:
        _libc.semctl(semaphores, 0, _REMOVE)


def _semaphore_sets(folder: Path) -> set[int]:
    """The sets whose key comes from a file of Qt's on the folder's file system: see ftok(3)."""
    device = os.stat(folder).st_dev & 0xFF
    lines = Path("/proc/sysvipc/sem").read_text().splitlines()[1:]
    sets = (map(int, line.split()[:2]) for line in lines)
    return {number for key, number in sets if key >> 16 & 0xFFFF == _PROJECT << 8 | device}
