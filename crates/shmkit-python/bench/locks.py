"""Lock and unlock, with nobody else there: a call each way, and with the block that people write."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import posix_ipc
import shmkit
import sysv_ipc
from PyQt6.QtCore import QNativeIpcKey, QSharedMemory
from shmkit import qt as shmkit_qt

TIMES = 500


def timed(act: Callable[[], None]) -> Callable[[], float]:
    def run() -> float:
        start = time.perf_counter_ns()
        act()
        return (time.perf_counter_ns() - start) / TIMES

    return run


def calls(take: Callable[[], object], give: Callable[[], object]) -> Callable[[], float]:
    def act() -> None:
        for _ in range(TIMES):
            take()
            give()

    return timed(act)


def blocks(lock: Callable[[], object]) -> Callable[[], float]:
    def act() -> None:
        for _ in range(TIMES):
            with lock():  # type: ignore[attr-defined]
                pass

    return timed(act)


@contextmanager
def groups() -> Iterator[list[tuple[str, str, int, str, dict[str, Callable[[], float]]]]]:
    name = f"shmkit-bench-{os.getpid()}-lock"
    segment = shmkit.SharedMemory.create(name, 4096)
    key = QSharedMemory.platformSafeKey(name + "-qt", QNativeIpcKey.Type.PosixRealtime)
    qt = QSharedMemory(key)
    assert qt.create(4096), qt.errorString()
    posix = posix_ipc.Semaphore("/" + name + "-posix", posix_ipc.O_CREX, initial_value=1)
    system_v = sysv_ipc.Semaphore(None, sysv_ipc.IPC_CREX, initial_value=1)
    process = multiprocessing.Lock()
    ways = {
        "shmkit.SharedMemory": blocks(segment.lock),
        "PyQt6 QSharedMemory": calls(qt.lock, qt.unlock),
        "posix_ipc.Semaphore": blocks(lambda: posix),
        "sysv_ipc.Semaphore": blocks(lambda: system_v),
        "multiprocessing.Lock": blocks(lambda: process),
    }
    drop_in = shmkit_qt.QSharedMemory(
        shmkit_qt.QSharedMemory.platformSafeKey(
            name + "-ours", shmkit_qt.QNativeIpcKey.Type.PosixRealtime
        )
    )
    assert drop_in.create(4096), drop_in.errorString()
    ways["shmkit.qt QSharedMemory"] = calls(drop_in.lock, drop_in.unlock)
    try:
        yield [("Lock and unlock", "ns", 200, "shmkit.SharedMemory", ways)]
    finally:
        posix.unlink()
        system_v.remove()
        qt.detach()
        os.unlink("/dev/shm" + key.nativeKey())
        segment.close()
        drop_in.detach()
