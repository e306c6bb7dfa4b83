"""Processes of real CPython, with its own `multiprocessing.shared_memory`, against ours."""

from __future__ import annotations

import multiprocessing.managers
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from shm_child import Child
from shmkit import shared_memory

SHM = Path("/dev/shm")

ITEMS: list[Any] = [1, -5, 2.5, True, None, "text", "héllo", b"bytes", ""]


@cache
def python_3_13() -> str | None:
    """A Python whose `SharedMemory` knows `track`."""
    asked = "import sys; assert sys.version_info >= (3, 13); import _posixshmem"
    installed = sorted(Path("~/.pyenv/versions").expanduser().glob("3.1[3-9]*/bin/python3"))
    for python in (sys.executable, "python3.14", "python3.13", *map(str, installed)):
        try:
            subprocess.run([python, "-c", asked], check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            continue
        return python
    return None


@pytest.fixture(params=["this", "3.13"])
def python(request: pytest.FixtureRequest) -> str:
    if request.param == "this":
        return sys.executable
    found = python_3_13()
    if found is None:
        pytest.skip("there is no Python 3.13")
    return found


REAL = """
from multiprocessing.shared_memory import SharedMemory, ShareableList
KEY = sys.argv[1]
"""


def test_the_real_one_reads_and_writes_a_block_of_ours(key: str, python: str) -> None:
    ours = shared_memory.SharedMemory(key, create=True, size=10)
    ours.buf[:5] = b"hello"
    code = REAL + """
block = SharedMemory(KEY)
say(bytes(block.buf[:5]).decode(), block.size)
block.buf[:5] = b"HELLO"
block.close()
"""
    with Child(code, key, python=python) as theirs:
        theirs.expect("hello 10")
        theirs.process.wait(60)
    assert bytes(ours.buf[:5]) == b"HELLO"
    ours.close()


def test_ours_reads_and_writes_a_block_of_the_real_one(key: str, python: str) -> None:
    code = REAL + """
block = SharedMemory(KEY, create=True, size=10)
block.buf[:5] = b"hello"
say("made")
hear()
say(bytes(block.buf[:5]).decode())
block.close()
block.unlink()
"""
    with Child(code, key, python=python) as theirs:
        theirs.expect("made")
        ours = shared_memory.SharedMemory(key)
        assert (bytes(ours.buf[:5]), ours.size) == (b"hello", 10)
        ours.buf[:5] = b"HELLO"
        ours.close()
        assert (SHM / key).exists()
        theirs.say("go on")
        theirs.expect("HELLO")
        assert theirs.finish() == ""
    assert not (SHM / key).exists()


def test_lists_have_the_same_bytes(key: str) -> None:
    from multiprocessing.shared_memory import ShareableList

    theirs: Any = ShareableList(ITEMS)
    ours = shared_memory.ShareableList(ITEMS)
    assert bytes(theirs.shm.buf) == bytes(ours.shm.buf)
    changes: list[tuple[int, Any]] = [(0, "x"), (1, None), (5, 7), (7, "é"), (3, b"12345678"), (2, False), (4, -1.5)]
    for index, value in changes:
        theirs[index] = value
        ours[index] = value
        assert bytes(theirs.shm.buf) == bytes(ours.shm.buf)
    for made in (theirs, ours):
        made.shm.close()
        made.shm.unlink()


def test_the_real_one_uses_a_list_of_ours(key: str, python: str) -> None:
    ours = shared_memory.ShareableList(ITEMS, name=key)
    code = REAL + """
items = ShareableList(name=KEY)
say(list(items), items.format, items.index("text"))
items[0] = 99
items[5] = "new"
say(ascii(list(items)))
items.shm.close()
"""
    with Child(code, key, python=python) as theirs:
        theirs.expect(f"{ITEMS} {ours.format} 5")
        theirs.expect(ascii([99, *ITEMS[1:5], "new", *ITEMS[6:]]))
        theirs.process.wait(60)
    assert (ours[0], ours[5]) == (99, "new")
    ours.shm.close()


def test_ours_uses_a_list_of_the_real_one(key: str, python: str) -> None:
    code = REAL + f"""
items = ShareableList({ITEMS!a}, name=KEY)
say("made")
hear()
say(items[0], items[5])
items.shm.close()
items.shm.unlink()
"""
    with Child(code, key, python=python) as theirs:
        theirs.expect("made")
        ours: Any = shared_memory.ShareableList(name=key)
        assert list(ours) == ITEMS
        ours[0], ours[5] = 99, "new"
        ours.shm.close()
        theirs.say("go on")
        theirs.expect("99 new")
        theirs.finish()


def test_the_tracker_of_the_real_one_takes_the_name_but_not_the_memory(key: str, python: str) -> None:
    """What we cannot prevent: an unlink is an unlink. Those who have the block keep it."""
    ours = shared_memory.SharedMemory(key, create=True, size=10)
    with Child(REAL + "SharedMemory(KEY).close()", key, python=python) as theirs:
        assert "leaked shared_memory" in theirs.finish()
    assert not (SHM / key).exists()
    ours.buf[0] = 1
    assert ours.buf[0] == 1
    ours.close()


def test_a_block_survives_a_real_one_that_does_not_track(key: str) -> None:
    python = python_3_13()
    if python is None:
        pytest.skip("there is no Python 3.13")
    ours = shared_memory.SharedMemory(key, create=True, size=10)
    with Child(REAL + "SharedMemory(KEY, track=False).close()", key, python=python) as theirs:
        assert theirs.finish() == ""
    assert (SHM / key).exists()
    ours.close()
    ours.unlink()


def test_a_block_survives_a_real_one_that_unregisters_it(key: str) -> None:
    """What docs/PYTHON-SHARED-MEMORY.md advises for Python before 3.13."""
    ours = shared_memory.SharedMemory(key, create=True, size=10)
    code = REAL + """
from multiprocessing import resource_tracker
block = SharedMemory(KEY)
resource_tracker.unregister(block._name, "shared_memory")
block.close()
"""
    with Child(code, key) as theirs:
        assert theirs.finish() == ""
    assert (SHM / key).exists()
    ours.close()
    ours.unlink()


def test_track_means_the_same_as_in_3_13(key: str) -> None:
    """Creator ends without unlinking: gone if tracked, there if not."""
    python = python_3_13()
    if python is None:
        pytest.skip("there is no Python 3.13")
    outcomes = {}
    for module, interpreter in (("multiprocessing", python), ("shmkit", sys.executable)):
        for track in (True, False):
            code = f"""
                from {module}.shared_memory import SharedMemory
                SharedMemory(sys.argv[1], create=True, size=10, track={track}).close()
            """
            with Child(code, key, python=interpreter, is_stranger=True) as creator:
                creator.finish()
            outcomes[module, track] = (SHM / key).exists()
            (SHM / key).unlink(missing_ok=True)
    assert outcomes == {
        ("multiprocessing", True): False,
        ("shmkit", True): False,
        ("multiprocessing", False): True,
        ("shmkit", False): True,
    }


def test_blocks_of_a_shared_memory_manager_are_for_ours_too() -> None:
    with multiprocessing.managers.SharedMemoryManager() as manager:
        theirs: Any = manager.SharedMemory(size=10)
        items = manager.ShareableList(ITEMS)
        ours = shared_memory.SharedMemory(theirs.name)
        ours.buf[0] = 5
        assert theirs.buf[0] == 5
        ours.close()
        attached: shared_memory.ShareableList[Any] = shared_memory.ShareableList(name=items.shm.name)
        assert list(attached) == ITEMS
        attached.shm.close()
    assert not (SHM / theirs.name).exists()


def test_a_block_of_another_user_is_attached_to_where_permissions_allow(key: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has other users")
    with shared_memory_of_nobody(key):
        ours = shared_memory.SharedMemory(key)
        assert ours.size == 10
        ours.close()


def shared_memory_of_nobody(key: str) -> Child:
    code = """
        os.setgid(65534), os.setuid(65534)
        with open("/dev/shm/" + sys.argv[1], "wb") as block:
            block.write(bytes(10))
        say("made")
        hear()
    """
    child = Child(code, key)
    child.expect("made")
    return child
