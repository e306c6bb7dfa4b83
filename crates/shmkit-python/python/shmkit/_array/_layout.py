"""The layout of a shared array: what docs/FORMAT.md says about it, made and taken apart."""

from __future__ import annotations

from .. import _errors
from .._shmkit import Layout

NAME = "SharedArray"
HEADER_LENGTH = slice(12, 16)
"""Where the header of a typed segment says where the value begins."""


def wrap(data: Layout) -> Layout:
    """The layout of a segment for such an array."""
    unit, count = Layout.unit(), Layout.number("u64")
    fields = [
        ("generation", Layout.primitive("Mutex", count)),
        ("changed", Layout.primitive("Condvar", unit)),
        ("array", Layout.primitive("RwLock", data)),
    ]
    return Layout.structure(NAME, 1, fields)


class Places:
    """Where the parts of a shared array are in its segment."""

    __slots__ = ("data", "generation", "layout")

    layout: Layout
    """That of the array itself."""
    data: int
    generation: int

    def __init__(self, key: str, found: Layout, header_length: bytes) -> None:
        fields = dict(found.fields)
        data = dict(fields["array"].fields).get("data") if "array" in fields else None
        if found.name != NAME or data is None or found != wrap(data):
            error = _errors.BadHeaderError(f"there is no shared array in {key}: it is a `{found.name}`")
            error.operation, error.key = "attach", key
            raise error
        value = int.from_bytes(header_length, "little")
        self.layout = data
        # Padding stands before the data only, and the data are the last of what they are in.
        lock = fields["array"]
        self.generation = value + fields["generation"].size - 8
        self.data = value + found.size - lock.size + _data_offset(lock)


def _data_offset(lock: Layout) -> int:
    """From the text: `…;data@288:…`, before which there is no other field of that name."""
    before, _, after = lock.text.partition(";data@")
    return int(after.partition(":")[0])
