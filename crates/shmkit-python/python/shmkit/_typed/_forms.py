"""From annotations to layouts, and from layouts to what a program sees of them."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from .._shmkit import Layout, Place

T = TypeVar("T")


class Form(Generic[T]):
    """How a type lies in a segment, and what an attribute of it is."""

    __slots__ = ("layout", "load")

    def __init__(self, layout: Layout, load: Callable[[Place], T]) -> None:
        self.layout = layout
        self.load = load

    def __repr__(self) -> str:
        return self.layout.name


class Alias(Generic[T]):
    """A type with its parameters, as ``Array[u8, 4]``: used as an annotation, and called as a class."""

    __slots__ = ("form", "origin", "text")

    def __init__(self, origin: type[Any], form: Form[T], text: str) -> None:
        self.origin = origin
        self.form = form
        self.text = text

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.origin(*args, _form=self.form, **kwargs)

    def create(self, *args: Any, **kwargs: Any) -> Any:
        return self.origin.create(*args, _form=self.form, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> Any:
        return self.origin.open(*args, _form=self.form, **kwargs)

    def __repr__(self) -> str:
        return f"shmkit.{self.text}"

    def __hash__(self) -> int:
        return hash(self.form.layout)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alias) and self.form.layout == other.form.layout


def load_value(place: Place) -> Any:
    """A number, a bool, or None."""
    return place.get()


UNIT: Form[None] = Form(Layout.unit(), load_value)


def number(name: str) -> Form[Any]:
    return Form(Layout.number(name), load_value)


u8 = Annotated[int, number("u8")]
"""An integer from 0 to 255."""
u16 = Annotated[int, number("u16")]
"""An integer from 0 to 65535."""
u32 = Annotated[int, number("u32")]
"""An integer from 0 to 2**32 - 1."""
u64 = Annotated[int, number("u64")]
"""An integer from 0 to 2**64 - 1."""
i8 = Annotated[int, number("i8")]
"""An integer from -128 to 127."""
i16 = Annotated[int, number("i16")]
"""An integer from -32768 to 32767."""
i32 = Annotated[int, number("i32")]
"""An integer from -2**31 to 2**31 - 1."""
i64 = Annotated[int, number("i64")]
"""An integer from -2**63 to 2**63 - 1."""
f32 = Annotated[float, number("f32")]
"""A number with 24 bits of precision."""
f64 = Annotated[float, number("f64")]
"""A float as Python's."""

BOOL: Form[bool] = Form(Layout.number("bool"), load_value)


def form_of(annotation: object) -> Form[Any]:
    """The form that an annotation means."""
    if annotation is bool:
        return BOOL
    if annotation is None or annotation is type(None):
        return UNIT
    if isinstance(annotation, Form):
        return annotation
    if isinstance(annotation, Alias):
        return annotation.form
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, Form):
            return extra
    make = getattr(annotation, "__shmkit_form__", None)
    if make is not None:
        form = make()
        assert isinstance(form, Form)
        return form
    hint = ""
    if annotation is int:
        hint = ": say how large it is, as `shmkit.u32` or `shmkit.i64`"
    elif annotation is float:
        hint = ": say how large it is, `shmkit.f32` or `shmkit.f64`"
    elif annotation is str:
        hint = ": say how many bytes there are for it, as `shmkit.ArrayString[32]`"
    elif annotation is bytes:
        hint = ": say how many, as `shmkit.Array[shmkit.u8, 32]`"
    name = getattr(annotation, "__name__", None) or repr(annotation)
    raise TypeError(f"`{name}` cannot lie in shared memory{hint}")


def length_of(parameter: object) -> int:
    """The number in ``Array[u8, 4]``, which type checkers want as ``Literal[4]``."""
    if typing.get_origin(parameter) is typing.Literal:
        (parameter,) = typing.get_args(parameter)
    if isinstance(parameter, bool) or not isinstance(parameter, int) or parameter < 0:
        raise TypeError(f"a length is an int, 0 or more, not {parameter!r}")
    return parameter


def is_open(given: object) -> bool:
    """Whether there are type variables among parameters, as in generic code of the user's."""
    found = given if isinstance(given, tuple) else (given,)
    return any(isinstance(parameter, TypeVar) for parameter in found)


def parameters(given: object, count: int, name: str) -> tuple[object, ...]:
    """The parameters of a generic, of which there are to be so many."""
    found = given if isinstance(given, tuple) else (given,)
    if len(found) != count:
        raise TypeError(f"{name} takes {count} parameters, got {len(found)}")
    return found
