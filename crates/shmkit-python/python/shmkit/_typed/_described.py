"""Segments that are opened without their type, by what they say of themselves."""

from __future__ import annotations

import enum
from typing import Any, Generic, TypeVar

from .._shmkit import Layout, Place, TypedSegment
from ._forms import BOOL, UNIT, Form, load_value
from ._guard import DEFAULT_TIMEOUT
from ._locks import Mutex, RecursiveMutex, RwLock
from ._once import Once, once_cell_form
from ._primitive import Primitive, Spot
from ._signals import Barrier, Condition, Event, Semaphore
from ._struct import Field, Struct
from ._values import array_form, array_string_form, array_vec_form, atomic_form, ring_buffer_form

T = TypeVar("T")


class Value(Generic[T]):
    """A segment whose value is neither a struct nor a primitive, opened without its type."""

    __slots__ = ("__weakref__", "_form", "_segment")

    def __init__(self, segment: TypedSegment, form: Form[T]) -> None:
        self._segment = segment
        self._form = form

    @property
    def value(self) -> T:
        """The value."""
        return self._form.load(self._segment.place)

    def close(self) -> None:
        """Detaches."""
        self._segment.close()


def open_typed(
    key: Spot, /, *, readonly: bool = False, timeout: float | None = DEFAULT_TIMEOUT
) -> Any:
    """Opens a typed segment without its type: what it is, it says itself.

    The result has the fields of the struct as attributes; or it is the primitive that lies there; or
    of other values it has the attribute ``value``.
    """
    segment = TypedSegment.open(key, None, readonly, timeout)
    form = _described(segment.layout)
    found = form.load(segment.place)
    if isinstance(found, Struct | Primitive):
        found._segment = segment
        return found
    return Value(segment, form)


def reopen_typed(key: str, readonly: bool) -> Any:
    return open_typed(key, readonly=readonly)


def _described(layout: Layout) -> Form[Any]:
    """The form of a layout that was found."""
    element = layout.element
    match layout.kind:
        case "number":
            return BOOL if layout.scalar == "bool" else Form(layout, load_value)
        case "atomic":
            return atomic_form(layout.scalar or "")
        case "array":
            assert element is not None
            return array_form(_described(element), layout.length or 0)
        case "list":
            assert element is not None
            return array_vec_form(_described(element), layout.length or 0)
        case "ring":
            assert element is not None
            return ring_buffer_form(_described(element), layout.length or 0)
        case "text":
            return array_string_form(layout.length or 0)
        case "enum":
            return _described_enum(layout)
        case "struct":
            return _described_struct(layout)
        case "sync":
            return _described_primitive(layout)
    return UNIT


def _described_enum(layout: Layout) -> Form[Any]:
    make: Any = enum.IntEnum
    found = make(layout.name, layout.variants)

    def load(place: Place) -> Any:
        number = place.get()
        return found(number) if number in found._value2member_map_ else number

    return Form(layout, load)


def _described_struct(layout: Layout) -> Form[Any]:
    fields = {name: Field(name, _described(part)) for name, part in layout.fields}
    # A field that has the name of a method hides it.
    members = {"__slots__": (), "__module__": __name__, **fields}
    found: type[Struct] = type(layout.name, (Struct,), members)
    found.__shmkit_layout__ = layout
    return Form(layout, found._load)


def _described_primitive(layout: Layout) -> Form[Any]:
    parts = dict(layout.fields)
    data = parts.get("data") or parts.get("value") or Layout.unit()
    plain: dict[str, type[Primitive]] = {
        "Event": Event,
        "Semaphore": Semaphore,
        "Barrier": Barrier,
        "Condvar": Condition,
        "Once": Once,
    }
    if found := plain.get(layout.name):
        return Form(layout, found._load)
    if layout.name == "OnceCell":
        return once_cell_form(_described(data))
    locks: dict[str, Any] = {"Mutex": Mutex, "RecursiveMutex": RecursiveMutex, "RwLock": RwLock}
    if lock := locks.get(layout.name):
        form: Form[Any] = lock._around(_described(data))
        return form
    raise TypeError(f"there is a primitive `{layout.name}` in it, which this version does not know")
