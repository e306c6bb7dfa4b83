"""The locks around a value."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Generic, TypeVar

from .. import _shmkit
from .._shmkit import Layout, Place
from ._forms import UNIT, Alias, Form, form_of, is_open, parameters
from ._guard import DEFAULT_TIMEOUT, Acquiring, Guard, LockHolder
from ._primitive import AroundForm, Primitive, Spot

T = TypeVar("T")


class _Lock(Primitive, Generic[T]):
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

        form = AroundForm(layout, load, data)
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
        assert isinstance(form, AroundForm)
        self._data = form.data
        self._find_lock(place)

    def _find_lock(self, place: Place) -> None:
        raise NotImplementedError


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
