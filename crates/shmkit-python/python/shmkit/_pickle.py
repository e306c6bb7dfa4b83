"""Pickles of segments: what has a name goes by it, what has none by its descriptor.

A descriptor travels as the standard library sends connections to children: inherited by one that is
being started, and otherwise by a socket on which this process waits (``multiprocessing.reduction``).
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._shmkit import Key, Sealed, SharedMemory

Reduced = tuple[Callable[..., Any], tuple[Any, ...]]


def reduce(segment: SharedMemory) -> Reduced:
    key, path, readonly = segment.key, segment.path, segment.readonly
    if key is not None:
        return _attach, (key, readonly)
    if path is not None:
        return _attach_file, (path, readonly)
    return _attach_fd, (_Descriptor(segment.to_fd(readonly=readonly)), readonly)


def reduce_sealed(sealed: Sealed) -> Reduced:
    return _sealed, (_Descriptor(sealed.to_fd()),)


def _attach(key: Key, readonly: bool) -> SharedMemory:
    return SharedMemory.attach(key, readonly=readonly)


def _attach_file(path: Path, readonly: bool) -> SharedMemory:
    return SharedMemory.attach_file(path, readonly=readonly)


def _attach_fd(descriptor: _Descriptor, readonly: bool) -> SharedMemory:
    with descriptor as fd:
        return SharedMemory.attach_fd(fd, readonly=readonly)


def _sealed(descriptor: _Descriptor) -> Sealed:
    with descriptor as fd:
        return Sealed.from_fd(fd)


class _Descriptor:
    """A descriptor on its way to another process."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_exception: object) -> None:
        os.close(self._fd)
        self._fd = -1

    def __reduce__(self) -> Reduced:
        # Only those who pickle pay for these modules.
        from multiprocessing.context import get_spawning_popen
        from multiprocessing.reduction import DupFd

        duplicate = DupFd(self._fd)
        child = get_spawning_popen()
        if child is not None:
            # It is inherited a moment later, when all is pickled.
            weakref.finalize(child, os.close, self._fd)
        else:
            os.close(self._fd)
        return _arrived, (duplicate,)


def _arrived(duplicate: Any) -> _Descriptor:
    return _Descriptor(duplicate.detach())
