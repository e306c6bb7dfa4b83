"""The segment's own lock: taken, waited for, given back, and found after a death."""

from __future__ import annotations

import gc
import threading
import time

import pytest

import shmkit
from children import LONG, child, in_fork

HOLD = """
segment = shmkit.SharedMemory.attach(sys.argv[1])
held = segment.lock()
say("locked")
park()
"""


def test_a_lock_excludes_other_handles(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as ours, shmkit.SharedMemory.attach(key) as theirs:
        with ours.lock() as held:
            assert not held.owner_died and not held.released
            assert theirs.try_lock() is None
            with pytest.raises(shmkit.TimedOutError) as caught:
                theirs.lock(timeout=0.02)
            assert isinstance(caught.value, TimeoutError)
            with pytest.raises(TimeoutError):
                theirs.lock(timeout=0)
        assert held.released
        with theirs.lock(timeout=None):
            assert ours.try_lock() is None


def test_a_time_out_names_the_holder(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as segment, child(HOLD, key) as holder:
        holder.expect("locked")
        with pytest.raises(shmkit.TimedOutError, match=rf"\b{holder.pid}\b"):
            segment.lock(timeout=0.02)


def test_a_lock_is_given_back_once(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as segment:
        held = segment.lock()
        held.release()
        with pytest.raises(RuntimeError, match="given back"):
            held.release()
        with segment.lock() as other:
            # That of another is not given back by an old one.
            with pytest.raises(RuntimeError):
                held.release()
            assert not other.released
            other.release()
        with pytest.raises(RuntimeError):
            held.mark_recovered()


def test_a_forgotten_lock_is_given_back(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as segment:
        segment.lock()
        gc.collect()
        with segment.lock(timeout=0):
            pass


def test_an_exception_gives_the_lock_back_and_gets_through(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as segment:
        with pytest.raises(KeyError, match="mine"), segment.lock():
            raise KeyError("mine")
        assert segment.try_lock() is not None


def test_a_held_lock_keeps_the_segment_open(key: str) -> None:
    segment = shmkit.SharedMemory.create(key, 64)
    held = segment.lock()
    with pytest.raises(shmkit.StillInUseError, match="its lock, which is held"):
        segment.close()
    held.release()
    assert segment.close()


def test_other_threads_run_while_one_waits_and_may_give_back(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as segment:
        held = segment.lock()
        waits = threading.Event()
        got: list[bool] = []

        def wait() -> None:
            waits.set()
            with segment.lock(timeout=LONG) as mine:
                got.append(mine.owner_died)

        waiter = threading.Thread(target=wait)
        waiter.start()
        assert waits.wait(LONG)
        threading.Thread(target=held.release).start()
        waiter.join(LONG)
        assert got == [False]


def test_the_next_one_learns_that_the_owner_died(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as segment:
        with child(HOLD, key) as holder:
            holder.expect("locked")
            holder.kill()
        with segment.lock(timeout=LONG) as held:
            assert held.owner_died
            assert "owner died" in repr(held)
        # Nobody has said that the data are right.
        with segment.lock(timeout=LONG) as held:
            assert held.owner_died
            held.mark_recovered()
            held.mark_recovered()
            assert held.owner_died
        with segment.lock(timeout=LONG) as held:
            assert not held.owner_died


def test_one_who_waits_learns_of_a_death_at_once(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as segment, child(HOLD, key) as holder:
        holder.expect("locked")
        threading.Timer(0.1, holder.kill).start()
        begun = time.monotonic()
        with segment.lock(timeout=LONG) as held:
            assert held.owner_died
        assert time.monotonic() - begun < LONG / 2


def test_a_forked_child_does_not_have_its_parents_lock(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as segment, segment.lock() as held:

        def in_child() -> None:
            held.release()
            assert segment.try_lock() is None

        assert in_fork(in_child) == 0
        assert not held.released
        with shmkit.SharedMemory.attach(key) as other:
            assert other.try_lock() is None


def test_a_segment_without_a_key_has_no_lock() -> None:
    with shmkit.SharedMemory.memfd("nameless", 64) as segment:
        with pytest.raises(shmkit.UnsupportedError, match="typed segments have them"):
            segment.lock()


def test_times_are_checked(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64, lock_timeout=0.01) as segment:
        with pytest.raises(ValueError, match="timeout=.* is no time in seconds"):
            segment.lock(timeout=-1)
        with pytest.raises(ValueError, match="timeout=.* is no time in seconds"):
            segment.lock(timeout=float("nan"))
        with segment.lock(timeout=1e300), pytest.raises(TimeoutError):
            segment.lock()
