"""The same classes in the manners of PySide6, where these differ from PyQt6's.

``data()`` and ``constData()`` are memoryviews, which keep the segment attached as long as they live, and
the members of enumerations are also found in the classes themselves: ``QSharedMemory.ReadOnly``.
"""

from __future__ import annotations

from . import QNativeIpcKey, _memory, _semaphore
from ._enums import MemoryError, MemoryMode, SemaphoreError, SemaphoreMode


class QSharedMemory(_memory.QSharedMemory):
    """A segment with a key, a lock, and the last error, as Qt has it."""

    ReadOnly = MemoryMode.ReadOnly
    ReadWrite = MemoryMode.ReadWrite

    NoError = MemoryError.NoError
    PermissionDenied = MemoryError.PermissionDenied
    InvalidSize = MemoryError.InvalidSize
    KeyError = MemoryError.KeyError
    AlreadyExists = MemoryError.AlreadyExists
    NotFound = MemoryError.NotFound
    LockError = MemoryError.LockError
    OutOfResources = MemoryError.OutOfResources
    UnknownError = MemoryError.UnknownError

    def data(self) -> memoryview | None:  # type: ignore[override]
        """The bytes, to read and write; ``None`` if the object is not attached."""
        pointer = super().data()
        return None if pointer is None else memoryview(pointer)

    def constData(self) -> memoryview | None:  # type: ignore[override]
        """The bytes, to read; ``None`` if the object is not attached."""
        pointer = super().constData()
        return None if pointer is None else memoryview(pointer)


class QSystemSemaphore(_semaphore.QSystemSemaphore):
    """A counting semaphore between processes, as Qt has it."""

    Open = SemaphoreMode.Open
    Create = SemaphoreMode.Create

    NoError = SemaphoreError.NoError
    PermissionDenied = SemaphoreError.PermissionDenied
    KeyError = SemaphoreError.KeyError
    AlreadyExists = SemaphoreError.AlreadyExists
    NotFound = SemaphoreError.NotFound
    OutOfResources = SemaphoreError.OutOfResources
    UnknownError = SemaphoreError.UnknownError


__all__ = ["QNativeIpcKey", "QSharedMemory", "QSystemSemaphore"]
