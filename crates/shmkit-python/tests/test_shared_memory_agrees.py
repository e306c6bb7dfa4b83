"""What CPython's `multiprocessing.shared_memory` does and ours does as well: each test runs on both."""

from __future__ import annotations

import gc
import multiprocessing.shared_memory
import os
import pickle
import struct
from collections.abc import Iterator
from typing import Any

import pytest

import shmkit.shared_memory


@pytest.fixture(params=[multiprocessing.shared_memory, shmkit.shared_memory], ids=["real", "ours"])
def module(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def block(module: Any, key: str) -> Iterator[Any]:
    made = module.SharedMemory(key, create=True, size=10)
    yield made
    made.close()
    try:
        made.unlink()
    except FileNotFoundError:
        pass


@pytest.fixture
def lists(module: Any) -> Iterator[Any]:
    made: list[Any] = []

    def make(*args: Any, **kwargs: Any) -> Any:
        made.append(module.ShareableList(*args, **kwargs))
        return made[-1]

    yield make
    for item in made:
        item.shm.close()
        try:
            item.shm.unlink()
        except FileNotFoundError:
            pass


def test_a_block_begins_as_zeros_of_exactly_its_size(block: Any, key: str) -> None:
    assert bytes(block.buf) == bytes(10)
    assert block.size == 10 == os.stat("/dev/shm/" + key).st_size
    assert (block.buf.format, block.buf.readonly, block.buf.itemsize) == ("B", False, 1)
    assert block.buf is block.buf


def test_a_block_is_for_this_user_only(block: Any, key: str) -> None:
    assert os.stat("/dev/shm/" + key).st_mode & 0o777 == 0o600


def test_two_handles_see_the_same_bytes(module: Any, block: Any, key: str) -> None:
    other = module.SharedMemory(key)
    other.buf[:5] = b"hello"
    assert bytes(block.buf[:5]) == b"hello"
    assert other.size == 10
    other.close()
    assert bytes(block.buf[:5]) == b"hello"


def test_the_size_does_not_matter_to_who_attaches(module: Any, block: Any, key: str) -> None:
    other = module.SharedMemory(name=key, create=False, size=99)
    assert other.size == 10
    other.close()


@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_slashes_in_front_lead_to_the_same_block_and_stay_in_the_name(
    module: Any, block: Any, key: str, slashes: str
) -> None:
    other = module.SharedMemory(slashes + key)
    assert other.name == slashes + key
    assert other._name == "/" + slashes + key
    assert repr(other) == f"SharedMemory({slashes + key!r}, size=10)"
    other.buf[0] = 7
    assert block.buf[0] == 7
    other.close()


def test_a_name_is_made_up_where_none_is_given(module: Any) -> None:
    made = [module.SharedMemory(create=True, size=1) for _ in range(3)]
    names = [block.name for block in made]
    for block in made:
        block.close()
        block.unlink()
    assert len(set(names)) == 3
    for name in names:
        assert name.startswith("psm_") and len(name) == 12
        int(name[4:], 16)


def test_a_closed_block_knows_its_name_and_size(block: Any, key: str) -> None:
    view = block.buf
    block.close()
    block.close()
    assert block.buf is None
    assert (block.name, block.size) == (key, 10)
    assert repr(block) == f"SharedMemory({key!r}, size=10)"
    with pytest.raises(ValueError, match="released"):
        view[0]


def test_data_stay_after_all_have_closed(module: Any, block: Any, key: str) -> None:
    block.buf[:4] = b"kept"
    block.close()
    other = module.SharedMemory(key)
    assert bytes(other.buf[:4]) == b"kept"
    other.close()


def test_an_unlinked_block_is_there_for_those_who_have_it(module: Any, block: Any, key: str) -> None:
    block.unlink()
    block.buf[0] = 1
    assert block.buf[0] == 1
    with pytest.raises(FileNotFoundError):
        module.SharedMemory(key)
    again = module.SharedMemory(key, create=True, size=3)
    assert (block.buf[0], again.buf[0]) == (1, 0)
    again.close()
    again.unlink()


def test_a_block_can_be_unlinked_after_it_was_closed(block: Any) -> None:
    block.close()
    block.unlink()
    with pytest.raises(FileNotFoundError):
        block.unlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "name"),
        ({"create": True}, "size"),
        ({"create": True, "size": -1}, "size"),
        ({"name": "x", "size": -1}, "size"),
        ({"name": "x", "create": True, "size": 0}, "size"),
    ],
)
def test_values_that_make_no_block(module: Any, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"'{words}'"):
        module.SharedMemory(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"name": 5, "create": True, "size": 1}, TypeError),
        ({"name": b"bytes", "size": 1}, TypeError),
        ({"size": 1.5}, TypeError),
        ({"size": "1"}, TypeError),
        ({"size": 1 << 70}, OverflowError),
        ({"size": (1 << 63) - 1}, OSError),
        ({"name": "\udcff", "create": True, "size": 1}, UnicodeEncodeError),
    ],
)
def test_types_that_make_no_block(
    module: Any, key: str, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        module.SharedMemory(**{"name": key, "create": True} | arguments)


@pytest.mark.parametrize("name", ["a/b", "", "x" * 300, "x/"])
def test_names_that_the_system_refuses(module: Any, name: str) -> None:
    with pytest.raises(OSError, match="Invalid argument") as caught:
        module.SharedMemory(name, create=True, size=1)
    assert (caught.value.errno, caught.value.filename) == (22, "/" + name)


def test_a_name_that_is_taken(module: Any, block: Any, key: str) -> None:
    with pytest.raises(FileExistsError) as caught:
        module.SharedMemory(key, create=True, size=10)
    assert str(caught.value) == f"[Errno 17] File exists: '/{key}'"
    assert bytes(block.buf) == bytes(10)
    block.close()
    with pytest.raises(FileExistsError):
        module.SharedMemory(key, create=True, size=10)


def test_a_name_that_nobody_has(module: Any, key: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        module.SharedMemory(key)
    assert str(caught.value) == f"[Errno 2] No such file or directory: '/{key}'"
    with pytest.raises(FileNotFoundError) as caught:
        module.SharedMemory("/" + key)
    assert caught.value.filename == "//" + key


def test_an_empty_file_is_no_block(module: Any, key: str) -> None:
    open("/dev/shm/" + key, "w").close()
    with pytest.raises(ValueError):
        module.SharedMemory(key)
    assert os.path.exists("/dev/shm/" + key)


def test_a_block_cannot_be_closed_under_a_slice(block: Any) -> None:
    part = block.buf[:3]
    with pytest.raises(BufferError):
        block.close()
    part[0] = 5
    assert part[0] == 5
    part.release()
    block.close()
    assert block.buf is None


def test_a_block_cannot_be_closed_under_an_array(block: Any) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.frombuffer(block.buf, dtype=numpy.uint8)
    with pytest.raises(BufferError):
        block.close()
    array[0] = 5
    assert array[0] == 5
    del array
    block.close()


def test_pickling_makes_another_handle(block: Any) -> None:
    other = pickle.loads(pickle.dumps(block))
    assert type(other) is type(block)
    other.buf[:3] = b"abc"
    assert bytes(block.buf[:3]) == b"abc"
    assert (other.name, other.size) == (block.name, block.size)
    other.close()


def test_a_block_that_is_forgotten_is_closed_and_stays(module: Any, key: str) -> None:
    block = module.SharedMemory(key, create=True, size=4096)
    block.buf[0] = 9
    inode = os.stat("/dev/shm/" + key).st_ino
    with open("/proc/self/maps") as maps:
        assert f" {inode} " in maps.read()
    del block
    gc.collect()
    with open("/proc/self/maps") as maps:
        assert f" {inode} " not in maps.read()
    again = module.SharedMemory(key)
    assert again.buf[0] == 9
    again.close()
    again.unlink()


ITEMS: list[Any] = [1, -(2**63), 2.5, True, False, None, "text", "", b"bytes", b"", "12345678", "é"]


def test_a_list_gives_back_what_was_put_in(lists: Any) -> None:
    made = lists(ITEMS)
    assert list(made) == ITEMS
    assert [type(item) for item in made] == [type(item) for item in ITEMS]
    assert len(made) == len(ITEMS)
    assert [made[index - len(ITEMS)] for index in range(len(ITEMS))] == ITEMS
    assert list(reversed(made)) == ITEMS[::-1]
    assert repr(made) == f"ShareableList({ITEMS!r}, name={made.shm.name!r})"


def test_a_list_can_be_of_a_name_and_attached_to(lists: Any, key: str) -> None:
    ours = lists([1, "two"], name=key)
    theirs = lists(name=key)
    theirs[0] = 3
    assert ours[0] == 3
    assert ours.shm.name == theirs.shm.name == key
    with pytest.raises(FileExistsError):
        lists([1], name=key)


def test_a_list_can_be_empty(lists: Any) -> None:
    for made in (lists([]), lists()):
        assert (len(made), list(made), made.format, made.shm.size) == (0, [], "", 16)
        with pytest.raises(IndexError, match="index out of range"):
            made[0]


def test_a_list_finds_and_counts(lists: Any) -> None:
    made = lists([3, 1, "3", 1, True, 3.0])
    assert (made.count(1), made.count(3), made.count("3"), made.count(None)) == (3, 2, 1, 0)
    assert (made.index(1), made.index("3"), made.index(3.0)) == (1, 2, 0)
    assert 1 in made and None not in made
    with pytest.raises(ValueError, match="99"):
        made.index(99)


@pytest.mark.parametrize("old", ["a" * 20, b"b" * 7, 1, 2.5, True, None], ids=repr)
@pytest.mark.parametrize(
    "new", ["", "é", b"z", "12345678", b"1" * 24, 7, -1.5, False, None], ids=repr
)
def test_an_item_is_exchanged_if_it_fits(lists: Any, old: Any, new: Any) -> None:
    made = lists(["before", old, "after"])
    room = 8 * (len(old) // 8 + 1) if isinstance(old, (str, bytes)) else 8
    if isinstance(new, (str, bytes)) and len(new) > room:
        with pytest.raises(ValueError, match="exceeds"):
            made[1] = new
        assert list(made) == ["before", old, "after"]
    else:
        made[1] = new
        assert list(made) == ["before", new, "after"]
        assert type(made[1]) is type(new)


def test_formats(lists: Any) -> None:
    made = lists([1, 2.5, True, None, "héllo", b"x" * 8])
    assert made.format == "qdxxxxxxx?xxxxxx?x8s16s"
    made[5] = 1
    made[0] = "a"
    assert made.format == "8sdxxxxxxx?xxxxxx?x8sq"
    made[5] = b"a"
    assert made.format.endswith("16s")


def test_zeros_at_the_end_of_texts_are_lost(lists: Any) -> None:
    assert list(lists(["a\0\0", "b\0c", b"\0"])) == ["a", "b\0c", b""]


def test_what_a_list_cannot_hold(lists: Any) -> None:
    with pytest.raises(KeyError, match="list"):
        lists([[]])
    with pytest.raises(struct.error):
        lists([1 << 70])
    with pytest.raises(UnicodeEncodeError):
        lists(["\udcff"])
    made = lists([1])
    with pytest.raises(KeyError, match="object"):
        made[0] = object()
    with pytest.raises(struct.error):
        made[0] = 1 << 70
    with pytest.raises(IndexError, match="assignment index out of range"):
        made[1] = 1
    with pytest.raises(TypeError):
        made["a"]
    with pytest.raises(TypeError):
        made[0:1]


def test_a_list_in_a_closed_block(lists: Any) -> None:
    made = lists([1])
    made.shm.close()
    for use in (len, repr, list, lambda it: it[0], lambda it: it.format):
        with pytest.raises(TypeError):
            use(made)


def test_pickling_a_list_makes_another_handle(lists: Any) -> None:
    made = lists([1, "two"])
    other = pickle.loads(pickle.dumps(made))
    assert type(other) is type(made)
    other[1] = "2"
    assert list(made) == [1, "2"]
    other.shm.close()


def test_types_of_lists_can_be_written(module: Any) -> None:
    assert repr(module.ShareableList[int]).endswith("shared_memory.ShareableList[int]")
