"""The primitives: under a key of their own, or as fields of a ``Struct``."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Generic, TypeVar

from .. import _shmkit
from .._shmkit import Layout, Place, TypedSegment
from ._forms import UNIT, Alias, Form, form_of, is_open, parameters
from ._guard import DEFAULT_TIMEOUT, Acquiring, Guard, LockHolder, deadline

T = TypeVar("T")
P = TypeVar("P", bound="_Primitive")

Spot = str | os.PathLike[str]


class _Primitive:
    """What all primitives have: a place in a segment, which may be theirs alone."""

    __slots__ = ("__weakref__", "_place", "_segment")
    _kind: ClassVar[str]
    _place: Place
    _segment: TypedSegment | None

    def _bind(self, place: Place, form: Form[Any]) -> None:
        self._place = place
        self._segment = None
        self._find(place, form)

    def _find(self, place: Place, form: Form[Any]) -> None:
        raise NotImplementedError

    def _open_or_init(self, key: Spot, form: Form[Any], init: object, mode: int) -> None:
        segment = TypedSegment.open_or_init(key, form.layout, init, mode, DEFAULT_TIMEOUT)
        self._adopt(segment, form)

    def _adopt(self, segment: TypedSegment, form: Form[Any]) -> None:
        self._bind(segment.place, form)
        self._segment = segment

    @classmethod
    def _form(cls) -> Form[Any]:
        layout = Layout.primitive(cls._kind, Layout.unit())
        return Form(layout, cls._load)

    @classmethod
    def _load(cls: type[P], place: Place) -> P:
        self = cls.__new__(cls)
        self._bind(place, UNIT)
        return self

    @classmethod
    def __shmkit_form__(cls) -> Form[Any]:
        return cls._form()

    @classmethod
    def open(cls: type[P], key: Spot, /, *, readonly: bool = False, _form: Form[Any] | None = None) -> P:
        """Opens the one under that key, which exists."""
        form = cls._form() if _form is None else _form
        segment = TypedSegment.open(key, form.layout, readonly, DEFAULT_TIMEOUT)
        self = cls.__new__(cls)
        self._adopt(segment, form)
        return self

    @property
    def layout(self) -> Layout:
        """What its bytes are."""
        return self._place.layout

    def _own(self) -> TypedSegment:
        if self._segment is None:
            raise ValueError(f"{self._place.path}: it lies in a larger segment: use that one")
        return self._segment

    @property
    def key(self) -> str | None:
        """The key under which it was opened; ``None`` if it lies in a larger segment, or in a file."""
        return None if self._segment is None else self._segment.key

    def set_label(self, label: str) -> bool:
        """Sets what messages call this process, as holder; at most 56 bytes are kept.

        Says whether there was a place for it: there are 40.
        """
        return self._own().set_label(label)

    def close(self) -> None:
        """Detaches from the segment of its own. ``BufferError`` if it is held, or waited for."""
        self._own().close()

    def __reduce__(self) -> tuple[Any, ...]:
        segment = self._own()
        key = segment.key
        if key is None:
            raise TypeError("what has no key cannot be pickled")
        from ._struct import reopen_typed

        return (reopen_typed, (key, segment.readonly))

    def __repr__(self) -> str:
        return f"<shmkit.{type(self).__name__} {self._place.path}>"


class _Lock(_Primitive, Generic[T]):
    """What protects a value."""

    __slots__ = ("_data",)
    _data: Form[T]

    def __class_getitem__(cls, given: object) -> Any:
        if is_open(given):
            return super().__class_getitem__(given)  # type: ignore[misc]
        (data,) = parameters(given, 1, cls.__name__)
        form = cls._around(form_of(data))
        return Alias(cls, form, f"{cls.__name__}[{form.layout.name}]")

    @classmethod
    def _around(cls, data: Form[Any]) -> Form[Any]:
        layout = Layout.primitive(cls._kind, data.layout)
        form: Form[Any]

        def load(place: Place) -> Any:
            self = cls.__new__(cls)
            self._bind(place, form)
            return self

        form = _LockForm(layout, load, data)
        return form

    @classmethod
    def _form(cls) -> Form[Any]:
        return cls._around(UNIT)

    def __init__(
        self,
        key: Spot,
        /,
        *,
        init: Any = None,
        mode: int = 0o600,
        _form: Form[Any] | None = None,
    ) -> None:
        """Opens the one under that key, or makes it. ``init`` is the initial value, or makes it."""
        form = type(self)._form() if _form is None else _form
        self._open_or_init(key, form, init, mode)

    def _find(self, place: Place, form: Form[Any]) -> None:
        assert isinstance(form, _LockForm)
        self._data = form.data
        self._find_lock(place)

    def _find_lock(self, place: Place) -> None:
        raise NotImplementedError


class _LockForm(Form[Any]):
    __slots__ = ("data",)

    def __init__(self, layout: Layout, load: Callable[[Place], Any], data: Form[Any]) -> None:
        super().__init__(layout, load)
        self.data = data


class Mutex(_Lock[T]):
    """A lock around a value, for one at a time: ``Mutex[u64]``, or ``Mutex`` around nothing.

    It survives its holders: if one dies, the next one gets the lock, and is told
    (:attr:`Guard.owner_died`).
    """

    __slots__ = ("_lock", "_now")
    _kind = "Mutex"
    _lock: _shmkit.Mutex
    _now: Guard[T]

    def _find_lock(self, place: Place) -> None:
        self._lock = _shmkit.Mutex(place)

    def lock(self, timeout: float | None = DEFAULT_TIMEOUT) -> Guard[T]:
        """Takes the lock, waiting for it at most so many seconds; ``None`` is for ever, 0 a try.

        ``TimedOutError`` names the holder; after a try it is ``WouldBlockError``. ``PoisonedError`` if
        the value is in doubt.
        """
        return Guard(self._lock.lock(timeout), self._data)

    def lock_poisoned(self, timeout: float | None = DEFAULT_TIMEOUT) -> Guard[T]:
        """Takes the lock also if it is poisoned, to repair the value."""
        return Guard(self._lock.lock_poisoned(timeout), self._data)

    def lock_async(self, timeout: float | None = DEFAULT_TIMEOUT) -> Acquiring[Guard[T]]:
        """The same for ``async with``, or ``await``."""
        return Acquiring(self._lock.lock_async(timeout), lambda guard: Guard(guard, self._data))

    @property
    def is_poisoned(self) -> bool:
        """Whether the value is in doubt and nobody has repaired it yet."""
        return self._lock.is_poisoned

    def clear_poison(self) -> None:
        """Says that the value is right although the lock was poisoned."""
        self._lock.clear_poison()

    def holder(self) -> LockHolder | None:
        """Who holds it now. Takes long: it looks at all processes."""
        return LockHolder.of(self._lock.holder())

    def __enter__(self) -> Guard[T]:
        held = self.lock()
        # Nobody else is here as long as it is held.
        self._now = held
        return held

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        held = self._now
        del self._now
        held.__exit__(kind, error, trace)


class RecursiveMutex(_Lock[T]):
    """A lock that the thread which holds it may take again, around a value or nothing."""

    __slots__ = ("_lock", "_now")
    _kind = "RecursiveMutex"
    _lock: _shmkit.RecursiveMutex
    _now: list[Guard[T]]

    def _find_lock(self, place: Place) -> None:
        self._lock = _shmkit.RecursiveMutex(place)
        self._now = []

    def lock(self, timeout: float | None = DEFAULT_TIMEOUT) -> Guard[T]:
        """Takes the lock, as :meth:`Mutex.lock` does. Only this thread can give it back."""
        return Guard(self._lock.lock(timeout), self._data)

    def lock_poisoned(self, timeout: float | None = DEFAULT_TIMEOUT) -> Guard[T]:
        """Takes the lock also if it is poisoned, to repair the value."""
        return Guard(self._lock.lock_poisoned(timeout), self._data)

    @property
    def is_poisoned(self) -> bool:
        """Whether the value is in doubt and nobody has repaired it yet."""
        return self._lock.is_poisoned

    def clear_poison(self) -> None:
        """Says that the value is right although the lock was poisoned."""
        self._lock.clear_poison()

    def holder(self) -> LockHolder | None:
        """Who holds it now. Takes long: it looks at all processes."""
        return LockHolder.of(self._lock.holder())

    def __enter__(self) -> Guard[T]:
        held = self.lock()
        self._now.append(held)
        return held

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._now.pop().__exit__(kind, error, trace)


class RwLock(_Lock[T]):
    """A lock around a value that many may have to read, or one to write: ``RwLock[Table]``.

    A writer that waits keeps new readers out, so a thread that reads must not read a second time.
    """

    __slots__ = ("_lock",)
    _kind = "RwLock"
    _lock: _shmkit.RwLock

    def _find_lock(self, place: Place) -> None:
        self._lock = _shmkit.RwLock(place)

    def read(self, timeout: float | None = DEFAULT_TIMEOUT) -> Guard[T]:
        """Takes the lock to read, as :meth:`Mutex.lock` does."""
        return Guard(self._lock.read(timeout), self._data)

    def write(self, timeout: float | None = DEFAULT_TIMEOUT) -> Guard[T]:
        """Takes the lock to write, as :meth:`Mutex.lock` does."""
        return Guard(self._lock.write(timeout), self._data)

    def write_poisoned(self, timeout: float | None = DEFAULT_TIMEOUT) -> Guard[T]:
        """Takes the lock to write also if it is poisoned, to repair the value."""
        return Guard(self._lock.write_poisoned(timeout), self._data)

    def read_async(self, timeout: float | None = DEFAULT_TIMEOUT) -> Acquiring[Guard[T]]:
        """The same as :meth:`read` for ``async with``, or ``await``."""
        return Acquiring(self._lock.read_async(timeout), lambda guard: Guard(guard, self._data))

    def write_async(self, timeout: float | None = DEFAULT_TIMEOUT) -> Acquiring[Guard[T]]:
        """The same as :meth:`write` for ``async with``, or ``await``."""
        return Acquiring(self._lock.write_async(timeout), lambda guard: Guard(guard, self._data))

    @property
    def is_poisoned(self) -> bool:
        """Whether the value is in doubt and nobody has repaired it yet."""
        return self._lock.is_poisoned

    def clear_poison(self) -> None:
        """Says that the value is right although the lock was poisoned."""
        self._lock.clear_poison()

    def writer(self) -> LockHolder | None:
        """The writer that has or awaits it. Takes long: it looks at all processes."""
        return LockHolder.of(self._lock.writer())


class Event(_Primitive):
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


class Semaphore(_Primitive):
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


class Barrier(_Primitive):
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


class Condition(_Primitive):
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


class Once(_Primitive):
    """Something that is done once by one of all the processes."""

    __slots__ = ("_once",)
    _kind = "Once"
    _once: _shmkit.Once

    def __init__(self, key: Spot, /, *, mode: int = 0o600) -> None:
        """Opens the one under that key, or makes it."""
        self._open_or_init(key, self._form(), None, mode)

    def _find(self, place: Place, form: Form[Any]) -> None:
        self._once = _shmkit.Once(place)

    @property
    def is_done(self) -> bool:
        """Whether it has been done."""
        return self._once.is_done

    def call(self, act: Callable[[], object], timeout: float | None = DEFAULT_TIMEOUT) -> bool:
        """Calls ``act`` unless it has been done; whether it was this call that did it.

        Another process that is at it is waited for, so many seconds. If it dies or raises, the next
        one does it.
        """
        return self._once.call(act, timeout)

    def initializer(self) -> LockHolder | None:
        """Who is at it now."""
        return LockHolder.of(self._once.initializer())


class OnceCell(_Primitive, Generic[T]):
    """A value that is made once, by one of all the processes: ``OnceCell[Table]``."""

    __slots__ = ("_data", "_once")
    _kind = "OnceCell"
    _once: _shmkit.Once
    _data: Form[T]

    def __class_getitem__(cls, given: object) -> Any:
        if is_open(given):
            return super().__class_getitem__(given)  # type: ignore[misc]
        (data,) = parameters(given, 1, cls.__name__)
        form = once_cell_form(form_of(data))
        return Alias(cls, form, f"OnceCell[{form.layout.name}]")

    def __init__(self, key: Spot, /, *, mode: int = 0o600, _form: Form[Any] | None = None) -> None:
        """Opens the one under that key, or makes it."""
        self._open_or_init(key, self._form() if _form is None else _form, None, mode)

    @classmethod
    def _form(cls) -> Form[Any]:
        return once_cell_form(UNIT)

    def _find(self, place: Place, form: Form[Any]) -> None:
        assert isinstance(form, _LockForm)
        self._data = form.data
        self._once = _shmkit.Once(place)

    def get(self) -> T | None:
        """The value; ``None`` as long as there is none."""
        place = self._once.value()
        return None if place is None else self._data.load(place)

    def get_or_init(
        self, make: Callable[[], object], timeout: float | None = DEFAULT_TIMEOUT
    ) -> T:
        """The value; of what ``make()`` returns if there is none."""
        self._once.make(make, timeout)
        place = self._once.value()
        assert place is not None
        return self._data.load(place)


def once_cell_form(data: Form[Any]) -> Form[Any]:
    layout = Layout.primitive("OnceCell", data.layout)
    form: Form[Any]

    def load(place: Place) -> Any:
        self: OnceCell[Any] = OnceCell.__new__(OnceCell)
        self._bind(place, form)
        return self

    form = _LockForm(layout, load, data)
    return form
