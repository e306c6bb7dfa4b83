"""Segments: made, attached, looked at, left."""

from __future__ import annotations

import os
import stat
from typing import Any

import pytest

import shmkit
from shmkit import SharedMemory


def test_two_handles_see_the_same_bytes(key: str) -> None:
    with SharedMemory.create(key, 4096) as ours, SharedMemory.attach(key) as theirs:
        ours.buf[:5] = b"hello"
        assert bytes(theirs.buf[:5]) == b"hello"
        assert (ours.origin, theirs.origin) == ("created", "attached")
    with pytest.raises(FileNotFoundError, match="there is no such segment") as caught:
        SharedMemory.attach(key)
    assert isinstance(caught.value, shmkit.NotFoundError)
    assert caught.value.operation == "attach"
    assert caught.value.key == f"posix:/{key}"


def test_there_is_more_than_one_way_to_a_segment(key: str) -> None:
    make: Any = shmkit.SharedMemory
    with pytest.raises(TypeError, match=r"SharedMemory\.create\(key, size\), \.attach\(key\)"):
        make(key, 100, mode=0o600)
    assert "lock_timeout" in (shmkit.SharedMemory.create.__doc__ or "")


def test_a_segment_says_what_it_is(key: str) -> None:
    segment = SharedMemory.create(key, 1000, mode=0o640, lifetime="kept")
    assert (segment.name, segment.size, len(segment)) == (f"posix:/{key}", 1000, 1000)
    assert (segment.mode, segment.lifetime, segment.readonly) == (0o640, "kept", False)
    assert segment.path is None and segment.warnings == [] and segment.capacity >= 1000
    assert segment.medium()[0] == "memory"
    assert repr(segment) == f"<shmkit.SharedMemory posix:/{key}, 1000 bytes>"
    assert not segment.close()
    assert repr(segment) == f"<shmkit.SharedMemory posix:/{key}, closed>"
    for use in (
        lambda: segment.size,
        lambda: segment.buf,
        lambda: segment.lock(),
        lambda: segment.read_at(0, 1),
        lambda: segment.ndarray(1),
    ):
        with pytest.raises(ValueError, match="is closed"):
            use()
    assert stat.S_IMODE(os.stat(f"/dev/shm/{key}").st_mode) == 0o640
    SharedMemory.remove(key)
    with pytest.raises(FileNotFoundError):
        SharedMemory.remove(key)


def test_the_last_one_says_that_the_segment_is_gone(key: str) -> None:
    first, second = SharedMemory.create(key, 64), SharedMemory.attach(key)
    assert not first.close()
    assert second.close()


def test_what_is_in_use_is_not_removed_unless_told(key: str) -> None:
    with SharedMemory.create(key, 64) as segment:
        with pytest.raises(shmkit.AlreadyExistsError):
            SharedMemory.create(key, 64)
        with pytest.raises(shmkit.InUseError):
            SharedMemory.remove(key)
        SharedMemory.remove(key, in_use="remove_anyway")
        segment[0] = 1
        with pytest.raises(shmkit.NotFoundError):
            SharedMemory.attach(key)
        with pytest.raises(ValueError, match="in_use is one of"):
            SharedMemory.remove(key, in_use="perhaps")  # type: ignore[arg-type]


def test_contents_are_there_from_the_beginning(key: str) -> None:
    for contents in (b"constant", bytearray(b"constant"), memoryview(b"constant")):
        with SharedMemory.create_from(key, contents) as segment:
            assert segment.read_at() == b"constant"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"colour": "red"}, TypeError),
        ({"mode": 0o777}, ValueError),
        ({"lifetime": "eternal"}, ValueError),
        ({"owners": "nobody"}, ValueError),
        ({"lock_timeout": -1}, ValueError),
        ({"huge_pages": "enormous"}, ValueError),
        ({"populate": "perhaps"}, ValueError),
        ({"demand_seals": ["walrus"]}, ValueError),
    ],
)
def test_options_are_checked(key: str, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        SharedMemory.create(key, 64, **options)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        SharedMemory.attach(key)


def test_sizes_are_checked(key: str) -> None:
    for size in (0, 1 << 62):
        with pytest.raises(shmkit.Error):
            SharedMemory.create(key, size)
    for size in (-1, 1 << 70):
        with pytest.raises(ValueError, match="no number of bytes"):
            SharedMemory.create(key, size)


def test_options_have_their_effect(key: str) -> None:
    with SharedMemory.create(
        key,
        1 << 20,
        reserve=False,
        owners="anyone",
        populate=True,
        huge_pages="transparent",
        lock_in_memory=False,
        capacity=1 << 24,
    ) as segment:
        assert segment.capacity == 1 << 24
        segment.advise("sequential")
        segment.flush()


def test_a_segment_grows_in_place_and_shrinks_alone(key: str) -> None:
    with SharedMemory.create(key, 4096, capacity=1 << 20) as segment:
        old = segment.buf
        with SharedMemory.attach(key, capacity=1 << 20) as other:
            segment.grow(8192)
            assert other.wait_for_growth(4096, timeout=20) == 8192
            assert other.refresh() == 8192
            with pytest.raises(TimeoutError):
                other.wait_for_growth(8192, timeout=0.02)
            with pytest.raises(BufferError):
                segment.shrink(4096)
            old[0] = 1
            old.release()
            with pytest.raises(shmkit.InUseError):
                segment.shrink(4096)
        segment.shrink(4096)
        assert (segment.size, segment[0]) == (4096, 1)
        with pytest.raises(shmkit.OutOfBoundsError):
            segment.grow((1 << 20) + 1)


@pytest.mark.parametrize("make", [
    lambda key: shmkit.Key.platform_safe(key, type="systemv"),
    lambda key: shmkit.Key.legacy(key),
])  # fmt: skip
def test_system_v_segments_are_the_same(key: str, make: object) -> None:
    long_key: shmkit.Key = make(key)  # type: ignore[operator]
    with SharedMemory.create(long_key, 64) as ours, SharedMemory.attach(long_key) as theirs:
        ours[0] = 7
        assert theirs[0] == 7
        with ours.lock():
            assert theirs.try_lock() is None
    assert not os.path.exists(long_key.native_key)
