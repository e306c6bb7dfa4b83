"""Nothing adds up: descriptors, mappings, memory, files."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from shm_child import Child
from shmkit.shared_memory import SharedMemory


def resources() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), Path("/proc/self/maps").read_text().count("/dev/shm")


def test_a_hundred_thousand_blocks_leave_nothing() -> None:
    code = """
        import gc
        from shmkit.shared_memory import SharedMemory

        def cycles(count):
            for _ in range(count):
                block = SharedMemory(create=True, size=64)
                other = SharedMemory(block.name)
                other.close()
                block.close()
                block.unlink()
            gc.collect()
            resident = int(open("/proc/self/statm").read().split()[1]) * 4
            mappings = open("/proc/self/maps").read().count("/dev/shm")
            say(len(os.listdir("/proc/self/fd")), mappings, resident)

        cycles(2_000)
        cycles(98_000)
    """
    with Child(code, is_stranger=True) as child:
        before, after = ([int(word) for word in child.hear(300).split()] for _ in range(2))
        child.finish()
    assert after[:2] == before[:2]
    assert after[2] - before[2] < 8192, "KiB"


def test_blocks_that_are_forgotten_open_leave_nothing(key: str) -> None:
    gc.collect()
    before = resources()
    SharedMemory(key, create=True, size=64).unlink()
    for _ in range(100):
        block = SharedMemory(key, create=True, size=64)
        block.buf[0] = 1
        block.unlink()
        del block
    gc.collect()
    assert resources() == before
