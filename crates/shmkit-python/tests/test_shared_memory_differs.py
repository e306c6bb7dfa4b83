"""What CPython's `multiprocessing.shared_memory` does and ours does better: one test for each line of the
table in docs/PYTHON-SHARED-MEMORY.md, with what the real one does wherever that can be survived."""

from __future__ import annotations

import errno
import gc
import multiprocessing.shared_memory as real
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from shm_child import Child
from shmkit import shared_memory as ours

SHM = Path("/dev/shm")


def is_mapped(inode: int) -> bool:
    return f" {inode} " in Path("/proc/self/maps").read_text()


def test_an_array_that_outlives_its_block_can_be_used(key: str) -> None:
    numpy = pytest.importorskip("numpy")
    block = ours.SharedMemory(key, create=True, size=1 << 20)
    array = numpy.ndarray(1 << 20, numpy.uint8, buffer=block.buf)
    array[:] = 7
    inode = (SHM / key).stat().st_ino
    block.close()
    assert array.sum() == 7 << 20
    array[0] = 8
    block.unlink()
    del block
    gc.collect()
    assert array[0] == 8
    assert is_mapped(inode)
    del array
    assert not is_mapped(inode)


def test_an_array_outlives_a_block_that_is_forgotten_and_its_buf_that_is_released(key: str) -> None:
    numpy = pytest.importorskip("numpy")
    block = ours.SharedMemory(key, create=True, size=4096)
    array = numpy.ndarray(4096, numpy.uint8, buffer=block.buf)
    block.unlink()
    block.buf.release()
    del block
    gc.collect()
    array[:] = 1
    assert array.sum() == 4096


def test_the_same_ends_the_real_one_in_a_segmentation_fault(key: str) -> None:
    pytest.importorskip("numpy")
    code = """
        import numpy, importlib, resource
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        memory = importlib.import_module(sys.argv[1])
        block = memory.SharedMemory(sys.argv[2], create=True, size=1 << 20)
        array = numpy.ndarray(1 << 20, numpy.uint8, buffer=block.buf)
        block.unlink()
        block.close()
        print(array.sum())
    """
    with Child(code, "multiprocessing.shared_memory", key) as child:
        assert child.process.wait(60) == -11
    with Child(code, "shmkit.shared_memory", key) as child:
        child.expect("0")
        assert child.finish() == ""


def test_a_close_that_fails_changes_nothing(key: str) -> None:
    block = ours.SharedMemory(key, create=True, size=10)
    part = block.buf[:3]
    with pytest.raises(BufferError, match=key):
        block.close()
    assert block.buf[0] == 0
    part.release()
    block.close()
    block.unlink()

    lost: Any = real.SharedMemory(key, create=True, size=10)
    part = lost.buf[:3]
    with pytest.raises(BufferError):
        lost.close()
    assert lost.buf is None
    part.release()
    lost.close()
    lost.unlink()


def test_a_full_file_system_is_an_error_at_create(key: str) -> None:
    room = os.statvfs(SHM)
    too_much = room.f_blocks * room.f_frsize * 2
    with pytest.raises(OSError, match="No space left on device") as caught:
        ours.SharedMemory(key, create=True, size=too_much)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == "/" + key
    assert any("/dev/shm" in note for note in caught.value.__notes__)
    assert not (SHM / key).exists()

    promised = real.SharedMemory(key, create=True, size=too_much)  # SIGBUS when it is filled.
    promised.close()
    promised.unlink()


def test_what_cannot_be_made_leaves_nothing(key: str) -> None:
    with pytest.raises(TypeError):
        ours.SharedMemory(key, create=True, size=1.5)  # type: ignore[arg-type]
    assert not (SHM / key).exists()
    with pytest.raises(TypeError):
        real.SharedMemory(key, create=True, size=1.5)  # type: ignore[arg-type]
    assert (SHM / key).exists()


def test_a_zero_in_a_name_is_an_error_on_every_python(key: str) -> None:
    with pytest.raises(ValueError, match="null"):
        ours.SharedMemory(f"{key}\0x", create=True, size=1)


def test_nobody_meets_a_block_without_its_bytes(key: str) -> None:
    """The real one makes the name first and gives it a size afterwards."""
    seen: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            try:
                seen.append(os.stat(SHM / key).st_size)
            except FileNotFoundError:
                pass

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    deadline = time.monotonic() + 30
    try:
        while len(seen) < 300 and time.monotonic() < deadline:
            block = ours.SharedMemory(key, create=True, size=123)
            block.close()
            block.unlink()
    finally:
        over.set()
        watcher.join()
    assert len(seen) >= 300 and set(seen) == {123}


@pytest.mark.parametrize("text", ["é" * 5, "€" * 3, "ü" * 100])
def test_a_list_keeps_texts_that_are_not_ascii(text: str) -> None:
    kept = ours.ShareableList([text])
    assert kept[0] == text
    kept.shm.close()
    kept.shm.unlink()

    cut = real.ShareableList([text])
    try:
        assert cut[0] != text
    except UnicodeDecodeError:
        pass
    cut.shm.close()
    cut.shm.unlink()


def test_an_item_that_is_refused_leaves_the_old_one(key: str) -> None:
    kept = ours.ShareableList([1], name=key)
    with pytest.raises(struct.error):
        kept[0] = 1 << 70
    assert kept[0] == 1
    kept.shm.close()
    kept.shm.unlink()

    lost: Any = real.ShareableList([1])
    with pytest.raises(struct.error):
        lost[0] = 1 << 70
    assert lost[0] == 0
    lost.shm.close()
    lost.shm.unlink()


def test_a_list_can_be_made_of_an_iterator() -> None:
    made = ours.ShareableList(iter([1, 2]))
    assert list(made) == [1, 2]
    made.shm.close()
    made.shm.unlink()
    with pytest.raises(struct.error):
        real.ShareableList(iter([1, 2]))


def test_a_list_has_no_items_before_its_first() -> None:
    made = ours.ShareableList([1, 2])
    with pytest.raises(IndexError):
        made[-3]
    with pytest.raises(IndexError):
        made[-3] = 0
    assert list(made) == [1, 2]
    made.shm.close()
    made.shm.unlink()

    damaged: Any = real.ShareableList([1, 2])
    before = bytes(damaged.shm.buf)[: 8 * 4]
    damaged[-3] = 0
    assert bytes(damaged.shm.buf)[: 8 * 4] == before, "these say where the items are"
    with pytest.raises(ValueError, match="not enough values"):
        list(damaged)
    damaged.shm.close()
    damaged.shm.unlink()


@pytest.mark.parametrize(
    "garbage", [b"\xff" * 64, b"\x01" + bytes(15), b"\x01" + bytes(63), b"x"], ids=repr
)
def test_garbage_is_no_list(key: str, garbage: bytes) -> None:
    block = ours.SharedMemory(key, create=True, size=len(garbage))
    block.buf[:] = garbage
    with pytest.raises(ValueError, match="no ShareableList"):
        ours.ShareableList(name=key)
    block.close()
    block.unlink()


def test_a_damaged_item_is_a_value_error(key: str) -> None:
    made = ours.ShareableList(["text"], name=key)
    made.shm.buf[-9:-1] = b"\xff" * 8
    with pytest.raises(ValueError, match="cannot be read"):
        made[0]
    made.shm.close()
    made.shm.unlink()


def test_importing_and_making_blocks_starts_no_process(key: str) -> None:
    code = """
        import importlib, sys
        memory = importlib.import_module(sys.argv[1])
        memory.SharedMemory(sys.argv[2], create=True, size=10).unlink()
        print(open('/proc/self/task/%d/children' % __import__('os').getpid()).read().split())
    """
    run = [sys.executable, "-c", "import sys\n" + "\n".join(map(str.strip, code.splitlines()))]
    children = {
        name: subprocess.run([*run, name, key], capture_output=True, text=True, timeout=60).stdout
        for name in ("shmkit.shared_memory", "multiprocessing.shared_memory")
    }
    assert children["shmkit.shared_memory"] == "[]\n"
    assert children["multiprocessing.shared_memory"] not in ("[]\n", "")
