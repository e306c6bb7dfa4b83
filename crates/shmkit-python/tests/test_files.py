"""Files, memfds, seals: segments without a key."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import numpy
import pytest

import shmkit
from shmkit import Sealed, SharedMemory, directory


def test_a_file_is_kept_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "table"
    with SharedMemory.create_file(path, 4096) as segment:
        segment[:5] = b"hello"
        segment.flush()
        assert segment.path == path and segment.key is None and segment.lifetime == "kept"
    assert path.read_bytes()[:5] == b"hello"
    with SharedMemory.attach_file(str(path), readonly=True) as again:
        assert again.read_at(0, 5) == b"hello"
    with SharedMemory.attach_file(path, offset=2, length=3) as part:
        assert part.read_at() == b"llo"
    with SharedMemory.attach_file(path, copy_on_write=True) as mine:
        mine[0] = 0
    assert path.read_bytes()[:5] == b"hello"
    with pytest.raises(FileExistsError):
        SharedMemory.create_file(path, 4096)
    with SharedMemory.create_or_attach_file(path, 4096) as segment:
        assert segment.origin != "created"
    SharedMemory.remove_file(path)
    assert not path.exists()


def test_temporary_files_go(tmp_path: Path) -> None:
    with SharedMemory.temporary_file(tmp_path, 64) as segment:
        assert segment.path is not None and segment.path.parent == tmp_path
        assert segment.path.exists()
    with SharedMemory.unnamed_file(tmp_path, 64) as segment:
        assert not list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_cut_is_an_error_for_checked_copies(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    with SharedMemory.create_file(path, 100_000) as segment:
        os.truncate(path, 0)
        with pytest.raises(shmkit.TruncatedError):
            segment.read_at(50_000, 10, checked=True)
        with pytest.raises(EOFError):
            segment.write_at(50_000, b"x", checked=True)
        with pytest.raises(shmkit.TruncatedError):
            segment.read_into(50_000, bytearray(1), checked=True)


def test_directories_are_told_apart(tmp_path: Path) -> None:
    memory = directory.examine("/dev/shm", 4096)
    assert (memory.medium, memory.objection) == ("memory", None) and memory.available > 4096
    assert directory.choose(4096) in [it.path for it in directory.candidates()]
    missing = directory.examine(tmp_path / "missing")
    assert missing.medium is None and missing.objection
    with pytest.raises(shmkit.UnsupportedError, match="no directory will do"):
        directory.choose(1 << 62)


def test_a_memfd_is_found_by_its_descriptor() -> None:
    with SharedMemory.memfd_from("memory", b"hello") as segment:
        assert segment.name == "memfd:memory"
        fd = segment.to_fd(readonly=True)
        try:
            assert not os.get_inheritable(fd)
            with SharedMemory.attach_fd(fd, readonly=True) as other:
                assert other.read_at() == b"hello"
            with pytest.raises(shmkit.Error):
                SharedMemory.attach_fd(fd)
            # It is still the caller's.
            os.fstat(fd)
        finally:
            os.close(fd)
    for wrong in (-1, 1 << 20):
        with pytest.raises((ValueError, OSError)):
            SharedMemory.attach_fd(wrong)
    with pytest.raises(AttributeError):
        SharedMemory.attach_fd("path")  # type: ignore[arg-type]


def test_sealed_memory_is_constant() -> None:
    segment = SharedMemory.memfd("table", 4)
    segment[:] = b"1234"
    view = segment.buf
    with pytest.raises(shmkit.StillInUseError, match="cannot seal"):
        segment.seal()
    view.release()
    del view
    with segment.seal() as sealed:
        assert segment.closed
        assert bytes(sealed) == b"1234" and len(sealed) == sealed.size == 4
        assert set(sealed.seals) >= {"write", "shrink", "grow"}
        assert sealed.buf.readonly
        with pytest.raises(TypeError):
            sealed.buf[0] = 1
        array = sealed.ndarray(2, "<u2")
        assert not array.flags.writeable
        with pytest.raises(BufferError, match="numpy.ndarray"):
            sealed.close()
        del array
        assert numpy.asarray(sealed.buffer()).tolist() == list(b"1234")
        fd = sealed.to_fd()
        try:
            with Sealed.from_fd(fd) as other:
                assert bytes(other) == b"1234"
        finally:
            os.close(fd)
    assert sealed.closed
    with pytest.raises(ValueError, match="closed"):
        len(sealed)


def test_what_is_not_sealed_is_not_taken_for_it() -> None:
    with SharedMemory.memfd("open", 4) as segment:
        segment.add_seals("shrink")
        assert segment.seals == ["shrink"]
        fd = segment.to_fd()
        try:
            with pytest.raises(shmkit.SealedError):
                Sealed.from_fd(fd)
            with pytest.raises(shmkit.SealedError):
                SharedMemory.attach_fd(fd, demand_seals=["write"])
            with SharedMemory.attach_fd(fd, demand_seals=["shrink"]):
                pass
        finally:
            os.close(fd)
        with pytest.raises(ValueError, match="a seal is one of"):
            segment.add_seals("walrus")  # type: ignore[arg-type]


def test_a_segment_that_others_can_write_is_not_sealed() -> None:
    segment = SharedMemory.memfd("two", 4)
    fd = segment.to_fd()
    with SharedMemory.attach_fd(fd) as other:
        with pytest.raises(shmkit.Error):
            segment.seal()
        assert not segment.closed and len(segment) == 4
        other[0] = 1
    os.close(fd)
    with segment.seal() as sealed:
        assert bytes(sealed)[0] == 1


def test_sealed_memory_is_made_at_once() -> None:
    with Sealed("table", numpy.arange(4, dtype="u1")) as sealed:
        assert bytes(sealed) == b"\0\1\2\3"
        fd = sealed.to_fd()
        assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE
        os.close(fd)
