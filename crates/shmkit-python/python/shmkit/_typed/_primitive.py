"""What all primitives have: a place in a segment, which may be theirs alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from .._shmkit import Key, Layout, Place, TypedSegment
from ._forms import UNIT, Form
from ._guard import DEFAULT_TIMEOUT

P = TypeVar("P", bound="Primitive")

Spot = Key | str | os.PathLike[str]
"""A key, or the path of a file."""


class Primitive:
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
        from ._described import reopen_typed

        return (reopen_typed, (key, segment.readonly))

    def __repr__(self) -> str:
        return f"<shmkit.{type(self).__name__} {self._place.path}>"


class AroundForm(Form[Any]):
    """The form of a primitive around a value."""

    __slots__ = ("data",)

    def __init__(self, layout: Layout, load: Callable[[Place], Any], data: Form[Any]) -> None:
        super().__init__(layout, load)
        self.data = data
