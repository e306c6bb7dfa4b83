"""A segment's life: create, write a byte, attach once more, read it, close both, remove."""

from __future__ import annotations

import itertools
import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import shared_memory as multiprocessing_shared_memory
from types import ModuleType

import posix_ipc
import shmkit
import sysv_ipc
from PyQt6.QtCore import QNativeIpcKey, QSharedMemory
from shmkit import shared_memory as shmkit_shared_memory

_count = itertools.count()
SIZES = {"4 KiB": 4096, "1 MiB": 1 << 20}


def name() -> str:
    return f"shmkit-bench-{os.getpid()}-{next(_count)}"


def shmkit_segment(size: int) -> None:
    key = name()
    with shmkit.SharedMemory.create(key, size) as made:
        made.buf[0] = 1
        with shmkit.SharedMemory.attach(key) as other:
            assert other.buf[0] == 1


def drop_in(module: ModuleType) -> Callable[[int], None]:
    def cycle(size: int) -> None:
        made = module.SharedMemory(name(), create=True, size=size)
        made.buf[0] = 1
        other = module.SharedMemory(made.name)
        assert other.buf[0] == 1
        other.close()
        made.close()
        made.unlink()

    return cycle


def qt(size: int) -> None:
    key = QSharedMemory.platformSafeKey(name(), QNativeIpcKey.Type.PosixRealtime)
    made, other = QSharedMemory(key), QSharedMemory(key)
    assert made.create(size), made.errorString()
    made.data()[0] = b"\1"  # type: ignore[index]
    assert other.attach(), other.errorString()
    assert other.data()[0] == b"\1"  # type: ignore[index]
    other.detach()
    made.detach()
    # Qt leaves the name.
    os.unlink("/dev/shm" + key.nativeKey())


def posix(size: int) -> None:
    key = "/" + name()
    segment = posix_ipc.SharedMemory(key, posix_ipc.O_CREX, size=size)
    made = mmap.mmap(segment.fd, size)
    segment.close_fd()
    made[0] = 1
    segment = posix_ipc.SharedMemory(key)
    other = mmap.mmap(segment.fd, segment.size)
    segment.close_fd()
    assert other[0] == 1
    other.close()
    made.close()
    posix_ipc.unlink_shared_memory(key)


def system_v(size: int) -> None:
    made = sysv_ipc.SharedMemory(None, sysv_ipc.IPC_CREX, size=size)
    made.write(b"\1")
    other = sysv_ipc.attach(made.id)
    assert other.read(1) == b"\1"
    other.detach()
    made.detach()
    made.remove()


WAYS: dict[str, Callable[[int], None]] = {
    "shmkit.shared_memory": drop_in(shmkit_shared_memory),
    "shmkit.SharedMemory": shmkit_segment,
    "multiprocessing.shared_memory": drop_in(multiprocessing_shared_memory),
    "PyQt6 QSharedMemory": qt,
    "posix_ipc + mmap": posix,
    "sysv_ipc": system_v,
}


def timed(cycle: Callable[[int], None], size: int) -> Callable[[], float]:
    def run() -> float:
        start = time.perf_counter_ns()
        for _ in range(20):
            cycle(size)
        return (time.perf_counter_ns() - start) / 20_000

    return run


@contextmanager
def groups() -> Iterator[list[tuple[str, str, int, str, dict[str, Callable[[], float]]]]]:
    yield [
        (
            f"Create, attach, close, remove: {title}",
            "µs",
            60,
            "shmkit.shared_memory",
            {way: timed(cycle, size) for way, cycle in WAYS.items()},
        )
        for title, size in SIZES.items()
    ]
