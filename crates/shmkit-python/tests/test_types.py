"""The stubs say what is there, and the package and its tests keep to them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent


def check(*arguments: str) -> None:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_are_true() -> None:
    allowed = str(TESTS / "stubtest_allowed.txt")
    check("mypy.stubtest", "shmkit", "--allowlist", allowed, "--ignore-unused-allowlist")


def test_the_package_and_the_tests_are_strictly_typed() -> None:
    # The installed package, as users have it.
    check("mypy", "--strict", "--package", "shmkit")
    check("mypy", "--strict", *(path.name for path in sorted(TESTS.glob("*.py"))))
