"""What there is, who has it, what was left, what happens."""

from __future__ import annotations

import datetime
import os
import threading

import pytest

import shmkit
from children import LONG, child
from shmkit import SharedMemory, inspect


def test_a_list_has_a_segment_with_its_holders(key: str) -> None:
    with SharedMemory.create(key, 8192) as segment:
        [found] = [it for it in inspect.list() if it.key == segment.key]
        assert (found.size, found.state, found.place, found.kind) == (8192, "live", "posix", "raw")
        assert (found.owner, found.mode, found.lifetime) == (os.getuid(), 0o600, "ephemeral")
        assert found.created is not None and found.created.tzinfo is not None
        age = datetime.datetime.now(datetime.timezone.utc) - found.created
        assert abs(age.total_seconds()) < 3600
        assert [it.pid for it in found.holders] == [os.getpid()]
        assert found.holders[0].access == "read_write"
        assert inspect.info(key).size == 8192
    with pytest.raises(shmkit.NotFoundError):
        inspect.info(key)


def test_holders_tell_who_has_the_lock_and_who_waits(key: str) -> None:
    script = """
    segment = shmkit.SharedMemory.attach(sys.argv[1])
    say("attached")
    with segment.lock(timeout=None):
        say("locked")
        park()
    """
    with SharedMemory.create(key, 64) as segment:
        with segment.lock() as held, child(script, key) as waiter:
            waiter.expect("attached")
            found = inspect.holders(key)
            assert {it.pid for it in found.processes} == {os.getpid(), waiter.pid}
            assert found.lock is not None and found.lock.held
            assert [it.pid for it in found.lock.holders] == [os.getpid()]
            held.release()
            waiter.expect("locked")
            lock = inspect.lock(key)
            assert lock is not None and [it.pid for it in lock.holders] == [waiter.pid]
            waiter.kill()
        with segment.lock(timeout=LONG) as held:
            assert held.owner_died


def test_what_a_killed_program_left_is_reaped(key: str) -> None:
    script = """
    segment = shmkit.SharedMemory.create(sys.argv[1], 4096)
    say("created")
    park()
    """
    with child(script, key) as creator:
        creator.expect("created")
        assert not shmkit.reap(key).leftovers
        creator.kill()
    seen = shmkit.reap(key, preview=True)
    assert [it.outcome for it in seen.leftovers] == ["found"]
    assert seen.leftovers[0].key == shmkit.Key(key) and seen.size == 4096
    done = shmkit.reap(key)
    assert [it.outcome for it in done.leftovers] == ["removed"]
    assert not shmkit.reap(key).leftovers


def test_a_state_is_waited_for(key: str) -> None:
    with pytest.raises(shmkit.TimedOutError, match="not created within"):
        shmkit.wait_for(key, "created", timeout=0.02)
    made: list[SharedMemory] = []
    threading.Timer(0.05, lambda: made.append(SharedMemory.create(key, 64))).start()
    shmkit.wait_for(key, "created", timeout=LONG)
    shmkit.wait_for(key, "attached", timeout=LONG)
    made.pop().close()
    shmkit.wait_for(key, "removed", timeout=LONG)
    with pytest.raises(ValueError, match="until is one of"):
        shmkit.wait_for(key, "finished")  # type: ignore[arg-type]


def test_events_tell_a_segments_life(key: str) -> None:
    events = inspect.events(key, timeout=LONG)
    segment = SharedMemory.create(key, 64)
    created = next(events)
    assert (created.happening, created.key) == ("created", segment.key)
    attached = next(events)
    assert attached.happening == "attached"
    assert attached.holder is not None and attached.holder.pid == os.getpid()
    segment.close()
    assert [next(events).happening for _ in range(2)] == ["detached", "removed"]
    assert not list(inspect.events(key, timeout=0.02))
