"""Memory of ``shmkit.qt`` that is used for longer than its object lives."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qt_support import OURS, PYQT, PYSIDE, Peer

from shmkit.qt import QNativeIpcKey, QSharedMemory
from shmkit.qt.pyside6 import QSharedMemory as PySideMemory

POSIX = QNativeIpcKey.Type.PosixRealtime


def segment(key: str) -> Path:
    return Path("/dev/shm") / key


@pytest.fixture
def memory(key: str) -> Iterator[QSharedMemory]:
    memory = QSharedMemory(QSharedMemory.platformSafeKey(key, POSIX))
    assert memory.create(4096), memory.errorString()
    yield memory
    memory.detach()


def test_a_pointer_does_not_keep_the_segment_and_says_so(memory: QSharedMemory, key: str) -> None:
    pointer = memory.data()
    array = pointer.asarray()
    assert memory.detach()
    assert not segment(key).exists()
    uses: list[Callable[[], object]] = [
        lambda: pointer[0],
        lambda: int(pointer),
        lambda: bytes(pointer),
        lambda: pointer.asstring(1),
        lambda: pointer.asarray(),
        lambda: pointer.ascapsule(),
        lambda: pointer.setsize(1),
        lambda: pointer.__setitem__(0, b"a"),
        lambda: memoryview(array),
        lambda: array[0],
        lambda: array.__setitem__(0, 1),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="was detached"):
            use()
    assert memory.create(4096)
    with pytest.raises(ValueError, match="was detached"):
        pointer[0]
    assert memory.data()[0] == b"\0"


def test_views_keep_the_segment_until_they_go(memory: QSharedMemory, key: str) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.frombuffer(memory.data(), dtype="u4")
    view = memoryview(memory.data()[0:8])
    capsule = memory.data().ascapsule()
    assert memory.detach()
    assert not memory.isAttached() and memory.size() == 0 and not memory.data()
    array[:] = 7
    assert view[0] == 7
    view.release()
    del array, view
    gc.collect()
    assert segment(key).exists()
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    assert ctypes.c_uint32.from_address(get_pointer(capsule, None)).value == 7
    del capsule
    assert not segment(key).exists()


def test_views_outlive_an_object_that_is_forgotten(key: str) -> None:
    memory = QSharedMemory(QSharedMemory.platformSafeKey(key, POSIX))
    assert memory.create(64)
    view = memoryview(memory.data())
    gone = weakref.ref(memory)
    del memory
    assert gone() is None
    view[63] = 1
    assert segment(key).exists()
    del view
    assert not segment(key).exists()


def test_memory_of_pyside_is_a_view(key: str) -> None:
    memory = PySideMemory(PySideMemory.platformSafeKey(key, POSIX))
    assert memory.create(64, PySideMemory.ReadWrite)
    view = memory.data()
    assert isinstance(view, memoryview)
    assert memory.detach()
    view[0] = 1
    view.release()
    assert not segment(key).exists()


def test_a_read_only_segment_cannot_be_made_writeable(memory: QSharedMemory) -> None:
    reader = QSharedMemory(memory.nativeIpcKey())
    assert reader.attach(QSharedMemory.AccessMode.ReadOnly)
    with pytest.raises(ValueError, match="attached read-only"):
        reader.data().setwriteable(True)
    reader.detach()


def test_the_end_of_the_interpreter_leaves_nothing(key: str) -> None:
    code = (
        "import sys; from shmkit.qt import *\n"
        f"key = QSharedMemory.platformSafeKey({key!r}, QNativeIpcKey.Type.PosixRealtime)\n"
        "memory = QSharedMemory(key); assert memory.create(64); memory.lock()\n"
        "view = memoryview(memory.data()); memory.me = memory; sys.keep = view\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert not segment(key).exists()


def test_nothing_piles_up(memory: QSharedMemory) -> None:
    def round() -> None:
        pointer = memory.data()
        pointer[0:4] = b"abcd"
        memoryview(pointer[1:3]).release()
        pointer.asarray()[0], pointer.ascapsule(), memory.nativeIpcKey(), memory.errorString()
        memory.lock()
        memory.unlock()

    def most() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for _ in range(10_000):
        round()
    before, descriptors = most(), len(os.listdir("/proc/self/fd"))
    for _ in range(100_000):
        round()
    assert most() - before < 4096, "KiB more than before"
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize("binding", [PYQT, PYSIDE])
def test_a_parent_keeps_its_child_until_it_is_destroyed(
    binding: str, key: str, tmp_path: Path
) -> None:
    with Peer(OURS, tmp_path) as peer:
        peer.ok(
            f"from {binding} import QObject",
            "parent = QObject()",
            f"m = M(M.platformSafeKey({key!r}, T.PosixRealtime), parent)",
            "m.create(64)",
            "m.parent() is parent",
            "del m; gc.collect()",
        )
        assert segment(key).exists()
        peer.ok("del parent; gc.collect()")
        assert not segment(key).exists()
        peer.ok(
            "parent = QObject()",
            f"m = M(M.platformSafeKey({key!r}, T.PosixRealtime), parent=parent)",
            "m.create(64)",
            "m.setParent(None)",
            "m.parent() is None",
            "del parent; gc.collect()",
            "m.isAttached()",
            "n = M(m)",
            "n.parent() is m",
            "del m; gc.collect()",
            "n.parent() is None",
        )
        assert not segment(key).exists()
