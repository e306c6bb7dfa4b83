"""The same classes in the manners of PySide6, where these differ from PyQt6's.

``data()`` and ``constData()`` are memoryviews, which keep the segment attached as long as they live, and
the members of enumerations are also found in the classes themselves: ``QSharedMemory.ReadOnly``.
"""

from __future__ import annotations

from . import QNativeIpcKey, _memory, _semaphore


class QSharedMemory(_memory.QSharedMemory):
    """A segment with a key, a lock, and the last error, as Qt has it."""

    ReadOnly = _memory.MemoryMode.ReadOnly
    ReadWrite = _memory.MemoryMode.ReadWrite

    NoError = _memory.MemoryError.NoError
    PermissionDenied = _memory.MemoryError.PermissionDenied
    InvalidSize = _memory.MemoryError.InvalidSize
    KeyError = _memory.MemoryError.KeyError
    AlreadyExists = _memory.MemoryError.AlreadyExists
    NotFound = _memory.MemoryError.NotFound
    LockError = _memory.MemoryError.LockError
    OutOfResources = _memory.MemoryError.OutOfResources
    UnknownError = _memory.MemoryError.UnknownError

    def data(self) -> memoryview | None:
        """The bytes, to read and write; ``None`` if the object is not attached."""
        pointer = super().data()
        return None if pointer is None else memoryview(pointer)

    def constData(self) -> memoryview | None:
        """The bytes, to read; ``None`` if the object is not attached."""
        pointer = super().constData()
        return None if pointer is None else memoryview(pointer)


class QSystemSemaphore(_semaphore.QSystemSemaphore):
    """A counting semaphore between processes, as Qt has it."""

    Open = _semaphore.SemaphoreMode.Open
    Create = _semaphore.SemaphoreMode.Create

    NoError = _semaphore.SemaphoreError.NoError
    PermissionDenied = _semaphore.SemaphoreError.PermissionDenied
    KeyError = _semaphore.SemaphoreError.KeyError
    AlreadyExists = _semaphore.SemaphoreError.AlreadyExists
    NotFound = _semaphore.SemaphoreError.NotFound
    OutOfResources = _semaphore.SemaphoreError.OutOfResources
    UnknownError = _semaphore.SemaphoreError.UnknownError


__all__ = ["QNativeIpcKey", "QSharedMemory", "QSystemSemaphore"]
