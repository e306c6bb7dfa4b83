"""What lies in a typed segment: layouts from annotations, values, and everything that is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import shmkit
from children import child
from typed_peer import INIT, Mode, Point, State

TESTS = str(Path(__file__).parent)


class Numbers(shmkit.Struct):
    a: shmkit.u64
    b: shmkit.i64
    c: shmkit.f64
    d: shmkit.u32
    e: shmkit.i32
    f: shmkit.f32
    g: shmkit.u16
    h: shmkit.i16
    i: shmkit.u8
    j: shmkit.i8
    k: bool
    mode: Mode
    text: shmkit.ArrayString[Literal[8]]
    points: shmkit.Array[Point, Literal[2]]
    flags: shmkit.Array[bool, Literal[4]]
    matrix: shmkit.Array[shmkit.Array[shmkit.f32, Literal[3]], Literal[2]]
    bytes: shmkit.Array[shmkit.u8, Literal[4]]


class Guarded(shmkit.Struct):
    numbers: shmkit.Mutex[Numbers]
    nothing: shmkit.Mutex[None]
    hits: shmkit.Atomic[shmkit.u8]
    on: shmkit.Atomic[bool]
    _pad: shmkit.Array[shmkit.u8, Literal[2]]
    gain: shmkit.Atomic[shmkit.f32]
    table: shmkit.RwLock[shmkit.Array[shmkit.f64, Literal[1024]]]


@pytest.fixture
def guarded(key: str) -> Iterator[Guarded]:
    with Guarded.create(key) as guarded:
        yield guarded


def test_bytes_of_zero_are_a_value_of_each_type(guarded: Guarded) -> None:
    with guarded.numbers.lock() as held:
        found = held.value.to_dict()
    assert found.pop("points") == [{"x": 0.0, "y": 0.0}] * 2
    assert found.pop("matrix") == [[0.0] * 3] * 2
    assert found.pop("flags") == [False] * 4
    assert (found.pop("text"), found.pop("bytes"), found.pop("k")) == ("", bytes(4), False)
    assert set(found.values()) == {0}


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("a", 0, 2**64 - 1),
        ("b", -(2**63), 2**63 - 1),
        ("d", 0, 2**32 - 1),
        ("e", -(2**31), 2**31 - 1),
        ("g", 0, 2**16 - 1),
        ("h", -(2**15), 2**15 - 1),
        ("i", 0, 255),
        ("j", -128, 127),
    ],
)
def test_integers_have_their_range_and_no_more(
    guarded: Guarded, field: str, least: int, most: int
) -> None:
    with guarded.numbers.lock() as held:
        for number in (least, most, 0, 1):
            setattr(held.value, field, number)
            assert getattr(held.value, field) == number
        for number in (least - 1, most + 1, 10**40, -(10**40)):
            with pytest.raises(OverflowError, match=f"{field}: {number} does not fit into"):
                setattr(held.value, field, number)
        for wrong in (1.0, "1", None, True, [1]):
            with pytest.raises(TypeError, match=f"Guarded.numbers.{field}: expected an int, got"):
                setattr(held.value, field, wrong)
        assert getattr(held.value, field) == 1


def test_other_values_keep_to_their_types(guarded: Guarded) -> None:
    with guarded.numbers.lock() as held:
        value = held.value
        value.c = 1
        value.f = 0.1
        assert value.c == 1.0
        assert value.f == pytest.approx(0.1)
        value.k = True
        value.mode = Mode.On
        value.text.value = "grün"
        assert (value.k, value.mode, str(value.text), len(value.text)) == (True, Mode.On, "grün", 4)
        refused: list[tuple[str, Any, type[Exception], str]] = [
            ("c", "1", TypeError, "expected a float, got str"),
            ("c", True, TypeError, "expected a float, got bool"),
            ("k", 1, TypeError, "expected a bool, got int"),
            ("mode", 7, ValueError, "7 is no variant of Mode"),
            ("mode", "On", TypeError, "expected a Mode, got str"),
            ("text", "123456789", ValueError, "9 bytes of UTF-8, and there is room for 8"),
            ("text", b"1", TypeError, "expected a str, got bytes"),
            ("flags", [True], ValueError, "expected 4 elements, got 1"),
            ("flags", [True, False, 2, True], TypeError, r"flags\[2\]: expected a bool, got int"),
            ("points", [{"z": 1}, {}], TypeError, r"points\[0\].z: there is no such field"),
            ("points", "ab", TypeError, "expected a sequence, got str"),
            ("matrix", [[1, 2], [3]], ValueError, r"matrix\[0\]: expected 3 elements, got 2"),
            ("bytes", b"12345", ValueError, "expected 4 elements, got 5"),
        ]
        for field, wrong, error, why in refused:
            with pytest.raises(error, match=why):
                setattr(value, field, wrong)
        assert str(value.text) == "grün"


def test_parts_are_read_and_written_where_they_lie(guarded: Guarded) -> None:
    with guarded.numbers.lock() as held:
        value = held.value
        value.points[1].x = 2.5
        value.points[0] = {"y": 1}
        value.matrix[1][2] = 7
        value.matrix[0] = [1, 2, 3]
        value.flags[1:3] = [True, True]
        value.bytes = b"\x01\x02\x03\x04"  # type: ignore[assignment]
        assert [it.to_dict() for it in held.value.points] == [{"x": 0, "y": 1}, {"x": 2.5, "y": 0}]
        assert [list(row) for row in value.matrix] == [[1, 2, 3], [0, 0, 7]]
        assert value.flags == [False, True, True, False]
        assert value.bytes[-1] == 4 and value.bytes[1:3] == [2, 3] and 3 in value.bytes
        value.points[0] = value.points[1]
        assert value.points[0] == value.points[1]
        with pytest.raises(IndexError, match="there are 2 elements, and none has index 2"):
            value.points[2]
        with pytest.raises(AttributeError, match="`Numbers` has no field `z`"):
            value.z = 1


def test_what_a_lock_protects_is_reached_while_it_is_held_and_not_after(guarded: Guarded) -> None:
    with guarded.numbers.lock() as held:
        value, points = held.value, held.value.points
        value.a = 5
    uses: list[Callable[[], object]] = [
        lambda: value.a,
        lambda: setattr(value, "a", 6),
        lambda: points[0].x,
        lambda: held.value.a,
        lambda: value.to_dict(),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="the lock has been given back"):
            use()
    assert held.released
    with guarded.numbers.lock() as held:
        assert held.value.a == 5
    with guarded.table.read() as held_to_read:
        assert held_to_read.value[0] == 0.0
        with pytest.raises(TypeError, match="held to read, not to write"):
            held_to_read.value[0] = 1.0


def test_what_no_lock_protects_is_written_by_init_alone(key: str) -> None:
    with State.create(key, INIT) as state:
        assert state.samples == INIT["samples"]
        writes: list[Callable[[], object]] = [
            lambda: setattr(state, "is_on", False),
            lambda: state.samples.__setitem__(0, 1.0),
            lambda: setattr(state.name, "value", "other"),
            lambda: setattr(state.corners[0], "x", 1.0),
        ]
        for write in writes:
            with pytest.raises(TypeError, match="outside of every lock"):
                write()
        with pytest.raises(TypeError, match="it is atomic: use its `store`"):
            state.hits = 3  # type: ignore[assignment]


def test_atomics_are_changed_by_all_in_one_step(guarded: Guarded, key: str) -> None:
    hits, on, gain = guarded.hits, guarded.on, guarded.gain
    assert hits.fetch_add(250) == 0
    assert Guarded.open(key).hits.fetch_add(10) == 250
    assert hits.load() == 4
    assert hits.fetch_sub(5) == 4 and hits.load() == 255
    assert hits.fetch_and(0x0F) == 255 and hits.fetch_or(0xF0) == 15 and hits.fetch_xor(1) == 255
    assert hits.fetch_max(255) == 254 and hits.fetch_min(3) == 255 and hits.load() == 3
    assert not hits.compare_exchange(4, 5) and hits.compare_exchange(3, 5) and hits.swap(6) == 5
    on.store(True)
    assert on.swap(False) is True
    gain.store(-0.0)
    assert not gain.compare_exchange(0.0, 1.0) and gain.compare_exchange(-0.0, 1.5)
    assert gain.load() == 1.5
    with pytest.raises(OverflowError):
        hits.store(256)
    with pytest.raises(TypeError, match="`add` is not for `atomic bool`"):
        on.fetch_add(True)


def test_a_reader_sees_everything_and_writes_nothing(key: str) -> None:
    with State.create(key, INIT) as state, State.open(key, readonly=True) as reader:
        assert reader.name == "camera ä" and reader.hits.load() == -5
        state.hits.store(3)
        state.ready.set()
        assert reader.hits.load() == 3 and reader.ready.is_set
        writes: list[Callable[[], object]] = [
            lambda: reader.hits.store(1),
            lambda: reader.hits.fetch_add(1),
            lambda: reader.frames.lock(),
            lambda: reader.table.read(),
            lambda: reader.ready.set(),
            lambda: reader.ready.wait(0),
            lambda: reader.permits.acquire(),
            lambda: reader.changed.notify_all(),
            lambda: reader.start.wait(0),
            lambda: reader.begun.call(lambda: None),
            lambda: reader.cell.get_or_init(lambda: 1),
        ]
        for write in writes:
            with pytest.raises(shmkit.ReadOnlyError):
                write()
        assert reader.cell.get() is None
        assert not reader.set_label("nobody")
        again = pickle.loads(pickle.dumps(reader))
        with pytest.raises(shmkit.ReadOnlyError):
            again.hits.store(1)


def test_arrays_of_numbers_are_seen_without_copying(guarded: Guarded) -> None:
    with guarded.table.write() as held:
        view = held.value.buf
        assert (view.format, view.shape, view.readonly) == ("d", (1024,), False)
        view[3] = 2.5
        assert held.value[3] == 2.5
        held.value[4] = 3.5
        assert view[4] == 3.5
        view.release()
    with guarded.table.read() as reading:
        view = reading.value.buf
        assert view.readonly and view[3] == 2.5
        view.release()
    with guarded.numbers.lock() as numbers:
        matrix = numbers.value.matrix.buf
        assert matrix.shape == (2, 3) and matrix.format == "f"
        matrix.release()
        with pytest.raises(TypeError, match="only an array of numbers"):
            numbers.value.flags.buf


def test_numpy_takes_an_array_as_it_lies(guarded: Guarded) -> None:
    numpy = pytest.importorskip("numpy")
    with guarded.table.write() as held:
        array = numpy.asarray(held.value)
        array[:] = numpy.arange(1024)
        assert held.value[1023] == 1023.0
        held.value = array * 2
        assert held.value[1023] == 2046.0
        assert numpy.asarray(held.value, dtype="f4").dtype == numpy.float32
        del array


def test_a_lock_is_given_back_when_the_last_view_of_its_value_is_gone(guarded: Guarded) -> None:
    with pytest.raises(shmkit.StillInUseError, match="given back when what looks at it is gone"):
        with guarded.table.write() as held:
            view = held.value.buf
    with pytest.raises(shmkit.WouldBlockError):
        guarded.table.write(0)
    view[0] = 9.0
    with pytest.raises(ValueError, match="given back"):
        held.value
    with pytest.raises(shmkit.StillInUseError, match="cannot close it"):
        guarded.close()
    view.release()
    with guarded.table.write(0) as again:
        assert again.value[0] == 9.0


def test_constant_arrays_outlive_nothing(key: str) -> None:
    state = State.create(key, INIT)
    view = state.samples.buf
    assert view.readonly
    with pytest.raises(shmkit.StillInUseError):
        state.close()
    del state
    assert view[1] == 0.5
    view.release()


def test_a_failed_init_leaves_the_segment_to_the_next_one(key: str) -> None:
    class Small(shmkit.Struct):
        number: shmkit.u8

    with pytest.raises(OverflowError, match="Small.number: 256 does not fit into u8"):
        Small.open_or_init(key, lambda: {"number": 256})
    with pytest.raises(ZeroDivisionError):
        Small.open_or_init(key, lambda: {"number": 1 // 0})
    with pytest.raises(OverflowError):
        Small.create(key, {"number": 256})
    with Small.open_or_init(key, {"number": 255}) as small:
        assert small.number == 255
        with pytest.raises(shmkit.AlreadyExistsError):
            Small.create(key)
    with pytest.raises(shmkit.NotFoundError):
        Small.open(key)


def test_one_of_many_processes_initialises(key: str) -> None:
    script = f"""
    sys.path.insert(0, {TESTS!r})
    import typed_peer
    def init():
        say("initialises")
        sys.stdin.readline()
        return {{"frames": 41}}
    state = typed_peer.State.open_or_init({key!r}, init)
    with state.frames.lock() as held:
        held.value += 1
        say(held.value)
    park()
    """
    with child(script) as first:
        first.expect("initialises")
        with child(script) as second, child(script) as third:
            first.tell("go on")
            assert sorted(it.line() for it in (first, second, third)) == ["42", "43", "44"]
            for it in (first, second, third):
                it.finish()


def test_the_next_one_initialises_when_the_first_one_dies_at_it(key: str) -> None:
    script = f"""
    sys.path.insert(0, {TESTS!r})
    import typed_peer
    def init():
        say("initialises")
        park()
    typed_peer.State.open_or_init({key!r}, init)
    """
    with child(script) as first:
        first.expect("initialises")
        with pytest.raises(shmkit.TimedOutError, match=f"not done after .* {first.pid}"):
            State.open_or_init(key, timeout=0.05)
        first.kill()
        with State.open_or_init(key, {"frames": 1}) as state, state.frames.lock() as held:
            assert held.value == 1


def test_annotations_that_cannot_lie_in_shared_memory_are_refused() -> None:
    with pytest.raises(TypeError, match=r"`A.x`: `int` cannot lie in shared memory: say how large"):

        class A(shmkit.Struct):
            x: int

    with pytest.raises(TypeError, match=r"`B.x`: `str` .*ArrayString"):

        class B(shmkit.Struct):
            x: str

    with pytest.raises(TypeError, match="3 bytes of padding before it; add a field `_pad:"):

        class C(shmkit.Struct):
            x: shmkit.u8
            y: shmkit.u32

    with pytest.raises(TypeError, match="every struct has a method of that name"):

        class D(shmkit.Struct):
            close: shmkit.u8  # type: ignore[assignment]

    with pytest.raises(TypeError, match="no other base"):

        class E(Point):
            z: shmkit.f32

    class F(shmkit.Enum, repr=shmkit.u8):
        ONE = 1

    with pytest.raises(TypeError, match="no variant that is stored as 0"):

        class G(shmkit.Struct):
            f: F

    with pytest.raises(TypeError, match="a length is an int"):
        shmkit.Array[shmkit.u8, Literal[-1]]
    with pytest.raises(TypeError, match="takes 2 parameters"):
        shmkit.Array[shmkit.u8]  # type: ignore[misc]
    with pytest.raises(TypeError, match="no atomic"):
        shmkit.Atomic[shmkit.Event]
    with pytest.raises(TypeError, match="a struct lies in a segment"):
        Point()


def test_names_and_versions_are_those_that_rust_has(key: str) -> None:
    class Camera(shmkit.Struct, name="Kamera", version=2):
        x: shmkit.Array[shmkit.u8, 3]  # type: ignore[valid-type]
        größe: shmkit.u8

    assert Camera.layout_text() == "struct Kamera v2 4/1{x@0:[u8;3];größe@3:u8}"
    with Camera.create(key, {"größe": 5}) as camera:
        assert camera.größe == 5


def test_segments_of_other_values_describe_themselves_too(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.Array[shmkit.u32, Literal[2]]](key, init=[1, 2])
    with mutex as held:
        held.value[0] = 5
    found = shmkit.open_typed(key)
    with found.lock() as held:
        assert list(held.value) == [5, 2]
    with pytest.raises(shmkit.BadHeaderError, match="no typed segment"):
        with shmkit.SharedMemory.create(key + "-plain", 8192):
            shmkit.open_typed(key + "-plain")


def test_files_are_segments_that_stay(tmp_path: Any) -> None:
    path = tmp_path / "state"
    with State.open_or_init(path, INIT) as state, state.frames.lock() as held:
        held.value = 8
    with State.open(path) as state, state.frames.lock() as held:
        assert held.value == 8
        with pytest.raises(TypeError, match="no key"):
            pickle.dumps(state)


def test_a_closed_segment_is_used_no_more(key: str) -> None:
    state = State.create(key, INIT)
    frames, samples = state.frames, state.samples
    held = frames.lock()
    with pytest.raises(shmkit.StillInUseError, match="1 held locks, waits or views"):
        state.close()
    held.release()
    state.close()
    state.close()
    uses: list[Callable[[], object]] = [lambda: frames.lock(), lambda: samples[0], lambda: state.is_on]
    for use in uses:
        with pytest.raises(ValueError, match="the segment is closed"):
            use()
