"""The examples do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_four_workers_read_one_table_that_is_in_memory_once() -> None:
    pytest.importorskip("numpy")
    command = [sys.executable, str(EXAMPLES / "table_workers.py"), "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "20 MB, sealed: " in lines[0] and "write" in lines[0]
    memory = lines[0].rpartition(" ")[2]
    workers = sorted(line for line in lines if line.startswith("worker"))
    assert [line[:9] for line in workers] == [f"worker {number}:" for number in range(4)]
    assert all(line.endswith(f" of memory {memory}") for line in workers)
    assert lines[-1].startswith("together: ")
