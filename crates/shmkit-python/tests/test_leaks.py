"""After many times of everything there is as much as before."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable

import pytest

import shmkit
from shmkit import SharedMemory

MANY = 100_000


def state() -> tuple[int, int]:
    gc.collect()
    with open("/proc/self/maps") as maps:
        mappings = sum("shmkit-test" in line or "memfd" in line for line in maps)
    return len(os.listdir("/proc/self/fd")), mappings


def resident() -> int:
    """In KiB."""
    with open("/proc/self/status") as status:
        [line] = [line for line in status if line.startswith("VmRSS")]
    return int(line.split()[1])


def repeat(times: int, act: Callable[[], object], spare: int) -> None:
    """Does it so often, and asserts that not even a few bytes of each time remain."""
    for _ in range(min(times, 1000)):
        act()
    before, memory = state(), resident()
    for _ in range(times):
        act()
    assert state() == before
    assert resident() - memory < spare


def test_creating_and_closing_leaks_nothing(key: str) -> None:
    def act() -> None:
        SharedMemory.create(key, 4096).close()

    # 20 bytes each would be 2,000 KiB.
    repeat(MANY, act, 1500)


def test_attaching_and_forgetting_leaks_nothing(key: str) -> None:
    with SharedMemory.create(key, 4096) as segment:

        def act() -> None:
            other = SharedMemory.attach(key)
            other.buf[0] = 1
            other.buffer((4, 4))

        references = sys.getrefcount(segment)
        repeat(20_000, act, 1000)
        assert sys.getrefcount(segment) == references


def test_using_leaks_nothing(key: str) -> None:
    with SharedMemory.create(key, 4096) as segment:
        target = bytearray(16)

        def act() -> None:
            with segment.lock() as held:
                assert not held.owner_died
            segment.try_lock()
            segment.buf[0] = 1
            segment.buffer((4, 4), "float32").__dlpack__()
            segment.ndarray((4, 4))
            segment.write_at(0, b"bytes")
            segment.read_into(0, target)
            assert segment[0:5] == b"bytes"

        repeat(20_000, act, 1000)


def test_errors_leak_nothing(key: str) -> None:
    with SharedMemory.create(key, 4096) as segment, segment.lock():
        view = segment.buf

        def act() -> None:
            for wrong in (
                lambda: SharedMemory.create(key, 64),
                lambda: SharedMemory.attach("shmkit-test-no-such"),
                lambda: segment.wait_for_growth(4096, timeout=0),
                lambda: segment.read_at(0, 5000),
                lambda: segment.buffer(5000),
                lambda: segment.write_at(4096, b"x"),
            ):
                with pytest.raises(shmkit.Error):
                    wrong()

        repeat(1_000, act, 1000)
        del view


def test_handing_over_leaks_nothing() -> None:
    def act() -> None:
        with SharedMemory.memfd_from("many", b"1234") as segment:
            fd = segment.to_fd()
            SharedMemory.attach_fd(fd).close()
            os.close(fd)
        shmkit.Sealed("many", b"1234").close()

    repeat(5_000, act, 1000)
