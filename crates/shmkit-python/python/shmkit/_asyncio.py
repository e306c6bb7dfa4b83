"""Waiting in an event loop: in a thread of its own for each wait, which ends when nobody waits any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from typing import Any, ParamSpec, TypeVar

from ._shmkit import Cancellation, Held

T = TypeVar("T")
P = ParamSpec("P")


async def in_thread(wait: Callable[[], T], give_back: Callable[[T], object]) -> T:
    """Waits in a thread, so that the loop goes on.

    ``wait`` waits by means of this package, which makes it end soon after the task is cancelled. What
    comes too late is given to ``give_back``.
    """
    loop = asyncio.get_running_loop()
    came: asyncio.Future[T] = loop.create_future()
    cancellation = Cancellation()

    def settle(result: T | None, error: BaseException | None) -> None:
        if came.cancelled():
            if error is None:
                give_back(result)  # type: ignore[arg-type]
        elif error is not None:
            came.set_exception(error)
        else:
            came.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = cancellation.run(wait)
        except BaseException as caught:
            error = caught
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            # The loop has been closed: nobody waits any more.
            if error is None:
                give_back(result)  # type: ignore[arg-type]

    threading.Thread(target=run, name="shmkit-wait", daemon=True).start()
    try:
        return await came
    except BaseException:
        cancellation.cancel()
        if came.done() and not came.cancelled() and came.exception() is None:
            # It came in the same turn of the loop in which the task was cancelled.
            give_back(came.result())
        raise


async def to_thread(wait: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Waits in a thread, as ``asyncio.to_thread`` does, but ends soon after the task is cancelled::

        size = await shmkit.to_thread(segment.wait_for_growth, 4096)

    It is for functions that wait by means of this package, and take nothing: a lock that came too late
    for a task that was cancelled would be given back only when it is collected. For that of a segment
    there is ``SharedMemory.lock_async``.
    """
    return await in_thread(lambda: wait(*args, **kwargs), lambda _: None)


class Acquiring:
    """A lock that is being taken: to be awaited, or entered by ``async with``."""

    def __init__(self, take: Callable[..., Held], *timeout: float | None) -> None:
        self._take = take
        self._timeout = timeout
        self._held: Held | None = None

    async def _acquire(self) -> Held:
        return await in_thread(lambda: self._take(*self._timeout), Held.release)

    def __await__(self) -> Generator[Any, None, Held]:
        return self._acquire().__await__()

    async def __aenter__(self) -> Held:
        self._held = await self._acquire()
        return self._held

    async def __aexit__(self, *_exception: object) -> None:
        if self._held is not None:
            self._held.__exit__(*_exception)
            self._held = None
