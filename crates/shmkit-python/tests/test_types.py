"""The stubs say what is there, and the package and its tests keep to them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def check(*arguments: str) -> None:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not there")
def test_the_stubs_are_true() -> None:
    allowed = str(TESTS / "stubtest_allowed.txt")
    check("mypy.stubtest", "shmkit", "--allowlist", allowed, "--ignore-unused-allowlist")


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not there")
def test_the_package_and_the_tests_are_strictly_typed() -> None:
    # The installed package, as users have it.
    check("mypy", "--strict", "--package", "shmkit")
    names = "asyncio buffers files handover inspect key lock segment signals types"
    names += " qt_agreement qt_docs qt_keys qt_memory qt_processes qt_threads"
    helpers = ["children.py", *(f"qt_{name}.py" for name in ("cases", "differences", "peer", "support"))]
    own = [*helpers, *(f"test_{name}.py" for name in names.split())]
    check("mypy", "--strict", *own)
    check("mypy", "--strict", "shm_child.py", *map(str, TESTS.glob("test_shared_*.py")))
