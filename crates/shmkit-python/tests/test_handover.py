"""Segments from one process to another."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

import shmkit
from children import LONG, child
from shmkit import Sealed, SharedMemory, handover


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM])
def test_segments_go_through_sockets(key: str, kind: int) -> None:
    here, there = socket.socketpair(socket.AF_UNIX, kind)
    with here, there, SharedMemory.create(key, 64) as named, SharedMemory.memfd("m", 64) as memory:
        sealed = Sealed("constants", b"1234")
        handover.send(here, named, memory, sealed)
        first, second, third = handover.receive(there, timeout=LONG)
        assert (first.name, first.size, first.readonly) == (str(named.key), 64, False)
        with first.attach() as other:
            # It has its key, and so the lock.
            assert other.key == named.key
            with other.lock():
                assert named.try_lock() is None
        with second.attach() as other:
            other[0] = 7
            assert memory[0] == 7
        assert "write" in third.seals
        with third.sealed() as constants:
            assert bytes(constants) == b"1234"
        with pytest.raises(ValueError, match="taken"):
            first.attach()
        handover.send(here, memory, readonly=True)
        [parcel] = handover.receive(there, timeout=LONG)
        assert parcel.readonly
        with parcel.attach() as other:
            assert other.readonly
        sealed.close()


def test_what_is_wrong_with_a_message_is_an_error() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        here.send(b"something else")
        with pytest.raises(shmkit.BadMessageError):
            handover.receive(there, timeout=LONG)
        with pytest.raises(TimeoutError):
            handover.receive(there, timeout=0.02)
        with pytest.raises(shmkit.InvalidSizeError):
            handover.send(here)
        with pytest.raises(TypeError):
            handover.send(here, b"bytes")  # type: ignore[arg-type]
        here.close()
        with pytest.raises(shmkit.NotFoundError, match="closed the connection"):
            handover.receive(there, timeout=LONG)


def test_a_child_inherits_a_segment() -> None:
    script = """
    import os
    from shmkit import handover
    with handover.inherited("FRAMES").attach() as segment:
        segment[0] = segment[0] + 1
    try:
        handover.inherited("FRAMES")
    except shmkit.InUseError:
        say("done")
    try:
        handover.inherited("OTHER")
    except shmkit.NotFoundError:
        say("nothing else")
    """
    with SharedMemory.memfd("frames", 64) as segment:
        segment[0] = 41
        with handover.to_child(FRAMES=segment) as extra, child(script, **extra) as inheritor:
            inheritor.expect("done")
            inheritor.expect("nothing else")
            inheritor.finish()
        assert segment[0] == 42


def test_only_those_children_inherit_it() -> None:
    with SharedMemory.memfd("frames", 64) as segment:
        with handover.to_child(FRAMES=segment) as extra:
            (fd,) = extra["pass_fds"]
            assert extra["env"]["FRAMES"] == f"{fd} memfd:frames"
            look = f"import os; os.fstat({fd})"
            done = subprocess.run([sys.executable, "-c", look], capture_output=True)
            assert done.returncode != 0
        with pytest.raises(OSError):
            os.fstat(fd)


def test_a_descriptor_is_taken_out_of_a_process() -> None:
    script = """
    segment = shmkit.SharedMemory.memfd_from("taken", b"hello")
    say(segment.to_fd())
    park()
    """
    with child(script) as owner:
        fd = handover.from_process(owner.pid, int(owner.line()))
        try:
            with SharedMemory.attach_fd(fd) as segment:
                assert segment.read_at() == b"hello"
        finally:
            os.close(fd)
        with pytest.raises(shmkit.Error):
            handover.from_process(owner.pid, 1 << 20)


def test_two_programs_meet_by_a_name(key: str) -> None:
    script = """
    from shmkit import handover
    [parcel] = handover.Rendezvous(sys.argv[1]).fetch()
    with parcel.attach() as segment:
        segment[:2] = b"hi"
    say("done")
    """
    with SharedMemory.memfd("frames", 64) as segment:
        with handover.Rendezvous(key).serve(segment) as server, child(script, key) as client:
            came = server.hand_out(timeout=LONG)
            assert came == (client.pid, os.getuid(), os.getgid())
            client.expect("done")
            client.finish()
        assert segment[:2] == b"hi"
        with pytest.raises(ValueError, match="closed"):
            server.fileno()
    with pytest.raises(shmkit.NotFoundError):
        handover.Rendezvous(key).fetch(timeout=0.02)
    with pytest.raises(ValueError, match="meeting is one of"):
        handover.Rendezvous(key, meeting="cafe")  # type: ignore[arg-type]


def test_sealed_memory_is_published_and_fetched(key: str) -> None:
    with Sealed("table", b"1 2 3") as table, handover.publish(key, table):
        for _ in range(2):
            with handover.fetch(key, timeout=LONG) as fetched:
                assert bytes(fetched) == b"1 2 3"


def test_one_may_be_waited_for(key: str) -> None:
    with Sealed("table", b"1 2 3") as table:
        begun: list[handover.Published] = []
        later = threading.Timer(0.05, lambda: begun.append(handover.publish(key, table)))
        later.start()
        with handover.fetch(key, timeout=LONG) as fetched:
            assert len(fetched) == 5
        later.join()
        begun[0].close()
