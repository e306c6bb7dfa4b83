"""What is done once by one of all the processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .. import _shmkit
from .._shmkit import Layout, Place
from ._forms import UNIT, Alias, Form, form_of, is_open, parameters
from ._guard import DEFAULT_TIMEOUT, LockHolder
from ._primitive import AroundForm, Primitive, Spot

T = TypeVar("T")


class Once(Primitive):
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


class OnceCell(Primitive, Generic[T]):
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
        assert isinstance(form, AroundForm)
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

    form = AroundForm(layout, load, data)
    return form
