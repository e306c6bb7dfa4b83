"""Qt's enumerations, with Qt's numbers. A number without a name is a member all the same, as in PyQt6."""

from __future__ import annotations

import enum
from collections.abc import Callable


class _QtEnum(enum.Enum):
    @classmethod
    def _missing_(cls, value: object) -> enum.Enum | None:
        if not isinstance(value, int):
            return None
        member = object.__new__(cls)
        member._name_ = str(value)
        member._value_ = value
        return cls._value2member_map_.setdefault(value, member)


def _named(name: str) -> Callable[[type[_QtEnum]], type[_QtEnum]]:
    """Gives a class the name under which programs see it."""

    def give(it: type[_QtEnum]) -> type[_QtEnum]:
        it.__module__, it.__qualname__, it.__name__ = "shmkit.qt", name, name.rpartition(".")[2]
        return it

    return give


@_named("QNativeIpcKey.Type")
class KeyType(_QtEnum):
    """What a key names. Numbers from 1 to 255 are System V keys of that project."""

    SystemV = 0x51
    PosixRealtime = 0x100
    Windows = 0x101


@_named("QSharedMemory.AccessMode")
class MemoryMode(_QtEnum):
    """Whether the bytes of a segment can be written to."""

    ReadOnly = 0
    ReadWrite = 1


@_named("QSharedMemory.SharedMemoryError")
class MemoryError(_QtEnum):
    """What went wrong with a segment."""

    NoError = 0
    PermissionDenied = 1
    InvalidSize = 2
    KeyError = 3
    AlreadyExists = 4
    NotFound = 5
    LockError = 6
    OutOfResources = 7
    UnknownError = 8


@_named("QSystemSemaphore.AccessMode")
class SemaphoreMode(_QtEnum):
    """What becomes of the value of a semaphore that exists: ``Open`` leaves it, ``Create`` sets it."""

    Open = 0
    Create = 1


@_named("QSystemSemaphore.SystemSemaphoreError")
class SemaphoreError(_QtEnum):
    """What went wrong with a semaphore."""

    NoError = 0
    PermissionDenied = 1
    KeyError = 2
    AlreadyExists = 3
    NotFound = 4
    OutOfResources = 5
    UnknownError = 6
