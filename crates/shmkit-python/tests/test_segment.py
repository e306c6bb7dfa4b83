"""Segments: made, attached, looked at, left."""

from __future__ import annotations

import pytest

import shmkit


def test_two_handles_see_the_same_bytes(key: str) -> None:
    with shmkit.SharedMemory.create(key, 4096) as ours, shmkit.SharedMemory.attach(key) as theirs:
        ours.buf[:5] = b"hello"
        assert bytes(theirs.buf[:5]) == b"hello"
    with pytest.raises(FileNotFoundError, match="there is no such segment") as caught:
        shmkit.SharedMemory.attach(key)
    assert isinstance(caught.value, shmkit.NotFoundError)
    assert caught.value.operation == "attach"


def test_a_view_keeps_the_segment(key: str) -> None:
    segment = shmkit.SharedMemory.create(key, 4096)
    view = segment.buf
    with pytest.raises(BufferError):
        segment.close()
    del segment
    view[0] = 1
    view.release()
    with pytest.raises(shmkit.NotFoundError):
        shmkit.SharedMemory.attach(key)
