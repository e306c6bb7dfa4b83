"""What goes wrong.

Each class is named after an ``ErrorKind`` of the Rust library, which finds it here by its name, and is
also the exception of Python's that fits: ``except FileNotFoundError`` works as it does for files.
"""

from __future__ import annotations


class Error(Exception):
    """An operation that failed: what, on which key, why, and what to do about it."""

    operation: str | None = None
    """What was tried: ``"create"``, ``"attach"``, ``"lock"``."""
    key: str | None = None
    """The key in its text form, where one was involved."""
    help: str | None = None
    """What can be done about it, where there is advice."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NotFoundError(Error, FileNotFoundError):
    """There is no segment of that key."""


class AlreadyExistsError(Error, FileExistsError):
    """A segment of that key exists and may not be reclaimed."""


class PermissionDeniedError(Error, PermissionError):
    """The operating system refuses this user."""


class ForeignOwnerError(Error, PermissionError):
    """The name belongs to another user than the caller trusts."""


class NotASegmentError(Error, OSError):
    """Something that is not a segment has the name: a symbolic link, a directory, an empty file."""


class InUseError(Error, OSError):
    """Somebody is attached to the segment."""


class StillInUseError(InUseError, BufferError):
    """This process itself still looks at the bytes, or has the lock; the text names what."""


class InvalidKeyError(Error, ValueError):
    """The key's text or the name in it cannot be used."""


class InvalidSizeError(Error, ValueError):
    """The size is zero or larger than the system allows."""


class OutOfBoundsError(Error, IndexError):
    """An offset or a length lies outside the segment."""


class ReadOnlyError(Error, PermissionError):
    """The segment is attached read-only."""


class SealedError(Error, PermissionError):
    """A seal forbids it, or one that was demanded is missing."""


class BadMessageError(Error, ValueError):
    """What was received is not one of shmkit's messages."""


class TruncatedError(Error, EOFError):
    """Somebody has cut the segment: bytes that it had are not there any more."""


class OutOfSpaceError(Error, OSError):
    """There is not enough memory or room in the memory file system."""


class OutOfResourcesError(Error, OSError):
    """Another limit is used up: descriptors, segments, semaphores."""


class TimedOutError(Error, TimeoutError):
    """What was waited for did not come in time."""


class WouldBlockError(Error, BlockingIOError):
    """Somebody else holds it, and the caller did not want to wait."""


class PoisonedError(Error, RuntimeError):
    """The data of a lock are in doubt: a holder died or raised, and nobody has repaired them."""


class BadHeaderError(Error, ValueError):
    """A typed segment is of another type, version or format, or its header cannot be right."""


class UnsupportedError(Error, OSError):
    """The operating system or this build cannot do it."""


class OsError(Error, OSError):
    """Anything else that the operating system said; see ``errno``."""
