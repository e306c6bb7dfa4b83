"""Between numpy's types and the layouts of typed segments, in both directions without loss.

Numbers are numbers, dimensions are arrays, and structured types are structs, whose gaps are fields
called ``_pad`` and their offset. What the layout language has no word for is a struct that is called
what it is: ``complex128``, ``S10``, ``U5``, ``float16``, ``datetime64_ns``. A field that is not
aligned is the bytes of it, in a struct that is called ``unaligned_`` and what it would be called.
"""

from __future__ import annotations

from .._shmkit import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy

_BYTE = Layout.number("u8")
_SCALARS = {"b": "bool", "i": "i", "u": "u", "f": "f"}
_UNALIGNED = "unaligned_"
_RECORD = "record"


def layout_of(dtype: numpy.dtype[Any], shape: tuple[int, ...]) -> Layout:
    """The layout of an array. ``TypeError`` if numpy's type has none."""
    layout = _element(dtype)
    for length in reversed(shape):
        layout = Layout.array(layout, length)
    return layout


def dtype_of(layout: Layout) -> tuple[numpy.dtype[Any], tuple[int, ...]]:
    """Type and shape of what a layout says. ``TypeError`` if it is no array of numpy's."""
    import numpy

    shape = []
    while layout.kind == "array":
        element, length = layout.element, layout.length
        assert element is not None and length is not None
        shape.append(length)
        layout = element
    return numpy.dtype(_meaning(layout)), tuple(shape)


def _element(dtype: numpy.dtype[Any]) -> Layout:
    if not dtype.isnative:
        raise TypeError(f"{dtype} is not of this machine's byte order; see numpy.dtype.newbyteorder")
    if dtype.subdtype is not None:
        return layout_of(*dtype.subdtype)
    if dtype.names is not None:
        return _record(dtype)
    kind, size = dtype.kind, dtype.itemsize
    if kind == "b":
        return Layout.number("bool")
    if kind in "iu" or (kind == "f" and size in (4, 8)):
        return Layout.number(f"{kind}{8 * size}")
    if kind == "f" and size == 2:
        return Layout.structure("float16", 1, [("bits", Layout.number("u16"))])
    if kind == "c" and size in (8, 16):
        part = Layout.number(f"f{4 * size}")
        return Layout.structure(f"complex{8 * size}", 1, [("real", part), ("imag", part)])
    if kind == "S":
        return Layout.structure(f"S{size}", 1, [("bytes", Layout.array(_BYTE, size))])
    if kind == "U":
        characters = Layout.array(Layout.number("u32"), size // 4)
        return Layout.structure(f"U{size // 4}", 1, [("characters", characters)])
    if kind == "V":
        return Layout.structure(f"V{size}", 1, [("bytes", Layout.array(_BYTE, size))])
    if kind in "mM":
        # numpy.datetime64 of nanoseconds prints as "datetime64[ns]".
        name = str(dtype).replace("[", "_").rstrip("]")
        return Layout.structure(name, 1, [("count", Layout.number("i64"))])
    raise TypeError(f"{dtype} cannot be shared: its values are of this process, or not portable")


def _record(dtype: numpy.dtype[Any]) -> Layout:
    assert dtype.names is not None and dtype.fields is not None
    parts = []
    for name in dtype.names:
        kind, offset = dtype.fields[name][:2]
        part = _element(kind)
        if offset % part.align or dtype.itemsize % part.align:
            label = _UNALIGNED + (part.name if part.kind == "struct" else part.text)
            if not label.isidentifier():
                raise TypeError(f"field {name!r} of {dtype} is not aligned: use numpy.dtype(…, align=True)")
            part = Layout.structure(label, 1, [("bytes", Layout.array(_BYTE, part.size))])
        parts.append((offset, name, part))
    parts.sort(key=lambda part: part[0])
    fields: list[tuple[str, Layout]] = []
    end = 0
    for offset, name, part in [*parts, (dtype.itemsize, "", Layout.unit())]:
        if offset < end:
            raise TypeError(f"the fields of {dtype} overlap")
        if offset > end:
            fields.append((f"_pad{end}", Layout.array(_BYTE, offset - end)))
        if name:
            fields.append((name, part))
        end = offset + part.size
    return Layout.structure(_RECORD, 1, fields)


def _meaning(layout: Layout) -> Any:
    """What ``numpy.dtype`` understands."""
    if layout.kind in ("number", "atomic", "enum"):
        return _number(layout.scalar or "")
    if layout.kind == "array":
        return dtype_of(layout)
    if layout.kind != "struct":
        raise TypeError(f"numpy has no type for `{layout.name}`")
    name, fields = layout.name, layout.fields
    if name.startswith(_UNALIGNED):
        inner = name.removeprefix(_UNALIGNED)
        return _special(inner) or _number(inner)
    special = _special(name)
    return special if special is not None else _record_of(fields)


def _number(scalar: str) -> str:
    if scalar == "bool":
        return "?"
    return f"{scalar[0]}{int(scalar[1:]) // 8}"


def _special(name: str) -> str | None:
    """The type that a struct is called after."""
    if name in ("float16", "complex64", "complex128"):
        return name
    if name[:1] in "SUV" and name[1:].isdigit():
        return name
    for kind in ("datetime64", "timedelta64"):
        if name == kind:
            return name
        if name.startswith(kind + "_"):
            return f"{kind}[{name.removeprefix(kind + '_')}]"
    return None


def _record_of(fields: list[tuple[str, Layout]]) -> dict[str, Any]:
    names, formats, offsets = [], [], []
    offset = 0
    for name, layout in fields:
        if not (name.startswith("_pad") and (name[4:].isdigit() or not name[4:])):
            names.append(name)
            formats.append(_meaning(layout))
            offsets.append(offset)
        offset += layout.size
    return {"names": names, "formats": formats, "offsets": offsets, "itemsize": offset}
