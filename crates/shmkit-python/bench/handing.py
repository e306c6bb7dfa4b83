"""Handing 100 MB of floats to a worker that is there already, which adds up a number of each page.

Made and filled: new memory each time, the array copied into it. Filled before: only the handing over.
"""

from __future__ import annotations

import itertools
import mmap
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import shared_memory as multiprocessing_shared_memory
from multiprocessing.connection import Connection
from typing import Any

import numpy
import posix_ipc
import shmkit
import sysv_ipc
from PyQt6.QtCore import QNativeIpcKey, QSharedMemory
from shmkit import shared_memory as shmkit_shared_memory

_count = itertools.count()
COUNT = 100_000_000 // 8
BYTES = COUNT * 8
PAGE = 4096 // 8


def look(array: Any) -> float:
    return float(array[::PAGE].sum())


def work(pipe: Connection) -> None:
    while True:
        way, what = pipe.recv()
        if way == "end":
            return
        pipe.send(READERS[way](what))


def read_drop_in(module: Any) -> Callable[[Any], float]:
    def read(name: Any) -> float:
        block = module.SharedMemory(name)
        result = look(numpy.frombuffer(block.buf, numpy.float64, COUNT))
        block.close()
        return result

    return read


def read_array(key: Any) -> float:
    with shmkit.SharedArray.attach(key) as array, array.read() as held:
        return look(held.np)


def read_qt(name: Any) -> float:
    segment = QSharedMemory(QNativeIpcKey(name, QNativeIpcKey.Type.PosixRealtime))
    assert segment.attach(), segment.errorString()
    data = segment.constData()
    data.setsize(BYTES)
    result = look(numpy.frombuffer(data, numpy.float64, COUNT))
    segment.detach()
    return result


def read_posix(name: Any) -> float:
    segment = posix_ipc.SharedMemory(name)
    mapped = mmap.mmap(segment.fd, segment.size)
    segment.close_fd()
    result = look(numpy.frombuffer(mapped, numpy.float64, COUNT))
    mapped.close()
    return result


def read_system_v(number: Any) -> float:
    segment = sysv_ipc.attach(number)
    result = look(numpy.frombuffer(segment, numpy.float64, COUNT))
    segment.detach()
    return result


READERS: dict[str, Callable[[Any], float]] = {
    "shmkit.shared_memory": read_drop_in(shmkit_shared_memory),
    "shmkit.SharedArray": read_array,
    "multiprocessing.shared_memory": read_drop_in(multiprocessing_shared_memory),
    "PyQt6 QSharedMemory": read_qt,
    "posix_ipc + mmap": read_posix,
    "sysv_ipc": read_system_v,
    "pickle through a pipe": look,
}


def fill_drop_in(module: Any, source: Any) -> tuple[Any, Callable[[], None]]:
    block = module.SharedMemory(create=True, size=BYTES)
    numpy.frombuffer(block.buf, numpy.float64, COUNT)[:] = source

    def remove() -> None:
        block.close()
        block.unlink()

    return block.name, remove


def fill_array(source: Any) -> tuple[Any, Callable[[], None]]:
    array = shmkit.SharedArray.of(f"shmkit-bench-{os.getpid()}-array-{next(_count)}", source)
    return array.key, array.close


def fill_qt(source: Any) -> tuple[Any, Callable[[], None]]:
    key = QSharedMemory.platformSafeKey(
        f"shmkit-bench-{os.getpid()}-qt-{next(_count)}", QNativeIpcKey.Type.PosixRealtime
    )
    segment = QSharedMemory(key)
    assert segment.create(BYTES), segment.errorString()
    data = segment.data()
    data.setsize(BYTES)
    numpy.frombuffer(data, numpy.float64, COUNT)[:] = source

    def remove() -> None:
        segment.detach()
        os.unlink("/dev/shm" + key.nativeKey())

    return key.nativeKey(), remove


def fill_posix(source: Any) -> tuple[Any, Callable[[], None]]:
    name = f"/shmkit-bench-{os.getpid()}-posix-{next(_count)}"
    segment = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, size=BYTES)
    mapped = mmap.mmap(segment.fd, BYTES)
    segment.close_fd()
    numpy.frombuffer(mapped, numpy.float64, COUNT)[:] = source

    def remove() -> None:
        mapped.close()
        posix_ipc.unlink_shared_memory(name)

    return name, remove


def fill_system_v(source: Any) -> tuple[Any, Callable[[], None]]:
    segment = sysv_ipc.SharedMemory(None, sysv_ipc.IPC_CREX, size=BYTES)
    numpy.frombuffer(segment, numpy.float64, COUNT)[:] = source

    def remove() -> None:
        segment.detach()
        segment.remove()

    return segment.id, remove


@contextmanager
def groups() -> Iterator[list[tuple[str, str, int, str, dict[str, Callable[[], float]]]]]:
    source = numpy.arange(COUNT, dtype=numpy.float64)
    expected = look(source)
    here, there = multiprocessing.Pipe()
    worker = multiprocessing.get_context("spawn").Process(target=work, args=(there,), daemon=True)
    worker.start()
    fills: dict[str, Callable[[], tuple[Any, Callable[[], None]]]] = {
        "shmkit.shared_memory": lambda: fill_drop_in(shmkit_shared_memory, source),
        "shmkit.SharedArray": lambda: fill_array(source),
        "multiprocessing.shared_memory": lambda: fill_drop_in(multiprocessing_shared_memory, source),
        "PyQt6 QSharedMemory": lambda: fill_qt(source),
        "posix_ipc + mmap": lambda: fill_posix(source),
        "sysv_ipc": lambda: fill_system_v(source),
        "pickle through a pipe": lambda: (source, lambda: None),
    }

    filled = {way: fill() for way, fill in fills.items()}

    def ask(way: str, what: Any) -> None:
        here.send((way, what))
        assert here.recv() == expected

    def anew(way: str) -> Callable[[], float]:
        def run() -> float:
            start = time.perf_counter_ns()
            what, remove = fills[way]()
            ask(way, what)
            taken = time.perf_counter_ns() - start
            remove()
            return taken / 1e6

        return run

    def again(way: str) -> Callable[[], float]:
        def run() -> float:
            start = time.perf_counter_ns()
            ask(way, filled[way][0])
            return (time.perf_counter_ns() - start) / 1e6

        return run

    ours = "shmkit.shared_memory"
    try:
        yield [
            ("100 MB to a worker, filled before", "ms", 20, ours, {it: again(it) for it in fills}),
            ("100 MB to a worker, made and filled", "ms", 15, ours, {it: anew(it) for it in fills}),
        ]
    finally:
        for _, remove in filled.values():
            remove()
        here.send(("end", None))
        worker.join(30)
