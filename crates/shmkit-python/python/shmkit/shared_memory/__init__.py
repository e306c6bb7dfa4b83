"""``multiprocessing.shared_memory``, without its faults.

Changing the import line is all the migration::

    from shmkit import shared_memory

docs/PYTHON-SHARED-MEMORY.md has what differs, and why.
"""

from __future__ import annotations

import os
import weakref

from .._shmkit import Block, unlink
from . import _family
from ._list import ShareableList

ShareableList.__module__ = __name__  # Where it is looked for when it is unpickled.

__all__ = ["ShareableList", "SharedMemory"]

_MADE_UP_NAMES = 100
"""How many names are made up before one that is free must have been among them."""


class SharedMemory:
    """A block of shared memory, created or attached to.

    ``track`` says how long a block that is created exists. If it is true, until ``unlink()``, or
    until the last process of the *family* of its creator has ended, however it ended: the creator,
    the processes that it was started by as long as they have this module imported, and those that
    they start. Otherwise until ``unlink()``. Attaching never takes a block away from anybody, with
    or without ``track``.
    """

    _name = "/"
    _size = 0
    _block: Block | None = None
    _buf: memoryview | None = None

    def __init__(
        self, name: str | None = None, create: bool = False, size: int = 0, *, track: bool = True
    ) -> None:
        if size < 0:
            raise ValueError(f"'size' must not be negative: {size}")
        if create and size == 0:
            raise ValueError("'size' must be at least 1 if create=True")
        if name is None and not create:
            raise ValueError("'name' can only be left out if create=True")
        if not create:
            assert name is not None
            self._name = "/" + name
            self._block = Block.attach(self._name)
        elif name is not None:
            self._name = "/" + name
            self._block = Block.create(self._name, size)
        else:
            self._name, self._block = _create_unnamed(size)
        if create and track:
            _track(self._name)
        self._size = self._block.size
        self._buf = _lend(self._block)

    @property
    def buf(self) -> memoryview | None:
        """The bytes; ``None`` once it is closed."""
        return self._buf

    @property
    def name(self) -> str:
        """The name that others attach to it by."""
        return self._name[1:]

    @property
    def size(self) -> int:
        """The size in bytes: the one that it was created with, not rounded."""
        return self._size

    def close(self) -> None:
        """Gives the bytes back; the block stays until ``unlink()``. May be called again.

        Raises ``BufferError`` while something made of ``buf`` is alive, and changes nothing then. An
        array that holds ``buf`` without having said so (``numpy.ndarray(..., buffer=block.buf)``)
        keeps the memory mapped for as long as it lives.
        """
        block, buf = self._block, self._buf
        if block is None or buf is None:
            return
        buf.release()
        if block.exports:
            self._buf = _lend(block)
            raise BufferError(f"cannot close {self.name!r}: slices of its buf are alive")
        self._buf = self._block = None

    def unlink(self) -> None:
        """Takes the name away, once for all. Whoever has the block open keeps it."""
        unlink(self._name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, size={self.size})"

    def __reduce__(self) -> tuple[type[SharedMemory], tuple[str, bool, int]]:
        return type(self), (self.name, False, self.size)


def _create_unnamed(size: int) -> tuple[str, Block]:
    for _ in range(_MADE_UP_NAMES - 1):
        name = _made_up_name()
        try:
            return name, Block.create(name, size)
        except FileExistsError:
            continue
    name = _made_up_name()
    return name, Block.create(name, size)


def _made_up_name() -> str:
    return "/psm_" + os.urandom(4).hex()


def _track(name: str) -> None:
    try:
        _family.record(name)
    except BaseException:
        unlink(name)
        raise


class _Lent(weakref.ref[memoryview]):
    """Keeps a block mapped until the memoryview is gone.

    The memoryview itself does so until it is released. But numpy's ``ndarray(buffer=…)`` remembers
    the memoryview and an address, so that releasing it is no sign that nobody uses the address.
    """

    __slots__ = ("block",)
    block: Block


_lent: dict[int, _Lent] = {}


def _lend(block: Block) -> memoryview:
    buf = memoryview(block)
    lent = _Lent(buf, lambda lent: _lent.pop(id(lent), None))
    lent.block = block
    _lent[id(lent)] = lent
    return buf
