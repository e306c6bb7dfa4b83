"""Segments that were made by hand, with layouts and bytes that no program of ours leaves."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import Any

import pytest
import shmkit

DONE = 1 << 30


def layout_hash(text: str) -> int:
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


@contextlib.contextmanager
def made_by_hand(key: str, text: str, value: bytes, align: int = 8) -> Iterator[Any]:
    """What is in a segment with this layout and these bytes, by `docs/FORMAT.md`."""
    words = text.encode()
    header = -(-(4096 + len(words)) // 64) * 64
    head = struct.pack(
        "<8sIIQQQII", b"\x89SHMKIT\n", 1, header, header + len(value), layout_hash(text),
        len(value), align, len(words),
    )  # fmt: skip
    with shmkit.SharedMemory.create(key, header + len(value)) as segment:
        with segment.buf as view:
            view[: len(head)] = head
            view[128:132] = struct.pack("<I", DONE)
            view[4096 : 4096 + len(words)] = words
            view[header : header + len(value)] = value
        yield lambda: shmkit.open_typed(key, timeout=1)


def word(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def test_the_hash_in_the_documents_is_ours() -> None:
    text = "struct Point v1 8/4{x@0:f32;y@4:f32}"

    class Point(shmkit.Struct):
        x: shmkit.f32
        y: shmkit.f32

    assert (Point.layout_text(), Point.layout_hash()) == (text, layout_hash(text))


def test_lengths_past_the_end_are_clamped(key: str) -> None:
    text = (
        "struct S v1 32/8{list@0:list ArrayVec v1 16/8{len@0:u32;items@8:[u16;4]};"
        "ring@16:ring RingBuffer v1 16/8{head@0:u32;len@4:u32;items@8:[u16;4]}}"
    )
    numbers = struct.pack("<4H", 1, 2, 3, 4)
    value = word(2**32 - 1, 7) + numbers + word(2**32 - 1, 2**32 - 1) + numbers
    with made_by_hand(key, text, value) as found:
        opened = found()
        assert list(opened.list) == [1, 2, 3, 4] and len(opened.list) == 4
        assert list(opened.ring) == [4, 1, 2, 3] and opened.ring[-1] == 3
        assert opened.to_dict() == {"list": [1, 2, 3, 4], "ring": [4, 1, 2, 3]}


def test_bytes_that_are_no_value_are_shown_as_far_as_they_go(key: str) -> None:
    text = (
        "struct S v1 16/4{text@0:text ArrayString v1 12/4{len@0:u32;bytes@4:[u8;8]};"
        "mode@12:enum Mode v1 u8{Off=0;On=1};flag@13:bool;_pad@14:[u8;2]}"
    )
    value = word(2**32 - 1) + b"ab\xff\xffcdef" + b"\x09\x07\x00\x00"
    with made_by_hand(key, text, value, 4) as found:
        opened = found()
        assert (opened.text, opened.mode, opened.flag) == ("ab", 9, True)


@pytest.mark.parametrize(
    "text",
    [
        "[();18446744073709551615]",
        "[struct Nothing v1 0/1{};18446744073709551615]",
        "list ArrayVec v1 8/8{len@0:u32;items@8:[();4294967295]}",
    ],
)
def test_elements_without_bytes_take_no_time(key: str, text: str) -> None:
    value = word(2**32 - 1, 0) if text.startswith("list") else b""
    align = 8 if value else 1
    with made_by_hand(key, text, value, align) as found:
        opened = found()
        assert opened.value._place.get() == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sync Mutex v1 8/8{word@0:atomic u64}", "another than this version of shmkit knows"),
        ("sync Event v2 8/8{flag@0:atomic u32;is_auto@4:atomic u32}", "another than this version"),
        ("sync Latch v1 8/8{word@0:atomic u64}", "primitive `Latch` in it, which this version"),
    ],
)
def test_primitives_of_another_version_are_refused(key: str, text: str, why: str) -> None:
    with made_by_hand(key, text, bytes(8)) as found:
        with pytest.raises((shmkit.BadHeaderError, TypeError), match=why):
            found()


@pytest.mark.parametrize(
    "text", ["", "u8 ", "struct S v1 8/8{a@0:u64;b@0:u64}", "[u8;", "[" * 40, "struct \u202e v1 0/1{}"]
)
def test_layouts_that_are_none_are_refused(key: str, text: str) -> None:
    with made_by_hand(key, text, bytes(8)) as found:
        with pytest.raises(shmkit.BadHeaderError):
            found()
