"""`shmkit.SharedArray`: arrays that say what they are, locked, counted, waited for."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import shmkit
from shm_child import LIMIT, Child
from shmkit import SharedArray
from typed_peer import Peer, built

numpy = pytest.importorskip("numpy")

POINT = [("x", "f4"), ("y", "f4"), ("label", "S6"), ("id", "u2"), ("at", "f8")]


def test_an_array_says_what_it_is(key: str) -> None:
    with SharedArray.create(key, (2, 3), "f4") as ours, SharedArray.attach(key) as theirs:
        assert (theirs.shape, theirs.dtype, theirs.nbytes) == ((2, 3), numpy.dtype("f4"), 24)
        assert not theirs.np.any() and theirs.generation == 0
        ours.np[1, 2] = 5
        assert theirs.np[1, 2] == 5
        assert repr(theirs) == f"<shmkit.SharedArray posix:/{key} (2, 3) float32>"
    with pytest.raises(shmkit.NotFoundError):
        SharedArray.attach(key)


@pytest.fixture
def peer() -> Iterator[ArrayPeer]:
    with ArrayPeer() as peer:
        yield peer


class ArrayPeer(Peer):
    """A Rust program with the same array: `crates/shmkit/examples/array_peer.rs`."""

    example = "array_peer"


def test_the_layout_is_that_of_a_struct_in_rust(key: str, peer: ArrayPeer) -> None:
    with SharedArray.create(key, (2, 3), "f4") as array:
        assert array.layout == peer.ask("text")


def test_rust_and_python_share_an_array(key: str, peer: ArrayPeer) -> None:
    with SharedArray.of(key, numpy.arange(6, dtype="f4").reshape(2, 3)) as array:
        peer.order(f"open_or_init {key}")
        assert peer.ask("sum") == "15"
        assert peer.ask("scale 2") == "2"
        assert array.wait(1, timeout=LIMIT) == 2
        assert array.np.tolist() == [[0, 2, 4], [6, 8, 10]]
        peer.say("wait 2")
        with array.write() as held:
            held.np += 1
        assert peer.hear() == "3"
        assert peer.ask("sum") == "36"


def test_python_attaches_to_an_array_that_rust_has_made(key: str, peer: ArrayPeer) -> None:
    peer.order(f"open_or_init {key}")
    with SharedArray.attach(key, (2, 3), "f4") as array:
        array.np[...] = 1
        assert peer.ask("sum") == "6"


def test_elements_begin_at_a_cache_line(key: str) -> None:
    with SharedArray.create(key, 5, "u1") as array:
        assert array.np.ctypes.data % 64 == 0


DTYPES: list[Any] = [
    *("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"),
    *("S1", "S10", "U7", "V3", "M8[ns]", "M8[D]", "m8[us]", "M8"),
    POINT,
    numpy.dtype(POINT, align=True),
    [("a", "u1"), ("b", "f8")],
    [("a", "u1"), ("b", "c16"), ("c", "S3")],
    numpy.dtype([("a", "u1"), ("b", "f8"), ("c", "u1")], align=True),
    [("m", "f4", (2, 3)), ("inner", [("p", "i4"), ("q", "U2")])],
    {"names": ["late", "early"], "formats": ["u4", "u4"], "offsets": [8, 0], "itemsize": 16},
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_types_come_back_as_they_were(key: str, dtype: Any) -> None:
    wanted = numpy.dtype(dtype)
    with SharedArray.create(key, 3, dtype) as ours, SharedArray.attach(key, 3, dtype) as theirs:
        found = theirs.dtype
        assert found.itemsize == wanted.itemsize
        if wanted.names is None:
            assert found == wanted
        else:
            assert wanted.fields is not None and found.fields is not None
            assert dict(found.fields) == dict(wanted.fields), "their order is that of the offsets"
        assert ours.np.tobytes() == theirs.np.tobytes() == bytes(3 * wanted.itemsize)


@pytest.mark.parametrize("shape", [(), 0, 1, (0, 3), (4,), (2, 3, 4), [2, 2]], ids=str)
def test_shapes_come_back_as_they_were(key: str, shape: Any) -> None:
    with SharedArray.create(key, shape, "u2") as ours:
        assert ours.np.shape == numpy.zeros(shape).shape
        with SharedArray.attach(key, shape) as theirs:
            assert theirs.shape == ours.shape


def test_a_type_with_dimensions_adds_them(key: str) -> None:
    with SharedArray.create(key, 2, ("f4", (3,))) as array:
        assert (array.shape, array.dtype) == ((2, 3), numpy.dtype("f4"))


@pytest.mark.parametrize(
    ("dtype", "why"),
    [
        (object, "cannot be shared"),
        (">f8", "byte order"),
        ("f16", "cannot be shared|there is no number type"),
        ({"names": ["a", "b"], "formats": ["u4", "u4"], "offsets": [0, 2]}, "overlap"),
    ],
)
def test_types_that_cannot_be_shared(key: str, dtype: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        SharedArray.create(key, 3, dtype)
    with pytest.raises(shmkit.NotFoundError):
        SharedArray.attach(key)


def test_attaching_says_what_differs(key: str) -> None:
    with SharedArray.create(key, (2, 3), "f4"):
        with pytest.raises(shmkit.BadHeaderError) as caught:
            SharedArray.attach(key, (3, 2), "f8")
        assert str(caught.value) == (
            f"cannot attach posix:/{key}: its shape is (2, 3), not (3, 2); its dtype is float32, not float64"
        )
        assert caught.value.key == f"posix:/{key}"
        SharedArray.attach(key, (2, 3)).close()
        SharedArray.attach(key, dtype="f4").close()
        with pytest.raises(shmkit.BadHeaderError, match=r"its shape is \(2, 3\), not \(6,\)"):
            SharedArray.create_or_attach(key, 6, "f4")


def test_another_typed_segment_is_no_array(key: str) -> None:
    counter = shmkit.Mutex[shmkit.u64](key)
    with pytest.raises(shmkit.BadHeaderError, match="no shared array.*Mutex"):
        SharedArray.attach(key)
    counter.close()
    with shmkit.SharedMemory.create(key, 8192):
        with pytest.raises(shmkit.BadHeaderError):
            SharedArray.attach(key)


def test_one_creates_and_the_others_attach(key: str) -> None:
    with SharedArray.create_or_attach(key, 4, "i4") as first:
        first.np[0] = 7
        with SharedArray.create_or_attach(key, 4, "i4") as second:
            assert second.np[0] == 7
        with pytest.raises(FileExistsError):
            SharedArray.create(key, 4, "i4")


def test_a_copy_of_an_array_is_in_generation_1(key: str) -> None:
    source = numpy.arange(6.0).reshape(2, 3)
    with SharedArray.of(key, source) as array:
        assert array.generation == 1
        assert (array.np == source).all()
        source[0, 0] = 99
        assert array.np[0, 0] == 0


def test_each_write_is_a_generation(key: str) -> None:
    with SharedArray.create(key, 4) as array:
        for expected in (1, 2, 3):
            with array.write() as held:
                held.np[:] = expected
                assert array.generation == expected - 1
            assert array.generation == expected
        with array.read() as reading:
            assert reading.np.sum() == 12
        assert array.generation == 3


def test_who_reads_cannot_write_and_nobody_can_after_the_end(key: str) -> None:
    with SharedArray.create(key, 4) as array:
        with array.read() as reading, array.read() as also:
            with pytest.raises(ValueError, match="read-only"):
                reading.np[0] = 1
            assert also.np[0] == 0
            with pytest.raises(shmkit.WouldBlockError):
                array.write(timeout=0)
            with pytest.raises(TimeoutError):
                array.write(timeout=0.01)
        with pytest.raises(ValueError, match="given back"):
            reading.np
        with array.write() as held:
            with pytest.raises(BlockingIOError):
                array.read(timeout=0)
            held.release()
            array.read(timeout=0).release()
        assert array.generation == 1


def test_a_write_that_fails_is_no_generation_and_must_be_repaired(key: str) -> None:
    with SharedArray.create(key, 4) as array:
        with pytest.raises(ZeroDivisionError), array.write() as held:
            held.np[0] = 1 / 0
        assert array.generation == 0
        for use in (array.read, array.write):
            with pytest.raises(shmkit.PoisonedError):
                use()
        with array.repair() as held:
            held.np[:] = 0
        assert array.generation == 1
        array.read().release()


def test_readers_can_fail_without_harm(key: str) -> None:
    with SharedArray.create(key, 4) as array:
        with pytest.raises(ZeroDivisionError), array.read():
            raise ZeroDivisionError
        array.write(0).release()


def test_the_next_writer_learns_that_one_died(key: str) -> None:
    code = """
        import shmkit
        array = shmkit.SharedArray.attach(sys.argv[1])
        held = array.write()
        held.np[:] = 5
        say("half done")
        hear()
    """
    with SharedArray.create(key, 4) as array:
        with Child(code, key) as writer:
            writer.expect("half done")
            writer.kill()
        with array.write(timeout=10) as held:
            assert held.owner_died
            held.np[:] = 0
            held.mark_recovered()
        assert array.generation == 1
        with array.write() as held:
            assert not held.owner_died


def test_waiting_ends_with_a_generation(key: str) -> None:
    code = """
        import shmkit
        array = shmkit.SharedArray.attach(sys.argv[1])
        seen = 0
        while seen < 3:
            say("waiting for more than", seen)
            seen = array.wait(seen, timeout=50)
            with array.read() as held:
                say(int(held.np[0]))
    """
    with SharedArray.create(key, 4) as array, Child(code, key) as reader:
        for generation in (1, 2, 3):
            reader.expect(f"waiting for more than {generation - 1}")
            with array.write() as held:
                held.np[:] = generation * 10
            reader.expect(str(generation * 10))
        assert reader.finish() == ""


def test_waiting_has_a_limit_and_says_where_it_is(key: str) -> None:
    with SharedArray.create(key, 4) as array:
        start = time.monotonic()
        with pytest.raises(shmkit.TimedOutError, match="generation 0"):
            array.wait(0, timeout=0.05)
        assert time.monotonic() - start >= 0.05
        with pytest.raises(TimeoutError):
            array.wait(0, timeout=0)
        array.write().release()
        assert array.wait(0) == 1


def test_ctrl_c_ends_a_wait(key: str) -> None:
    with SharedArray.create(key, 4) as array:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            array.wait(0, timeout=LIMIT)
        array.write(0).release()


def test_other_threads_run_while_one_waits(key: str) -> None:
    with SharedArray.create(key, 4) as array:
        threads = [threading.Thread(target=array.wait, args=(0, LIMIT)) for _ in range(4)]
        for thread in threads:
            thread.start()
        array.write().release()
        for thread in threads:
            thread.join(LIMIT)
            assert not thread.is_alive()


def test_writers_and_readers_of_many_processes_keep_apart(key: str) -> None:
    writer = """
        import shmkit
        array = shmkit.SharedArray.attach(sys.argv[1])
        for _ in range(200):
            with array.write() as held:
                held.np += 1
        say("done")
    """
    with SharedArray.create(key, 1000, "i8") as array, Child(writer, key) as one, Child(writer, key) as two:
        while array.generation < 400:
            with array.read() as held:
                assert (held.np == held.np[0]).all()
        one.expect("done")
        two.expect("done")
        assert (array.np == 400).all()


def test_an_array_outlives_what_it_came_from(key: str) -> None:
    array = SharedArray.create(key, 1000, "u1")
    inside = array.np[10:20]
    with pytest.raises(BufferError):
        array.close()
    array.np[10] = 3
    del array
    gc.collect()
    inside[1] = 4
    assert inside[:2].tolist() == [3, 4]
    SharedArray.attach(key).close()
    del inside
    gc.collect()
    with pytest.raises(shmkit.NotFoundError):
        SharedArray.attach(key)


def test_a_closed_array_says_so(key: str) -> None:
    array = SharedArray.create(key, 4)
    array.close()
    array.close()
    assert array.closed and "closed" in repr(array)
    for use in (lambda: array.np, lambda: array.shape, array.read, array.write, lambda: array.generation):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_readonly_cannot_be_written_to(key: str) -> None:
    with SharedArray.of(key, numpy.arange(4)) as array:
        with SharedArray.attach(key, readonly=True) as looking:
            assert looking.readonly
            assert looking.np.tolist() == [0, 1, 2, 3]
            assert looking.generation == 1
            with pytest.raises(ValueError, match="read-only"):
                looking.np[0] = 1
            for use in (looking.read, looking.write, lambda: looking.wait(0, 0)):
                with pytest.raises(shmkit.ReadOnlyError):
                    use()
            again = pickle.loads(pickle.dumps(looking))
            assert again.readonly
            again.close()
        array.read(0).release()


def double(array: SharedArray) -> None:
    with array.write() as held:
        held.np[...] *= 2


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_children_get_it_as_an_argument(key: str, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    with SharedArray.of(key, numpy.arange(4)) as array:
        child = context.Process(target=double, args=(array,))
        child.start()
        child.join(LIMIT)
        assert child.exitcode == 0
        assert array.wait(1, timeout=LIMIT) == 2
        assert array.np.tolist() == [0, 2, 4, 6]


def test_a_full_file_system_is_an_error_at_create(key: str) -> None:
    room = os.statvfs("/dev/shm")
    with pytest.raises(shmkit.OutOfSpaceError):
        SharedArray.create(key, room.f_blocks * room.f_frsize * 2, "u1")
    with pytest.raises(shmkit.NotFoundError):
        SharedArray.attach(key)


def test_the_command_line_tool_shows_it(key: str) -> None:
    tool = built("--package", "shmkit-cli", "--bin", "shmkit")
    with SharedArray.of(key, numpy.ones(6)):
        done = subprocess.run([tool, "info", key], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "typed SharedArray" in done.stdout
    assert "locks inside  2, none held" in done.stdout
