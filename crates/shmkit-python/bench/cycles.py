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

CASES = {
    # Bytes, bytes written, times in a round, rounds.
    "4 KiB": (4096, 1, 10, 150),
    "1 MiB, all of it written": (1 << 20, 1 << 20, 1, 150),
    "1 MiB, a byte written": (1 << 20, 1, 1, 150),
}


def name() -> str:
    return f"shmkit-bench-{os.getpid()}-{next(_count)}"


def shmkit_segment(size: int, data: bytes) -> None:
    key = name()
    with shmkit.SharedMemory.create(key, size) as made:
        made.buf[: len(data)] = data
        with shmkit.SharedMemory.attach(key) as other:
            assert other.buf[0] == 1


def drop_in(module: ModuleType) -> Callable[[int, bytes], None]:
    def cycle(size: int, data: bytes) -> None:
        made = module.SharedMemory(name(), create=True, size=size)
        made.buf[: len(data)] = data
        other = module.SharedMemory(made.name)
        assert other.buf[0] == 1
        other.close()
        made.close()
        made.unlink()

    return cycle


def qt(size: int, data: bytes) -> None:
    key = QSharedMemory.platformSafeKey(name(), QNativeIpcKey.Type.PosixRealtime)
    made, other = QSharedMemory(key), QSharedMemory(key)
    assert made.create(size), made.errorString()
    view = made.data()
    view.setsize(size)
    memoryview(view).cast("B")[: len(data)] = data
    assert other.attach(), other.errorString()
    assert other.data()[0] == b"\1"  # type: ignore[index]
    other.detach()
    made.detach()
    # Qt leaves the name.
    os.unlink("/dev/shm" + key.nativeKey())


def posix(size: int, data: bytes) -> None:
    key = "/" + name()
    segment = posix_ipc.SharedMemory(key, posix_ipc.O_CREX, size=size)
    made = mmap.mmap(segment.fd, size)
    segment.close_fd()
    made[: len(data)] = data
    segment = posix_ipc.SharedMemory(key)
    other = mmap.mmap(segment.fd, segment.size)
    segment.close_fd()
    assert other[0] == 1
    other.close()
    made.close()
    posix_ipc.unlink_shared_memory(key)


def system_v(size: int, data: bytes) -> None:
    made = sysv_ipc.SharedMemory(None, sysv_ipc.IPC_CREX, size=size)
    made.write(data)
    other = sysv_ipc.attach(made.id)
    assert other.read(1) == b"\1"
    other.detach()
    made.detach()
    made.remove()


WAYS: dict[str, Callable[[int, bytes], None]] = {
    "shmkit.shared_memory": drop_in(shmkit_shared_memory),
    "shmkit.SharedMemory": shmkit_segment,
    "multiprocessing.shared_memory": drop_in(multiprocessing_shared_memory),
    "PyQt6 QSharedMemory": qt,
    "posix_ipc + mmap": posix,
    "sysv_ipc": system_v,
}


def timed(cycle: Callable[[int, bytes], None], size: int, written: int, times: int) -> Callable[[], float]:
    data = b"\1" * written

    def run() -> float:
        start = time.perf_counter_ns()
        for _ in range(times):
            cycle(size, data)
        return (time.perf_counter_ns() - start) / (1000 * times)

    return run


@contextmanager
def groups() -> Iterator[list[tuple[str, str, int, str, dict[str, Callable[[], float]]]]]:
    yield [
        (
            f"Create, attach, close, remove: {title}",
            "µs",
            case[-1],
            "shmkit.shared_memory",
            {way: timed(cycle, *case[:-1]) for way, cycle in WAYS.items()},
        )
        for title, case in CASES.items()
    ]
