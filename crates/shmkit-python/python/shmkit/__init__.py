"""Shared memory that behaves: a lock that survives a crash, clean-up that survives a crash."""

from __future__ import annotations

TYPE_CHECKING = False  # What `typing` has, without its import.

from ._errors import (
    AlreadyExistsError,
    BadHeaderError,
    BadMessageError,
    Error,
    ForeignOwnerError,
    InUseError,
    InvalidKeyError,
    InvalidSizeError,
    NotASegmentError,
    NotFoundError,
    OsError,
    OutOfBoundsError,
    OutOfResourcesError,
    OutOfSpaceError,
    PermissionDeniedError,
    PoisonedError,
    ReadOnlyError,
    SealedError,
    StillInUseError,
    TimedOutError,
    TruncatedError,
    UnsupportedError,
    WouldBlockError,
)
from ._shmkit import Buffer, Held, Key, Sealed, SharedMemory

if TYPE_CHECKING:
    from . import directory, handover, inspect
    from ._array import HeldArray, SharedArray
    from ._asyncio import to_thread
    from ._typed import (
        Array,
        ArrayString,
        ArrayVec,
        Atomic,
        Barrier,
        Condition,
        Enum,
        Event,
        Guard,
        LockHolder,
        Mutex,
        Once,
        OnceCell,
        RecursiveMutex,
        RingBuffer,
        RwLock,
        Semaphore,
        Struct,
        Value,
        f32,
        f64,
        i16,
        i32,
        i64,
        i8,
        open_typed,
        u16,
        u32,
        u64,
        u8,
    )
    from .inspect import reap, wait_for

__all__ = [
    "AlreadyExistsError",
    "Array",
    "ArrayString",
    "ArrayVec",
    "Atomic",
    "BadHeaderError",
    "BadMessageError",
    "Barrier",
    "Buffer",
    "Condition",
    "Enum",
    "Error",
    "Event",
    "ForeignOwnerError",
    "Guard",
    "Held",
    "HeldArray",
    "InUseError",
    "InvalidKeyError",
    "InvalidSizeError",
    "Key",
    "LockHolder",
    "Mutex",
    "NotASegmentError",
    "NotFoundError",
    "Once",
    "OnceCell",
    "OsError",
    "OutOfBoundsError",
    "OutOfResourcesError",
    "OutOfSpaceError",
    "PermissionDeniedError",
    "PoisonedError",
    "ReadOnlyError",
    "RecursiveMutex",
    "RingBuffer",
    "RwLock",
    "Sealed",
    "SealedError",
    "Semaphore",
    "SharedArray",
    "SharedMemory",
    "StillInUseError",
    "Struct",
    "TimedOutError",
    "TruncatedError",
    "UnsupportedError",
    "Value",
    "WouldBlockError",
    "directory",
    "f32",
    "f64",
    "handover",
    "i16",
    "i32",
    "i64",
    "i8",
    "inspect",
    "open_typed",
    "reap",
    "to_thread",
    "u16",
    "u32",
    "u64",
    "u8",
    "wait_for",
]


# Where that is which not every program needs, unless it is in `_typed`.
_HOMES = {
    "HeldArray": "_array",
    "SharedArray": "_array",
    "reap": "inspect",
    "to_thread": "_asyncio",
    "wait_for": "inspect",
}


def __getattr__(name: str) -> object:
    """Imports what not every program needs when it is asked for."""
    from importlib import import_module

    if name in ("directory", "handover", "inspect"):
        return import_module(f".{name}", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module("." + _HOMES.get(name, "_typed"), __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
