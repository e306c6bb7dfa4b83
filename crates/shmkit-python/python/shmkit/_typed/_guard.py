"""Guards: locks that are held, and waiting for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Generic, TypeVar

from .._shmkit import Guard as RawGuard
from .._shmkit import Waiting
from ._forms import Form

T = TypeVar("T")
R = TypeVar("R")

DEFAULT_TIMEOUT = 30.0
"""How long a lock is waited for where the caller did not say, in seconds."""


class Guard(Generic[T]):
    """A lock that is held, and the way to what it protects.

    Use it in a ``with``; forgotten, it gives the lock back as well. In a forked child it is worth
    nothing: the lock stays with the parent.
    """

    __slots__ = ("__weakref__", "_form", "_guard")

    def __init__(self, guard: RawGuard, form: Form[T]) -> None:
        self._guard = guard
        self._form = form

    @property
    def value(self) -> T:
        """What the lock protects. Parts of it are read and written where they lie.

        After the lock has been given back it is a ``ValueError`` to use them.
        """
        return self._form.load(self._guard.place)

    @value.setter
    def value(self, value: Any) -> None:
        self._guard.place.set(value)

    @property
    def owner_died(self) -> bool:
        """Whether the one who held it before died with it, so that the value may be half-written.

        Repair it and :meth:`mark_recovered`; otherwise the lock is poisoned when it is given back.
        """
        return self._guard.owner_died

    def mark_recovered(self) -> None:
        """Says that the value is right again."""
        self._guard.mark_recovered()

    @property
    def released(self) -> bool:
        """Whether it has been given back."""
        return self._guard.released

    def release(self) -> None:
        """Gives the lock back now. ``BufferError`` if views of the value are alive: when they are gone."""
        self._guard.release(False)

    def poison(self) -> None:
        """Gives the lock back and says that the value is in doubt, until somebody repairs it."""
        self._guard.poison()

    def __enter__(self) -> Guard[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives the lock back. After an exception that what was written may be half of, poisoned."""
        if kind is None:
            self._guard.release(False)
            return
        try:
            self._guard.release(True)
        except BufferError:
            # The exception that is on its way says more; the lock is given back with the last view.
            pass

    def __repr__(self) -> str:
        state = "given back" if self.released else "held"
        return f"<shmkit.Guard {state}>"


class Acquiring(Generic[R]):
    """A lock on its way, for ``await`` or ``async with``."""

    __slots__ = ("_held", "_make", "_waiting")

    def __init__(self, waiting: Waiting, make: Callable[[Any], R]) -> None:
        self._waiting = waiting
        self._make = make
        self._held: R | None = None

    def __await__(self) -> Generator[Any, None, R]:
        return self._wait().__await__()

    async def _wait(self) -> R:
        from ._tasks import wait

        return self._make(await wait(self._waiting))

    async def __aenter__(self) -> R:
        self._held = await self._wait()
        return self._held

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        held, self._held = self._held, None
        assert isinstance(held, Guard)
        held.__exit__(kind, error, trace)


class LockHolder:
    """Who holds a lock, as far as it can be told."""

    __slots__ = ("held_for", "is_alive", "label", "pid", "program")

    pid: int | None
    """Its process as seen from here; ``None`` if it cannot be seen."""
    program: str | None
    """The name of its program, at most 15 bytes."""
    label: str | None
    """What it calls itself."""
    held_for: float | None
    """For how many seconds at least: since somebody has waited for it."""
    is_alive: bool
    """Whether it lives; if not, the next one to lock takes over."""

    def __init__(
        self, found: tuple[int | None, str | None, str | None, float | None, bool]
    ) -> None:
        self.pid, self.program, self.label, self.held_for, self.is_alive = found

    @classmethod
    def of(
        cls, found: tuple[int | None, str | None, str | None, float | None, bool] | None
    ) -> LockHolder | None:
        return None if found is None else cls(found)

    def __repr__(self) -> str:
        return f"LockHolder(pid={self.pid}, program={self.program!r}, label={self.label!r})"


def deadline(timeout: float | None) -> Callable[[], float | None]:
    """What is left of a time-out, whenever it is called."""
    import time

    if timeout is None or math.isinf(timeout):
        return lambda: None
    end = time.monotonic() + timeout
    return lambda: max(0.0, end - time.monotonic())
