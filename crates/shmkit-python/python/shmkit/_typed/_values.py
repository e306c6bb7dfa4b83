"""What values with parts look like: they are read and written where they lie."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar, overload

from .._shmkit import Layout, Place
from ._forms import Alias, Form, form_of, is_open, length_of, parameters

T = TypeVar("T")
N = TypeVar("N", bound=int)


class _View:
    """A value with parts, where it lies."""

    __slots__ = ("_place",)
    _place: Place

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def layout(self) -> Layout:
        """What its bytes are."""
        return self._place.layout


class _Items(_View, Generic[T]):
    """What has elements of one type."""

    __slots__ = ("_element",)
    _element: Form[T]

    def __init__(self, place: Place, element: Form[T]) -> None:
        super().__init__(place)
        self._element = element

    def __len__(self) -> int:
        raise NotImplementedError

    def _at(self, index: int) -> Place:
        """The element with that index, which is there."""
        raise NotImplementedError

    def _find(self, index: int) -> Place:
        length = len(self)
        found = index + length if index < 0 else index
        if not 0 <= found < length:
            raise IndexError(f"{self._place.path}: there are {length} elements, and none has index {index}")
        return self._at(found)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._element.load(self._at(i)) for i in range(len(self))[index]]
        return self._element.load(self._find(index))

    def __setitem__(self, index: int | slice, value: Any) -> None:
        if not isinstance(index, slice):
            self._find(index).set(value)
            return
        places = range(len(self))[index]
        values = list(value)
        if len(values) != len(places):
            raise ValueError(f"{self._place.path}: {len(values)} values for {len(places)} elements")
        for i, item in zip(places, values, strict=True):
            self._at(i).set(item)

    def __iter__(self) -> Iterator[T]:
        for i in range(len(self)):
            yield self._element.load(self._at(i))

    def __contains__(self, value: object) -> bool:
        return any(item == value for item in self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _View):
            return bool(self._place.get() == other._place.get())
        if isinstance(other, Iterable):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"shmkit.{type(self).__name__}({list(self)!r})"


class Array(_Items[T], Generic[T, N]):
    """So many of the same: ``Array[u8, 4]``, for type checkers ``Array[u8, Literal[4]]``.

    It is a sequence of a fixed length. Of numbers, :attr:`buf` shows the bytes to numpy and others.
    """

    __slots__ = ()

    def __class_getitem__(cls, given: object) -> Any:
        if is_open(given):
            return super().__class_getitem__(given)  # type: ignore[misc]
        element, length = parameters(given, 2, "Array")
        return Alias(cls, array_form(form_of(element), length_of(length)), f"Array[{element}, {length}]")

    def __len__(self) -> int:
        length = self._place.layout.length
        assert length is not None
        return length

    def _at(self, index: int) -> Place:
        return self._place.item(index)

    def __setitem__(self, index: int | slice, value: Any) -> None:
        if index == slice(None):
            self._place.set(value)
        else:
            super().__setitem__(index, value)

    @property
    def buf(self) -> memoryview[Any]:
        """The numbers where they lie, in the shape of the array; without copying.

        Of what a lock protects it is for as long as the lock is held: with views alive, releasing
        the lock is an error, and it is given back when they are gone.
        """
        return memoryview(self._place.view())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        # Only NumPy asks for it, so it is there. The array keeps the buffer, and that the segment.
        array = sys.modules["numpy"].asarray(self._place.view())
        converted = array if dtype is None else array.astype(dtype, copy=False)
        return converted.copy() if copy and converted is array else converted


def array_form(element: Form[T], length: int) -> Form[Array[T, Any]]:
    return Form(Layout.array(element.layout, length), lambda place: Array(place, element))


class ArrayVec(_Items[T], Generic[T, N]):
    """A list of up to so many elements: ``ArrayVec[u32, 8]``."""

    __slots__ = ()

    def __class_getitem__(cls, given: object) -> Any:
        if is_open(given):
            return super().__class_getitem__(given)  # type: ignore[misc]
        element, capacity = parameters(given, 2, "ArrayVec")
        form = array_vec_form(form_of(element), length_of(capacity))
        return Alias(cls, form, f"ArrayVec[{element}, {capacity}]")

    def __len__(self) -> int:
        return min(int(self._place.field("len").get()), self.capacity)

    @property
    def capacity(self) -> int:
        """How many elements there may be."""
        length = self._place.layout.length
        assert length is not None
        return length

    def _at(self, index: int) -> Place:
        return self._place.field("items").item(index)

    def set(self, values: Iterable[T]) -> None:
        """Makes it of these elements. ``ValueError`` if there is no room for them."""
        self._place.set(values)

    def append(self, value: T) -> None:
        """Adds an element. ``IndexError`` if there is no room."""
        length = len(self)
        if length == self.capacity:
            raise IndexError(f"{self._place.path}: there is room for {self.capacity} elements")
        self._at(length).set(value)
        self._place.field("len").set(length + 1)

    def extend(self, values: Iterable[T]) -> None:
        """Adds elements. ``ValueError`` if there is no room for all; then none is added."""
        self.set([*self, *values])

    def pop(self) -> T:
        """Takes the last element away. ``IndexError`` if there is none."""
        length = len(self)
        if length == 0:
            raise IndexError(f"{self._place.path}: it is empty")
        value = self._element.load(self._at(length - 1))
        self._place.field("len").set(length - 1)
        return value

    def clear(self) -> None:
        """Takes all elements away."""
        self._place.field("len").set(0)


def array_vec_form(element: Form[T], capacity: int) -> Form[ArrayVec[T, Any]]:
    return Form(Layout.array_vec(element.layout, capacity), lambda place: ArrayVec(place, element))


class RingBuffer(_Items[T], Generic[T, N]):
    """A queue of up to so many elements: ``RingBuffer[f64, 100]``."""

    __slots__ = ()

    def __class_getitem__(cls, given: object) -> Any:
        if is_open(given):
            return super().__class_getitem__(given)  # type: ignore[misc]
        element, capacity = parameters(given, 2, "RingBuffer")
        form = ring_buffer_form(form_of(element), length_of(capacity))
        return Alias(cls, form, f"RingBuffer[{element}, {capacity}]")

    def __len__(self) -> int:
        return min(int(self._place.field("len").get()), self.capacity)

    @property
    def capacity(self) -> int:
        """How many elements there may be."""
        length = self._place.layout.length
        assert length is not None
        return length

    def _at(self, index: int) -> Place:
        head = int(self._place.field("head").get())
        return self._place.field("items").item((head + index) % self.capacity)

    def append(self, value: T) -> None:
        """Adds an element at the end. ``IndexError`` if there is no room."""
        length = len(self)
        if length == self.capacity:
            raise IndexError(f"{self._place.path}: there is room for {self.capacity} elements")
        self._at(length).set(value)
        self._place.field("len").set(length + 1)

    def push(self, value: T) -> T | None:
        """Adds an element at the end; if there is no room, the first one goes, and is returned."""
        gone = self.popleft() if len(self) == self.capacity and self.capacity else None
        self.append(value)
        return gone

    def popleft(self) -> T:
        """Takes the first element away. ``IndexError`` if there is none."""
        length = len(self)
        if length == 0:
            raise IndexError(f"{self._place.path}: it is empty")
        value = self._element.load(self._at(0))
        head = int(self._place.field("head").get())
        self._place.field("head").set((head + 1) % self.capacity)
        self._place.field("len").set(length - 1)
        return value

    def clear(self) -> None:
        """Takes all elements away."""
        self._place.field("len").set(0)


def ring_buffer_form(element: Form[T], capacity: int) -> Form[RingBuffer[T, Any]]:
    return Form(Layout.ring_buffer(element.layout, capacity), lambda place: RingBuffer(place, element))


class ArrayString(_View, Generic[N]):
    """A text of up to so many bytes of UTF-8: ``ArrayString[32]``."""

    __slots__ = ()

    def __class_getitem__(cls, given: object) -> Any:
        if is_open(given):
            return super().__class_getitem__(given)  # type: ignore[misc]
        (capacity,) = parameters(given, 1, "ArrayString")
        return Alias(cls, array_string_form(length_of(capacity)), f"ArrayString[{capacity}]")

    @property
    def capacity(self) -> int:
        """How many bytes there may be."""
        length = self._place.layout.length
        assert length is not None
        return length

    @property
    def value(self) -> str:
        """The text."""
        return str(self._place.get())

    @value.setter
    def value(self, text: str) -> None:
        self._place.set(text)

    def __str__(self) -> str:
        return self.value

    def __len__(self) -> int:
        return len(self.value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str | ArrayString):
            return self.value == str(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"shmkit.ArrayString({self.value!r})"


def array_string_form(capacity: int) -> Form[ArrayString[Any]]:
    return Form(Layout.array_string(capacity), ArrayString)


class Atomic(_View, Generic[T]):
    """A number or a bool that all may change at any time, without a lock: ``Atomic[u64]``.

    Each operation is one step, in one order for all processes, and returns what was there before.
    """

    __slots__ = ()

    def __class_getitem__(cls, given: object) -> Any:
        if is_open(given):
            return super().__class_getitem__(given)  # type: ignore[misc]
        (of,) = parameters(given, 1, "Atomic")
        layout = form_of(of).layout
        if layout.kind != "number" or layout.scalar is None:
            raise TypeError(f"there is no atomic `{layout.name}`")
        return Alias(cls, atomic_form(layout.scalar), f"Atomic[{layout.name}]")

    def load(self) -> T:
        """The value now."""
        return self._place.atomic("load")  # type: ignore[no-any-return]

    def store(self, value: T) -> None:
        """Puts a value there."""
        self._place.atomic("store", value)

    def swap(self, value: T) -> T:
        """Puts a value there."""
        return self._place.atomic("swap", value)  # type: ignore[no-any-return]

    def compare_exchange(self, expected: T, value: T) -> bool:
        """Puts a value there if the expected one is there; whether it was."""
        return self._place.compare_exchange(expected, value)

    def fetch_add(self, value: T) -> T:
        """Adds, and begins again from the other end past the last number."""
        return self._place.atomic("add", value)  # type: ignore[no-any-return]

    def fetch_sub(self, value: T) -> T:
        """Subtracts, as :meth:`fetch_add` adds."""
        return self._place.atomic("sub", value)  # type: ignore[no-any-return]

    def fetch_max(self, value: T) -> T:
        """Puts the larger of both there."""
        return self._place.atomic("max", value)  # type: ignore[no-any-return]

    def fetch_min(self, value: T) -> T:
        """Puts the smaller of both there."""
        return self._place.atomic("min", value)  # type: ignore[no-any-return]

    def fetch_and(self, value: T) -> T:
        """Keeps the bits that both have."""
        return self._place.atomic("and", value)  # type: ignore[no-any-return]

    def fetch_or(self, value: T) -> T:
        """Adds bits."""
        return self._place.atomic("or", value)  # type: ignore[no-any-return]

    def fetch_xor(self, value: T) -> T:
        """Turns bits over."""
        return self._place.atomic("xor", value)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"shmkit.Atomic({self.load()!r})"


def atomic_form(scalar: str) -> Form[Atomic[Any]]:
    return Form(Layout.atomic(scalar), Atomic)
