"""Ctrl+C ends every wait, within a second and with nothing taken."""

from __future__ import annotations

import signal
import time

import pytest

import shmkit
from children import LONG, child

WAITS = {
    "lock": "shmkit.SharedMemory.attach(key).lock(timeout=None)",
    "usual lock": "shmkit.SharedMemory.attach(key).lock()",
    "growth": "shmkit.SharedMemory.attach(key).wait_for_growth(4096)",
    "removal": "shmkit.wait_for(key, 'removed')",
    "unlock": "shmkit.wait_for(key, 'unlocked')",
    "event": "[*shmkit.inspect.events(key)]",
    "message": "import socket; a, b = socket.socketpair(); shmkit.handover.receive(a, timeout=None)",
    "server": "shmkit.handover.fetch(key + '-none', timeout=None)",
    "client": "shmkit.handover.Rendezvous(key).serve(shmkit.Sealed('x', b'x')).hand_out()",
    "task": "import asyncio; asyncio.run(shmkit.SharedMemory.attach(key).lock_async()._acquire())",
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS.keys())
def test_ctrl_c_ends_a_wait(key: str, wait: str) -> None:
    script = f"""
    key = sys.argv[1]
    say("waits")
    try:
        {wait}
    except KeyboardInterrupt:
        say("interrupted")
    """
    with shmkit.SharedMemory.create(key, 4096) as segment, segment.lock():
        with child(script, key) as waiter:
            waiter.expect("waits")
            # Before it has begun to wait it would be no test; afterwards it sleeps.
            deadline = time.monotonic() + LONG
            while not is_asleep(waiter.pid):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            begun = time.monotonic()
            waiter.interrupt()
            waiter.expect("interrupted")
            assert time.monotonic() - begun < 1
            waiter.finish()


def is_asleep(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


def test_a_handler_that_returns_lets_the_wait_go_on(key: str) -> None:
    came: list[float] = []
    begun = time.monotonic()
    before = signal.signal(signal.SIGALRM, lambda *_: came.append(time.monotonic() - begun))
    try:
        with shmkit.SharedMemory.create(key, 64) as segment, segment.lock():
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            with pytest.raises(TimeoutError):
                segment.lock(timeout=0.3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begun >= 0.3
    # While it waited, not only afterwards.
    assert len([time for time in came if time < 0.25]) >= 3


def test_a_handler_may_use_the_segment_itself(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as segment, segment.lock():

        def handler(*_: object) -> None:
            with pytest.raises(TimeoutError):
                segment.lock(timeout=0.01)
            raise LookupError("from the handler")

        before = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(LookupError, match="from the handler"):
                segment.lock(timeout=LONG)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
