"""What looks at the bytes keeps them, whatever becomes of the handle."""

from __future__ import annotations

import gc
import os
import struct
import weakref

import numpy
import pytest

import shmkit


def exists(key: str) -> bool:
    return os.path.exists("/dev/shm/" + key)


def test_close_names_what_is_alive(key: str) -> None:
    segment = shmkit.SharedMemory.create(key, 4096)
    view = segment.buf
    array = segment.ndarray((3, 4), "float32", offset=16)
    with pytest.raises(BufferError) as caught:
        segment.close()
    text = str(caught.value)
    assert "in use by a memoryview of 4096 bytes, a numpy.ndarray of shape (3, 4) and dtype float32;" in text
    assert isinstance(caught.value, shmkit.InUseError)
    assert not segment.closed
    view.release()
    del view
    with pytest.raises(BufferError, match="in use by a numpy"):
        segment.close()
    del array
    assert segment.close()
    assert segment.closed and not exists(key)
    assert not segment.close()


@pytest.mark.parametrize("make", [
    lambda segment: segment.buf,
    lambda segment: segment.buf[10:20],
    lambda segment: segment.ndarray(16),
    lambda segment: segment.ndarray(16)[4:],
    lambda segment: numpy.frombuffer(segment.buf, "uint8"),
    lambda segment: numpy.ndarray(16, "uint8", buffer=segment.buf),
    lambda segment: numpy.asarray(segment.buffer(16)),
    lambda segment: numpy.from_dlpack(segment.buffer(16)),
    lambda segment: memoryview(segment.buffer((4, 4))),
])
def test_what_was_made_keeps_the_bytes(key: str, make: object) -> None:
    segment = shmkit.SharedMemory.create(key, 4096)
    segment[:] = b"\x07" * 4096
    made = make(segment)  # type: ignore[operator]
    with pytest.raises(BufferError):
        segment.close()
    alive = weakref.ref(segment)
    del segment
    gc.collect()
    assert alive() is None
    assert memoryview(made).tobytes()[0] == 7
    assert exists(key)
    del made
    gc.collect()
    assert not exists(key)


def test_an_exception_is_not_hidden_by_views(key: str) -> None:
    views = []
    with pytest.raises(KeyError, match="mine"), shmkit.SharedMemory.create(key, 64) as segment:
        views.append(segment.buf)
        raise KeyError("mine")
    assert segment.closed
    views[0][0] = 1
    assert exists(key)
    views.clear()
    assert not exists(key)


def test_views_in_garbage_do_not_keep_it_open(key: str) -> None:
    segment = shmkit.SharedMemory.create(key, 64)
    gc.disable()
    try:
        cycle: list[object] = [segment.buf]
        cycle.append(cycle)
        del cycle
        assert segment.close()
    finally:
        gc.enable()


def test_numpy_arrays_lie_in_the_segment(key: str) -> None:
    with shmkit.SharedMemory.create(key, 4096) as segment:
        array = segment.ndarray((2, 3), numpy.dtype("<i4"), offset=8)
        array[:] = [[1, 2, 3], [4, 5, 6]]
        assert segment.read_at(8, 24) == struct.pack("<6i", 1, 2, 3, 4, 5, 6)
        structured = segment.ndarray(1, [("a", "u1"), ("b", "<u4")])
        assert structured["a"].shape == (1,)
        with pytest.raises(TypeError, match="too small") as caught:
            segment.ndarray(5000)
        assert "4096 bytes" in caught.value.__notes__[0]
        with pytest.raises(shmkit.OutOfBoundsError):
            segment.ndarray(1, offset=4097)
        with pytest.raises(ValueError, match="references to objects"):
            segment.ndarray(1, object)
        del array, structured, caught


def test_a_buffer_is_understood_by_all(key: str) -> None:
    with shmkit.SharedMemory.create(key, 4096) as segment:
        buffer = segment.buffer((2, 3), "float32", offset=4)
        assert (buffer.shape, buffer.dtype, buffer.nbytes) == ((2, 3), "float32", 24)
        view = memoryview(buffer)
        assert (view.shape, view.format, view.strides) == ((2, 3), "f", (12, 4))
        view[1, 2] = 1.5  # type: ignore[call-overload]
        interface = buffer.__array_interface__
        assert interface["typestr"] == "<f4" and interface["shape"] == (2, 3)
        assert numpy.asarray(buffer)[1, 2] == 1.5
        assert numpy.from_dlpack(buffer)[1, 2] == 1.5
        assert buffer.__dlpack_device__() == (1, 0)
        for version in [None, (0, 8), (1, 0), (1, 1)]:
            capsule = buffer.__dlpack__(max_version=version)
            name = "dltensor" if version is None or version < (1, 0) else "dltensor_versioned"
            assert f'"{name}"' in repr(capsule)
        with pytest.raises(BufferError):
            buffer.__dlpack__(stream=1)  # type: ignore[arg-type]
        with pytest.raises(BufferError):
            buffer.__dlpack__(copy=True)
        assert numpy.asarray(segment.buffer(2, "complex128")).dtype == complex
        assert numpy.asarray(segment.buffer(2, "bool")).dtype == bool
        assert numpy.asarray(segment.buffer(2, "int64")).dtype == "int64"
        with pytest.raises(ValueError, match="float32"):
            segment.buffer(2, "float33")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="alignment"):
            segment.buffer(2, "float32", offset=2)
        with pytest.raises(shmkit.OutOfBoundsError):
            segment.buffer(4097)
        with pytest.raises(ValueError):
            segment.buffer((1 << 40, 1 << 40), "float64")
        assert memoryview(segment.buffer(())).nbytes == 1
        assert memoryview(segment.buffer((0, 5))).nbytes == 0
        del buffer, view, capsule


def test_read_only_is_read_only_everywhere(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as owner, shmkit.SharedMemory.attach(
        key, readonly=True
    ) as reader:
        owner[0] = 9
        assert reader.readonly and reader.buf.readonly
        with pytest.raises(TypeError):
            reader.buf[0] = 1
        with pytest.raises(TypeError):
            reader[0] = 1
        with pytest.raises(shmkit.ReadOnlyError):
            reader.write_at(0, b"x")
        array = reader.ndarray(64)
        assert array[0] == 9 and not array.flags.writeable
        with pytest.raises(ValueError):
            array[0] = 1
        with pytest.raises(ValueError):
            array.flags.writeable = True
        buffer = reader.buffer()
        with pytest.raises(BufferError, match="read-only"):
            buffer.__dlpack__()
        assert not numpy.from_dlpack(buffer).flags.writeable
        del array, buffer


def test_copies(key: str) -> None:
    with shmkit.SharedMemory.create(key, 200_000) as segment:
        for checked in [False, True]:
            segment.write_at(10, b"bytes", checked=checked)
            segment.write_at(15, bytearray(b"array"), checked=checked)
            segment.write_at(20, numpy.arange(3, dtype="u1"), checked=checked)
            assert segment.read_at(10, 13, checked=checked) == b"bytesarray\0\1\2"
            target = bytearray(5)
            segment.read_into(10, target, checked=checked)
            assert target == b"bytes"
            numbers = numpy.zeros(100_000, "u1")
            segment.read_into(0, numbers, checked=checked)
            assert bytes(numbers[10:15]) == b"bytes"
        assert len(segment.read_at()) == len(segment) == 200_000
        assert segment.read_at(199_999) == b"\0"
        assert segment.read_at(200_000) == b""
        # From itself, also where both overlap.
        segment.write_at(12, segment.buf[10:20])
        assert segment.read_at(10, 12) == b"bybytesarray"
        for offset, size in [(200_001, None), (0, 200_001), (1 << 62, 1 << 62)]:
            with pytest.raises(shmkit.OutOfBoundsError):
                segment.read_at(offset, size)
        with pytest.raises(shmkit.OutOfBoundsError):
            segment.write_at(199_999, b"two")
        with pytest.raises(shmkit.OutOfBoundsError):
            segment.read_into(199_999, bytearray(2))
        with pytest.raises(ValueError, match="no number of bytes"):
            segment.read_at(-1)
        with pytest.raises(TypeError):
            segment.read_into(0, b"constant")
        with pytest.raises(TypeError):
            segment.write_at(0, "text")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            segment.write_at(0, numpy.zeros((4, 4))[:, 1])


def test_indices_copy(key: str) -> None:
    with shmkit.SharedMemory.create(key, 16) as segment:
        segment[0] = 255
        segment[1:4] = b"abc"
        assert segment[0] == 255 and segment[-1] == 0
        assert segment[1:4] == b"abc" and segment[1:6:2] == b"ac\0"
        with pytest.raises(IndexError):
            segment[16]
        with pytest.raises(ValueError):
            segment[1:3] = b"too long"
