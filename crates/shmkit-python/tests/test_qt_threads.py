"""Threads, signals and forks with ``shmkit.qt``."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from qt_support import KINDS, LIMIT, OURS, PYQT, Peer, key_folder, sweep

from shmkit.qt import QNativeIpcKey, QSharedMemory, QSystemSemaphore

SHORT = 0.3
KEY_TYPES = [QNativeIpcKey.Type.PosixRealtime, QNativeIpcKey.Type.SystemV]


@pytest.fixture
def folder(key: str) -> Iterator[Path]:
    yield from key_folder(key)


@pytest.fixture(params=KEY_TYPES, ids=lambda type: type.name)
def native_key(
    request: pytest.FixtureRequest, key: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> QNativeIpcKey:
    monkeypatch.setenv("TMPDIR", str(folder))
    return QSharedMemory.legacyNativeKey(key, request.param)


@pytest.fixture
def memory(native_key: QNativeIpcKey) -> Iterator[QSharedMemory]:
    memory = QSharedMemory(native_key)
    assert memory.create(64), memory.errorString()
    yield memory
    memory.detach()


def joined(thread: threading.Thread) -> bool:
    thread.join(LIMIT)
    return not thread.is_alive()


def test_a_thread_that_waits_lets_the_holder_run_which_it_does_not_in_pyqt(
    key: str, folder: Path
) -> None:
    for module, ends in ((PYQT, False), (OURS, True)):
        with Peer(module, folder) as peer:
            for name in "mn":
                peer.tell(f"{name} = M({KINDS['posix'].format(name=key)})")
                assert peer.told() == ["value", "None"]
            peer.ok("m.create(64)", "n.attach()")
            peer.tell("both(m, n)")
            answer = peer.told(LIMIT if ends else 2.0)
            assert answer == (["value", "True"] if ends else None), module
        sweep(folder)


def test_two_threads_with_one_object_exclude_each_other(memory: QSharedMemory) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            assert memory.lock()
            inside += 1
            most = max(most, inside)
            time.sleep(0)
            inside -= 1
            assert memory.unlock()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert all(map(joined, threads))
    assert most == 1


def test_detaching_gives_back_the_lock_that_another_thread_waits_for(
    memory: QSharedMemory,
) -> None:
    assert memory.lock()
    taken = []
    waiter = threading.Thread(target=lambda: taken.append(memory.lock()), daemon=True)
    waiter.start()
    time.sleep(0.05)
    assert waiter.is_alive()
    assert memory.detach()
    assert joined(waiter)
    assert taken == [True]
    memory.unlock()


def test_threads_that_do_anything_with_one_object_neither_crash_nor_hang(
    memory: QSharedMemory, native_key: QNativeIpcKey
) -> None:
    end = time.monotonic() + 1.0

    def change() -> None:
        while time.monotonic() < end:
            memory.detach()
            memory.attach()
            memory.create(64)
            memory.setNativeKey(native_key)

    def use() -> None:
        while time.monotonic() < end:
            try:
                if pointer := memory.data():
                    pointer[0:4] = b"abcd"
                    array = pointer.asarray()
                    array[3] = array[2]
                    bytes(memoryview(pointer))
            except ValueError:
                pass  # detached meanwhile
            memory.size(), memory.error(), memory.errorString(), memory.nativeIpcKey()

    def lock() -> None:
        while time.monotonic() < end:
            memory.lock()
            memory.unlock()

    threads = [threading.Thread(target=it, daemon=True) for it in (change, change, use, use, lock, lock)]
    for thread in threads:
        thread.start()
    assert all(map(joined, threads))


@pytest.mark.parametrize("wait", ["m.lock()", "s.acquire()", "m.tryLock(-1)", "s.tryAcquire(60000)"])
def test_an_interrupt_ends_a_wait_and_nothing_is_taken(wait: str, key: str, folder: Path) -> None:
    setup = [
        f"m = M({KINDS['posix'].format(name=key)})",
        f"s = S({KINDS['posix legacy'].format(name=key).replace('M.', 'S.', 1)}, 1)",
    ]
    taken, given = ("m.lock()", "m.unlock()") if "ock" in wait else ("s.acquire()", "s.release()")
    with Peer(OURS, folder) as holder, Peer(OURS, folder) as waiter:
        for peer in (holder, waiter):
            peer.ok(*setup, "m.create(64) or m.attach()")
        error = waiter.error()
        holder.ok(taken)
        waiter.tell(wait)
        assert waiter.told(SHORT) is None
        waiter.process.send_signal(signal.SIGINT)
        assert waiter.told() == ["raised", "KeyboardInterrupt", ""]
        assert waiter.error() == error
        holder.ok(given, taken, given)
        waiter.ok(taken, given)


def test_a_short_wait_says_who_has_the_lock(memory: QSharedMemory, native_key: QNativeIpcKey) -> None:
    other = QSharedMemory(native_key)
    assert other.attach()
    assert memory.lock()
    assert not other.tryLock()
    assert not other.tryLock(20)
    assert other.error() is QSharedMemory.SharedMemoryError.LockError
    if native_key.type() is QNativeIpcKey.Type.SystemV or str(os.getpid()) in other.errorString():
        assert str(os.getpid()) in other.errorString(), other.errorString()
    assert memory.unlock()
    assert other.tryLock()
    assert other.unlock()
    assert not other.unlock()
    assert not other.ownerDied()
    assert not other.markRecovered()


def test_a_forked_child_does_not_have_the_lock(memory: QSharedMemory) -> None:
    assert memory.lock()
    child = os.fork()
    if child == 0:
        os._exit(0 if not memory.tryLock() and not memory.unlock() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert memory.unlock()


def test_a_semaphore_with_nothing_left_is_waited_for_no_longer_than_said(
    native_key: QNativeIpcKey, key: str
) -> None:
    semaphore = QSystemSemaphore(QSystemSemaphore.legacyNativeKey(key, native_key.type()), 1)
    assert semaphore.tryAcquire()
    begun = time.monotonic()
    assert not semaphore.tryAcquire(50)
    assert time.monotonic() - begun >= 0.05
    assert semaphore.error() is QSystemSemaphore.SystemSemaphoreError.UnknownError
    assert semaphore.release()
    assert semaphore.tryAcquire(50)
