"""``ShareableList``: a list of a fixed length in a block, in the bytes that CPython puts there.

Integers of 8 bytes first: the length n; n + 1 offsets, from 0, at which the items begin and the last
one ends. Then the items, each in a place of a multiple of 8 bytes; for each its ``struct`` format,
filled up to 8 bytes with zeros; for each a byte that says what to make of it. All in the byte order of
the machine.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from . import SharedMemory

    Item = int | float | bool | str | bytes | None

_WIDTH = 8
_INTEGER = struct.Struct("=q")
_FORMAT = struct.Struct("8s")
_PLAIN, _TEXT, _BYTES, _NONE = range(4)

_FORMATS: dict[type, tuple[str, int]] = {
    int: ("q", _PLAIN),
    float: ("d", _PLAIN),
    bool: ("xxxxxxx?", _PLAIN),
    type(None): ("xxxxxx?x", _NONE),
}


class ShareableList:
    """A list of a fixed length in shared memory, of ``int`` of 64 bits, ``float``, ``bool``, ``str``,
    ``bytes`` and ``None``.

    With ``sequence`` a new one is made, under ``name`` if that is given; with ``name`` alone an existing
    one is attached to. Items can be exchanged for others, also of another type, that fit in the room
    that the first one got: 8 bytes, or for ``str`` and ``bytes`` the next larger multiple of 8. Zero
    bytes at the end of ``str`` and ``bytes`` are lost, as in CPython.
    """

    shm: SharedMemory
    """The block that it is in."""

    def __init__(self, sequence: Iterable[Item] | None = None, *, name: str | None = None) -> None:
        from . import SharedMemory

        if name is not None and sequence is None:
            self.shm = SharedMemory(name)
            try:
                self._find_places()
            except BaseException:
                self.shm.close()
                raise
            return
        items = [_Encoded(item) for item in sequence or ()]
        ends = [0]
        for item in items:
            ends.append(ends[-1] + item.room)
        formats = [item.format_in(item.room) for item in items]
        self.shm = SharedMemory(name, create=True, size=self._set_places(ends))
        buf = self._buf()
        struct.pack_into(f"={len(items) + 2}q", buf, 0, len(items), *ends)
        for index, item in enumerate(items):
            self._put(buf, index, item, formats[index])

    def _set_places(self, ends: list[int]) -> int:
        """Where everything is in a list whose items end there; how many bytes that makes."""
        count = len(ends) - 1
        self._ends = ends
        self._data = _WIDTH * (count + 2)
        self._formats = self._data + ends[-1]
        self._kinds = self._formats + _WIDTH * count
        return self._kinds + count

    def _find_places(self) -> None:
        """Reads what does not change. It comes from another process, and is checked."""
        buf = self._buf()
        size = len(buf)
        most = (size - 2 * _WIDTH) // (3 * _WIDTH + 1)
        count = _INTEGER.unpack_from(buf)[0] if size >= 2 * _WIDTH else -1
        if 0 <= count <= most:
            ends = list(struct.unpack_from(f"={count + 1}q", buf, _WIDTH))
            is_ordered = all(start < end for start, end in zip(ends, ends[1:]))
            if ends[0] == 0 and is_ordered and self._set_places(ends) <= size:
                return
        raise ValueError(f"there is no ShareableList in {self.shm.name!r}")

    def _buf(self) -> memoryview:
        buf = self.shm.buf
        if buf is None:
            raise TypeError(f"the block {self.shm.name!r} of this list is closed")
        return buf

    def _index(self, index: int, what: str) -> int:
        count = len(self)
        position = index if index >= 0 else index + count
        if not 0 <= position < count:
            raise IndexError(f"{what}index out of range: {index} of {count}")
        return position

    def _put(self, buf: memoryview, index: int, item: _Encoded, form: bytes) -> None:
        start, end = (self._data + place for place in self._ends[index : index + 2])
        filled = start + len(item.raw)
        buf[start:filled] = item.raw
        if item.is_text:
            buf[filled:end] = bytes(end - filled)
        _FORMAT.pack_into(buf, self._formats + _WIDTH * index, form)
        buf[self._kinds + index] = item.kind

    def _get_format(self, index: int) -> str:
        (form,) = _FORMAT.unpack_from(self._buf(), self._formats + _WIDTH * index)
        return str(form.rstrip(b"\0"), "ascii", "replace")

    def __getitem__(self, position: int) -> Item:
        """The item at ``position``, which may be negative. ``IndexError`` if there is none."""
        index = self._index(position, "")
        buf = self._buf()
        form, kind = self._get_format(index), buf[self._kinds + index]
        start, end = (self._data + place for place in self._ends[index : index + 2])
        value: Any
        try:
            (value,) = struct.unpack_from(form, buf[start:end])
            if kind == _TEXT:
                value = value.rstrip(b"\0").decode()
            elif kind == _BYTES:
                value = value.rstrip(b"\0")
            elif kind == _NONE:
                value = None
        except (struct.error, AttributeError, UnicodeError) as error:
            raise ValueError(f"item {index} of the list cannot be read: {error}") from error
        result: Item = value
        return result

    def __setitem__(self, position: int, value: Item) -> None:
        """Exchanges an item. ``ValueError`` if the new one has not enough room."""
        index = self._index(position, "assignment ")
        item = _Encoded(value)
        room = self._ends[index + 1] - self._ends[index]
        if len(item.raw) > room:
            raise ValueError(
                f"the new item exceeds the available storage: {len(item.raw)} bytes in place of {room}"
            )
        self._put(self._buf(), index, item, item.format_in(room))

    def __len__(self) -> int:
        (count,) = _INTEGER.unpack_from(self._buf())
        return min(int(count), len(self._ends) - 1)

    def __iter__(self) -> Iterator[Item]:
        for index in range(len(self)):
            yield self[index]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)}, name={self.shm.name!r})"

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        from functools import partial

        return partial(type(self), name=self.shm.name), ()

    @property
    def format(self) -> str:
        """The ``struct`` formats of the items, one after another."""
        return "".join(self._get_format(index) for index in range(len(self)))

    def count(self, value: Item) -> int:
        """How many items are equal to ``value``."""
        return sum(item == value for item in self)

    def index(self, value: Item) -> int:
        """Where the first item is that is equal to ``value``. ``ValueError`` if there is none."""
        for position, item in enumerate(self):
            if item == value:
                return position
        raise ValueError(f"{value!r} is not in this list")

    __class_getitem__: classmethod[Any, Any, Any] = classmethod(type(list[int]))


class _Encoded:
    """An item as it is stored."""

    __slots__ = ("form", "is_text", "kind", "raw", "room")

    def __init__(self, item: object) -> None:
        self.is_text = isinstance(item, (str, bytes))
        if isinstance(item, (str, bytes)):
            self.raw = item.encode() if isinstance(item, str) else item
            self.kind = _TEXT if isinstance(item, str) else _BYTES
            # CPython counts characters, and cuts what does not fit then; it gets more room here.
            self.room = _WIDTH * (len(item) // _WIDTH + 1)
            if self.room < len(self.raw):
                self.room = _WIDTH * (len(self.raw) // _WIDTH + 1)
            return
        try:
            self.form, self.kind = _FORMATS[type(item)]
        except KeyError as error:
            error.add_note("a ShareableList holds int, float, bool, str, bytes and None")
            raise
        self.raw = struct.pack(self.form, item)
        self.room = _WIDTH

    def format_in(self, room: int) -> bytes:
        form = f"{room}s" if self.is_text else self.form
        if len(form) > _WIDTH:
            raise ValueError(f"an item of {room} bytes is too large for a ShareableList")
        return form.encode()
