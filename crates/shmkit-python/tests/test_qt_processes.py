"""Processes with real Qt and processes with ``shmkit.qt``, in both directions and on every kind of key."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from qt_support import KINDS, OURS, PYQT, PYSIDE, Peer, key_folder

SHORT = 0.3
"""Long enough to see that somebody waits; what is expected to happen has ``LIMIT``."""

EACH = 200

DIRECTIONS = [(PYQT, OURS), (OURS, PYQT), (OURS, PYSIDE), (OURS, OURS)]


@pytest.fixture
def folder(key: str) -> Iterator[Path]:
    yield from key_folder(key)


@pytest.fixture(params=list(KINDS))
def segment(request: pytest.FixtureRequest, key: str) -> str:
    """An object with a key of each kind."""
    kind: str = request.param
    return f"m = M({KINDS[kind].format(name=key)})"


def is_posix(segment: str) -> bool:
    return "PosixRealtime" in segment


@pytest.mark.parametrize(("maker", "joiner"), DIRECTIONS)
def test_they_share_bytes_and_lock(maker: str, joiner: str, segment: str, folder: Path) -> None:
    with Peer(maker, folder) as one, Peer(joiner, folder) as other:
        one.ok(segment, "m.create(4096)", "m.data()[0:5] = b'hello'")
        other.ok(segment, "m.attach()")
        assert other.ask("m.size(), bytes(m.data()[0:5])") == "[4096, b'hello']"
        other.ok("m.data()[5:6] = b'!'")
        assert one.ask("bytes(m.constData()[0:6])") == "b'hello!'"

        one.ok("m.lock()")
        other.tell("m.lock()")
        assert other.told(SHORT) is None, "both have the lock"
        one.ok("m.unlock()")
        assert other.told() == ["value", "True"]
        one.tell("m.lock()")
        assert one.told(SHORT) is None, "both have the lock"
        other.ok("m.unlock()")
        assert one.told() == ["value", "True"]
        one.ok("m.unlock()", "m.detach()")
        other.ok("m.detach()")


@pytest.mark.parametrize(("maker", "joiner"), DIRECTIONS)
def test_no_update_is_lost(maker: str, joiner: str, segment: str, folder: Path) -> None:
    count = f"add(m, {EACH})"
    with Peer(maker, folder) as one, Peer(joiner, folder) as other:
        one.ok(segment, "m.create(64)")
        other.ok(segment, "m.attach()")
        one.tell(count)
        other.tell(count)
        assert one.told() == other.told() == ["value", "None"]
        assert one.ask("int.from_bytes(bytes(m.data()[0:8]), 'little')") == str(2 * EACH)
        other.ok("m.detach()")
        one.ok("m.detach()")


@pytest.mark.parametrize("theirs", [PYQT, PYSIDE])
def test_who_leaves_last_of_ours_removes_what_qt_made(
    theirs: str, segment: str, folder: Path
) -> None:
    with Peer(theirs, folder) as one, Peer(OURS, folder) as other:
        one.ok(segment, "m.create(64)")
        other.ok(segment, "m.attach()")
        one.ok("m.detach()")
        assert other.ask("m.isAttached(), bytes(m.data()[0:1])") == "[True, b'\\x00']"
        other.ok("m.detach()")
        assert other.ask("m.attach(), m.error().name") == "[False, 'NotFound']"


def test_qt_leaves_last(segment: str, folder: Path) -> None:
    with Peer(OURS, folder) as one, Peer(PYQT, folder) as other:
        one.ok(segment, "m.create(64)")
        other.ok(segment, "m.attach()")
        one.ok("m.detach()")
        other.ok("m.data()[0:1] = b'x'", "m.detach()")
        # Qt never removes a POSIX segment; one that shmkit made is no obstacle to the next create.
        assert one.ask("m.attach()") == str(is_posix(segment))
        if is_posix(segment):
            one.ok("m.detach()")
        one.ok("m.create(64)", "m.detach()")


def test_a_killed_user_of_ours_does_not_block_qt(segment: str, folder: Path) -> None:
    with Peer(PYQT, folder) as theirs, Peer(OURS, folder) as ours, Peer(OURS, folder) as third:
        ours.ok(segment, "m.create(64)")
        theirs.ok(segment, "m.attach()")
        third.ok(segment, "m.attach()", "m.lock()", "m.unlock()")
        ours.ok("m.lock()")
        ours.kill()
        # The kernel gives a System V lock back; a POSIX one needs somebody of ours who asks.
        third.ok("m.lock()")
        assert third.ask("m.ownerDied()") == "True"
        third.ok("m.markRecovered()", "m.unlock()")
        theirs.ok("m.lock()", "m.unlock()", "m.detach()")
        third.ok("m.detach()")


def test_a_killed_qt_does_not_block_us(segment: str, folder: Path) -> None:
    with Peer(PYQT, folder) as theirs, Peer(OURS, folder) as ours:
        ours.ok(segment, "m.create(64)")
        theirs.ok(segment, "m.attach()", "m.lock()")
        theirs.kill()
        ours.ok("m.lock()", "m.unlock()", "m.detach()")
        assert ours.ask("m.attach(), m.error().name") == "[False, 'NotFound']"


def test_all_killed_leave_no_obstacle(segment: str, folder: Path) -> None:
    for victims in ((OURS, PYQT), (OURS, OURS)):
        with Peer(victims[0], folder) as maker, Peer(victims[1], folder) as joiner:
            maker.ok(segment, "m.create(64)")
            joiner.ok(segment, "m.attach()", "m.lock()")
        with Peer(OURS, folder) as heir:
            heir.ok(segment, "m.create(128)", "m.lock()", "m.unlock()", "m.detach()")


@pytest.mark.parametrize(("first", "second"), [(PYQT, OURS), (OURS, PYQT)])
@pytest.mark.parametrize("kind", KINDS)
def test_they_count_the_same_semaphore(
    first: str, second: str, kind: str, key: str, folder: Path
) -> None:
    name = KINDS[kind].format(name=key).replace("M.", "S.", 1)
    with Peer(first, folder) as one, Peer(second, folder) as other:
        one.ok(f"s = S({name}, 1, S.AccessMode.Create)")
        other.ok(f"s = S({name})", "s.acquire()")
        one.tell("s.acquire()")
        assert one.told(SHORT) is None
        other.ok("s.release()")
        assert one.told() == ["value", "True"]
        one.ok("s.release(2)")
        other.ok("s.acquire()", "s.acquire()")


def test_whole_keys_can_be_handed_over_as_text(segment: str, folder: Path) -> None:
    for theirs, ours in itertools.permutations((PYQT, OURS)):
        with Peer(theirs, folder) as one, Peer(ours, folder) as other:
            one.ok(segment, "m.create(64)")
            text = one.ask("m.nativeIpcKey().toString()")
            other.ok(f"m = M(K.fromString({text}))", "m.attach()")
            assert other.ask("m.nativeIpcKey().toString()") == text
            one.ok("m.detach()")
            other.ok("m.detach()")
            if theirs == OURS and is_posix(segment):
                break
