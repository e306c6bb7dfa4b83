"""What signals rather than excludes."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from .. import _shmkit
from .._shmkit import Place
from ._forms import Form
from ._guard import DEFAULT_TIMEOUT, Guard, deadline
from ._primitive import Primitive, Spot


class Event(Primitive):
    """Something that happens, and that processes wait for.

    A *manual* one stays set until it is reset, and lets everybody through. An *automatic* one
    (``auto=True``, or ``init={"ready": "auto"}``) lets one through and is then reset by itself.
    """

    __slots__ = ("_event",)
    _kind = "Event"
    _event: _shmkit.Event

    def __init__(self, key: Spot, /, *, auto: bool = False, mode: int = 0o600) -> None:
        """Opens the one under that key, or makes it."""
        self._open_or_init(key, self._form(), "auto" if auto else "manual", mode)

    def _find(self, place: Place, form: Form[Any]) -> None:
        self._event = _shmkit.Event(place)

    def set(self) -> None:
        """Sets it, and lets those through who wait: all, or one if it is automatic."""
        self._event.set()

    def reset(self) -> bool:
        """Resets it; whether it was set."""
        return self._event.reset()

    @property
    def is_set(self) -> bool:
        """Whether it is set now."""
        return self._event.is_set

    @property
    def is_auto(self) -> bool:
        """Whether it resets itself."""
        return self._event.is_auto

    def wait(self, timeout: float | None = None) -> None:
        """Waits until it is set, for ever or at most so many seconds: then ``TimedOutError``."""
        self._event.wait(timeout)

    async def wait_async(self, timeout: float | None = None) -> None:
        """The same for tasks."""
        from ._tasks import wait

        await wait(self._event.wait_async(timeout))


class Semaphore(Primitive):
    """A number of permits, which belong to nobody: what a process took goes with it when it dies."""

    __slots__ = ("_semaphore",)
    _kind = "Semaphore"
    _semaphore: _shmkit.Semaphore

    def __init__(self, key: Spot, /, permits: int = 0, *, mode: int = 0o600) -> None:
        """Opens the one under that key, or makes it with so many permits."""
        self._open_or_init(key, self._form(), permits, mode)

    def _find(self, place: Place, form: Form[Any]) -> None:
        self._semaphore = _shmkit.Semaphore(place)

    @property
    def available(self) -> int:
        """How many permits there are now."""
        return self._semaphore.available

    def acquire(self, timeout: float | None = None) -> None:
        """Takes a permit, waiting for ever or at most so many seconds: then ``TimedOutError``."""
        self._semaphore.acquire(timeout)

    async def acquire_async(self, timeout: float | None = None) -> None:
        """The same for tasks."""
        from ._tasks import wait

        await wait(self._semaphore.acquire_async(timeout))

    def release(self, permits: int = 1) -> None:
        """Adds permits."""
        self._semaphore.release(permits)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class Barrier(Primitive):
    """A place where a number of threads, of any processes, wait for one another."""

    __slots__ = ("_barrier",)
    _kind = "Barrier"
    _barrier: _shmkit.Barrier

    def __init__(self, key: Spot, /, parties: int, *, mode: int = 0o600) -> None:
        """Opens the one under that key, or makes it for so many."""
        self._open_or_init(key, self._form(), parties, mode)

    def _find(self, place: Place, form: Form[Any]) -> None:
        self._barrier = _shmkit.Barrier(place)

    @property
    def parties(self) -> int:
        """For how many it is."""
        return self._barrier.parties

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return self._barrier.waiting

    def wait(self, timeout: float | None = DEFAULT_TIMEOUT) -> bool:
        """Waits until all have come; whether this one came last, as one in each round does.

        After so many seconds it is ``TimedOutError``, and as if this one had never come.
        """
        return self._barrier.wait(timeout)

    async def wait_async(self, timeout: float | None = DEFAULT_TIMEOUT) -> bool:
        """The same for tasks."""
        from ._tasks import wait

        return bool(await wait(self._barrier.wait_async(timeout)))


class Condition(Primitive):
    """Lets threads wait until another, of whichever process, has changed what a ``Mutex`` protects.

    It is called ``Condvar`` in Rust. The mutex may be any; all who wait should use the same.
    """

    __slots__ = ("_condition",)
    _kind = "Condvar"
    _condition: _shmkit.Condvar

    def __init__(self, key: Spot, /, *, mode: int = 0o600) -> None:
        """Opens the one under that key, or makes it."""
        self._open_or_init(key, self._form(), None, mode)

    def _find(self, place: Place, form: Form[Any]) -> None:
        self._condition = _shmkit.Condvar(place)

    def notify_one(self) -> None:
        """Lets one of those go on that wait."""
        self._condition.notify_one()

    def notify_all(self) -> None:
        """Lets all go on that wait."""
        self._condition.notify_all()

    def wait(self, held: Guard[Any], timeout: float | None = None) -> bool:
        """Gives the mutex back, waits for a notification, and takes the mutex again.

        Whether a notification may have come; ``False`` after so many seconds. It may end without
        one, so look again, or use :meth:`wait_for`. If the mutex cannot be taken again, or the wait
        is interrupted, the error leaves the lock given back.
        """
        return self._condition.wait(held._guard, timeout)

    def wait_for(
        self, held: Guard[Any], condition: Callable[[], bool], timeout: float | None = None
    ) -> bool:
        """Waits until ``condition()`` is true; whether it is, or so many seconds were over before.

        If the owner of the mutex dies meanwhile it ends at once: look at ``held.owner_died``.
        """
        left = deadline(timeout)
        while not held.owner_died and not condition():
            rest = left()
            if rest == 0.0:
                return False
            self.wait(held, rest)
        return not held.owner_died

    async def wait_async(self, held: Guard[Any], timeout: float | None = None) -> bool:
        """The same as :meth:`wait` for tasks. Cancelled, the lock is given back."""
        from ._tasks import wait

        return bool(await wait(self._condition.wait_async(held._guard, timeout)))
