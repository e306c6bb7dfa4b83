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
    from . import handover, inspect
    from .inspect import reap, wait_for

__all__ = [
    "AlreadyExistsError",
    "BadHeaderError",
    "BadMessageError",
    "Buffer",
    "Error",
    "ForeignOwnerError",
    "Held",
    "InUseError",
    "InvalidKeyError",
    "InvalidSizeError",
    "Key",
    "NotASegmentError",
    "NotFoundError",
    "OsError",
    "OutOfBoundsError",
    "OutOfResourcesError",
    "OutOfSpaceError",
    "PermissionDeniedError",
    "PoisonedError",
    "ReadOnlyError",
    "Sealed",
    "SealedError",
    "SharedMemory",
    "StillInUseError",
    "TimedOutError",
    "TruncatedError",
    "UnsupportedError",
    "WouldBlockError",
    "handover",
    "inspect",
    "reap",
    "wait_for",
]


def __getattr__(name: str) -> object:
    """What not every program needs is imported when it is asked for."""
    from importlib import import_module

    if name in ("handover", "inspect"):
        return import_module(f".{name}", __name__)
    if name in ("reap", "wait_for"):
        return getattr(import_module(".inspect", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
