"""Structs and locks that a Rust program and Python share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import shmkit
from shm_child import LIMIT
from typed_peer import INIT, Mode, Peer, State


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


def test_a_class_has_the_layout_of_the_struct_in_rust(peer: Peer) -> None:
    assert peer.ask("text") == State.layout_text()
    assert int(peer.ask("hash"), 16) == State.layout_hash()


def test_rust_finds_what_python_has_initialised(key: str, peer: Peer) -> None:
    with State.open_or_init(key, INIT) as state:
        peer.order(f"open_or_init {key}")
        assert peer.ask("show") == (
            "camera ä [0.0, 0.5, -1.0, 1.7976931348623157e308] "
            "[Point { x: 1.0, y: 2.0 }, Point { x: 3.0, y: 4.5 }] On true"
        )
        assert peer.ask("lock") == "clean 7"
        peer.order("put 8")
        with pytest.raises(shmkit.WouldBlockError):
            state.frames.lock(0)
        peer.order("unlock")
        with state.frames as held:
            assert held.value == 8
        assert peer.ask("read") == "[1, 2, 3, 4]"
        assert state.hits.load() == -5


def test_python_finds_what_rust_has_initialised(key: str, peer: Peer) -> None:
    peer.order(f"open_or_init {key}")
    with State.open_or_init(key, lambda: pytest.fail("it is there")) as state:
        assert state.name == "camera ä"
        assert state.samples == INIT["samples"]
        assert [(it.x, it.y) for it in state.corners] == [(1.0, 2.0), (3.0, 4.5)]
        assert state.mode is Mode.On
        assert state.is_on is True
        assert state.ready.is_auto
        assert (state.permits.available, state.start.parties) == (3, 2)


def test_opened_without_the_class_it_has_the_fields_of_the_struct(key: str, peer: Peer) -> None:
    peer.order(f"open_or_init {key}")
    state = shmkit.open_typed(key)
    assert type(state).__name__ == "State"
    assert state.layout_hash() == State.layout_hash()
    assert (str(state.name), state.mode.name, state.is_on) == ("camera ä", "On", True)
    assert state.corners[1].y == 4.5
    with state.frames.lock() as held:
        held.value += 1
    assert peer.ask("lock") == "clean 8"
    assert state.to_dict()["corners"] == [{"x": 1.0, "y": 2.0}, {"x": 3.0, "y": 4.5}]
    state.close()


def test_python_is_told_of_the_death_of_a_rust_program(key: str, peer: Peer) -> None:
    with State.open_or_init(key, INIT) as state:
        peer.order(f"open_or_init {key}")
        assert peer.ask("lock") == "clean 7"
        peer.order("put 100")
        peer.kill()
        with state.frames.lock(LIMIT) as held:
            assert held.owner_died
            assert held.value == 100
            held.value = 7
            held.mark_recovered()
            assert not held.owner_died
        with state.frames.lock() as held:
            assert not held.owner_died


def test_rust_is_told_of_a_guard_that_python_gave_back_half_done(key: str, peer: Peer) -> None:
    with State.open_or_init(key, INIT) as state:
        peer.order(f"open_or_init {key}")
        with pytest.raises(RuntimeError, match="half"), state.frames.lock() as held:
            held.value = 1
            raise RuntimeError("half-way")
        assert "poisoned" in peer.ask("lock")
        state.frames.clear_poison()
        assert peer.ask("lock") == "clean 1"


def test_readers_and_writers_of_both_languages_exclude_each_other(key: str, peer: Peer) -> None:
    with State.open_or_init(key, INIT) as state:
        peer.order(f"open_or_init {key}")
        peer.order("write 9")
        with pytest.raises(shmkit.TimedOutError, match="typed_peer"):
            state.table.read(0.05)
        writer = state.table.writer()
        assert writer is not None and writer.pid == peer.process.pid
        peer.order("leave")
        with state.table.read() as first, state.table.read() as second:
            assert list(first.value) == list(second.value) == [9, 2, 3, 4]
        with state.table.write() as held:
            held.value[3] = 5
        assert peer.ask("read") == "[9, 2, 3, 5]"


def test_signals_reach_the_other_language(key: str, peer: Peer) -> None:
    with State.open_or_init(key, INIT) as state:
        peer.order(f"open_or_init {key}")
        peer.order("set")
        state.ready.wait(LIMIT)
        assert not state.ready.is_set
        peer.say("wait")
        state.ready.set()
        peer.expect("ok")
        for _ in range(3):
            state.permits.acquire(LIMIT)
        peer.say("acquire")
        state.permits.release()
        peer.expect("ok")
        peer.say("barrier")
        assert state.start.wait(LIMIT) is not (peer.hear() == "true")
        assert state.begun.call(lambda: None)
        assert peer.ask("has_begun") == "true"
        assert peer.ask("cell") == "None"
        assert state.cell.get_or_init(lambda: 42) == 42
        assert peer.ask("make 43") == "42"
        assert peer.ask("hit 10") == "-5"
        assert state.hits.fetch_add(1) == 5


def test_a_condition_wakes_the_other_language(key: str, peer: Peer) -> None:
    with State.open_or_init(key, INIT) as state:
        peer.order(f"open_or_init {key}")
        peer.say("await 9")
        with state.frames.lock() as held:
            held.value = 9
        state.changed.notify_all()
        peer.expect("timed out: false")

        def change() -> None:
            peer.ask("lock")
            peer.order("put 10")
            peer.order("unlock")
            peer.order("notify")

        other = threading.Thread(target=change)
        with state.frames.lock() as held:
            other.start()
            assert state.changed.wait_for(held, lambda: held.value == 10, LIMIT)
            assert not held.released
        other.join(LIMIT)


def test_collections_have_the_same_elements_in_both_languages(key: str, peer: Peer) -> None:
    with State.open_or_init(key, INIT) as state:
        peer.order(f"open_or_init {key}")
        with state.log.lock() as log:
            for number in range(6):
                log.value.push(number)
            assert list(log.value) == [2, 3, 4, 5]
            assert log.value.popleft() == 2
        assert peer.ask("log 65535") == "[3, 4, 5, 65535]"
        with state.list.lock() as items:
            items.value.extend([1, 2])
            items.value.append(4_294_967_295)
        assert peer.ask("list 7") == "[1, 2, 4294967295, 7]"
        with state.list.lock() as items, state.log.lock() as log:
            assert items.value == [1, 2, 4_294_967_295, 7]
            assert items.value.pop() == 7
            assert log.value[-1] == 65535


def test_a_mutex_alone_is_a_mutex_of_nothing_in_rust(key: str, peer: Peer) -> None:
    mutex: shmkit.Mutex[None] = shmkit.Mutex(key)
    peer.order(f"hold_mutex {key}")
    with pytest.raises(shmkit.TimedOutError, match=f'{peer.process.pid} .*"the peer"'):
        mutex.lock(0.05)
    holder = mutex.holder()
    assert holder is not None
    assert (holder.pid, holder.label, holder.is_alive) == (peer.process.pid, "the peer", True)
    peer.kill()
    with mutex.lock(LIMIT) as held:
        assert held.owner_died
        held.mark_recovered()


def test_another_class_is_refused_with_what_differs(key: str, peer: Peer) -> None:
    peer.order(f"open_or_init {key}")

    class Other(shmkit.Struct, name="State"):
        frames: shmkit.Mutex[shmkit.i64]

    with pytest.raises(shmkit.BadHeaderError) as refused:
        Other.open(key)
    assert "`State.frames.data` is `i64` here and `u64` in the segment" in str(refused.value)
