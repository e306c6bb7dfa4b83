"""The tests of typed segments keep to the types of the package, as their users must."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not there")
def test_typed_segments_are_strictly_typed() -> None:
    names = ["typed_peer.py", *(path.name for path in sorted(TESTS.glob("test_typed_*.py")))]
    command = [sys.executable, "-m", "mypy", "--strict", *names]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TESTS)
    assert done.returncode == 0, done.stdout + done.stderr
