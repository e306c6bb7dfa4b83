"""Structs and enums of the user's own."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Generic, TypeVar

from .._shmkit import Layout, Place, TypedSegment
from ._forms import Form, form_of
from ._guard import DEFAULT_TIMEOUT
from ._primitive import Spot

S = TypeVar("S", bound="Struct")
E = TypeVar("E", bound="Enum")
T = TypeVar("T")

Init = Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None


class Enum(enum.IntEnum):
    """An enum that may lie in a segment: ``class Mode(shmkit.Enum, repr=shmkit.u8): OFF = 0``.

    ``repr`` is the integer that it is stored as. One member is 0; its names are those in Rust.
    """

    def __init_subclass__(
        cls, *, repr: object, name: str | None = None, version: int = 1, **others: Any
    ) -> None:
        super().__init_subclass__(**others)
        layout = form_of(repr).layout
        setattr(cls, "__shmkit_repr__", (layout.scalar, name or cls.__name__, version))

    @classmethod
    def __shmkit_form__(cls) -> Form[Any]:
        scalar, name, version = getattr(cls, "__shmkit_repr__")
        # Other names of the same number are not variants.
        variants = [(member.name, member.value) for member in cls]
        layout = Layout.enumeration(name, version, scalar, variants)
        return Form(layout, lambda place: cls(place.get()))


class Field(Generic[T]):
    """A field of a struct, as an attribute."""

    __slots__ = ("form", "name")

    def __init__(self, name: str, form: Form[T]) -> None:
        self.name = name
        self.form = form

    def __get__(self, struct: Struct | None, owner: type[Struct]) -> Any:
        if struct is None:
            return self
        return self.form.load(struct._place.field(self.name))

    def __set__(self, struct: Struct, value: Any) -> None:
        struct._place.field(self.name).set(value)


class Struct:
    """A type whose values lie in a segment, with its fields as annotations::

        class State(shmkit.Struct):
            frames: shmkit.Mutex[shmkit.u64]
            ready: shmkit.Event

    It is what ``#[derive(ShmSafe)] #[repr(C)] struct State`` is in Rust, with the names of the class
    and of the fields. What is in no lock and not atomic is only written by ``init``.
    """

    __slots__ = ("__weakref__", "_place", "_segment")

    _place: Place
    _segment: TypedSegment | None
    __shmkit_layout__: ClassVar[Layout]

    def __init_subclass__(
        cls, *, name: str | None = None, version: int = 1, **others: Any
    ) -> None:
        """``name`` and ``version`` are those of ``#[shmkit(name = "...", version = 2)]``."""
        super().__init_subclass__(**others)
        if cls.__mro__[1] is not Struct:
            raise TypeError(f"`{cls.__name__}`: a struct has no other base than shmkit.Struct")
        scope = sys._getframe(1)
        fields = []
        for field, annotation in cls.__annotations__.items():
            if hasattr(Struct, field):
                raise TypeError(f"`{cls.__name__}.{field}`: every struct has a method of that name")
            if isinstance(annotation, str):
                annotation = eval(annotation, scope.f_globals, dict(scope.f_locals))
            try:
                form = form_of(annotation)
            except TypeError as error:
                raise TypeError(f"`{cls.__name__}.{field}`: {error}") from None
            setattr(cls, field, Field(field, form))
            fields.append((field, form.layout))
        cls.__shmkit_layout__ = Layout.structure(name or cls.__name__, version, fields)

    def __init__(self) -> None:
        raise TypeError("a struct lies in a segment: use `open_or_init`, `create` or `open`")

    @classmethod
    def __shmkit_form__(cls: type[S]) -> Form[S]:
        return Form(cls.__shmkit_layout__, cls._load)

    @classmethod
    def _load(cls: type[S], place: Place) -> S:
        self = cls.__new__(cls)
        self._place = place
        self._segment = None
        return self

    @classmethod
    def _adopt(cls: type[S], segment: TypedSegment) -> S:
        self = cls._load(segment.place)
        self._segment = segment
        return self

    @classmethod
    def open_or_init(
        cls: type[S],
        key: Spot,
        /,
        init: Init = None,
        *,
        mode: int = 0o600,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> S:
        """Opens the segment under that key, or creates it with the values in ``init``.

        Fields that are not in it are zeros. However many do this at once, one of them initialises,
        and calls ``init`` if it is a function; the others wait for it, so many seconds. If it raises
        or dies, the next one does it. A path in place of a key is a file.
        """
        segment = TypedSegment.open_or_init(key, cls.__shmkit_layout__, init, mode, timeout)
        return cls._adopt(segment)

    @classmethod
    def create(
        cls: type[S],
        key: Spot,
        /,
        init: Mapping[str, Any] | None = None,
        *,
        mode: int = 0o600,
    ) -> S:
        """Creates a segment with the values in ``init``. ``AlreadyExistsError`` if there is one."""
        segment = TypedSegment.create(key, cls.__shmkit_layout__, init, mode, DEFAULT_TIMEOUT)
        return cls._adopt(segment)

    @classmethod
    def open(
        cls: type[S],
        key: Spot,
        /,
        *,
        readonly: bool = False,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> S:
        """Opens a segment that exists. ``BadHeaderError`` says how its type differs from this one."""
        segment = TypedSegment.open(key, cls.__shmkit_layout__, readonly, timeout)
        return cls._adopt(segment)

    @classmethod
    def layout_text(cls) -> str:
        """The description of the type's bytes, as it is in the segment."""
        return cls.__shmkit_layout__.text

    @classmethod
    def layout_hash(cls) -> int:
        """What two programs compare: ``State::LAYOUT_HASH`` in Rust."""
        return cls.__shmkit_layout__.hash

    def _own(self) -> TypedSegment:
        if self._segment is None:
            raise ValueError(f"{self._place.path}: it is a part of a segment, not the segment")
        return self._segment

    def to_dict(self) -> dict[str, Any]:
        """A copy of all plain values in it, as a dictionary; without locks and what they protect."""
        return dict(self._place.get())

    def set_label(self, label: str) -> bool:
        """Sets what messages call this process, as holder of a lock; at most 56 bytes are kept.

        Says whether there was a place for it: there are 40.
        """
        return self._own().set_label(label)

    def close(self) -> None:
        """Detaches. ``BufferError`` if a lock is held, waited for, or views are alive."""
        self._own().close()

    def __enter__(self: S) -> S:
        self._own()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._own().close()

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ("_place", "_segment") and not isinstance(getattr(type(self), name, None), Field):
            raise AttributeError(f"`{type(self).__name__}` has no field `{name}`")
        super().__setattr__(name, value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Struct):
            return self._place.layout == other._place.layout and self.to_dict() == other.to_dict()
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        segment = self._own()
        if segment.key is None:
            raise TypeError("what has no key cannot be pickled")
        return (_reopen, (type(self), segment.key, segment.readonly))

    def __repr__(self) -> str:
        return f"<shmkit.Struct {self._place.path}>"


def _reopen(cls: type[S], key: str, readonly: bool) -> S:
    return cls.open(key, readonly=readonly)
