"""What an import costs: time and memory, each in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MODULES = [
    "shmkit",
    "shmkit.shared_memory",
    "shmkit.qt",
    "multiprocessing.shared_memory",
    "PyQt6.QtCore",
    "posix_ipc",
    "sysv_ipc",
]

PROGRAM = """
import sys, time
def private():
    with open('/proc/self/smaps_rollup') as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith('Private'))
before = private()
start = time.perf_counter_ns()
__import__(sys.argv[1])
taken = time.perf_counter_ns() - start
print(taken / 1e6, private() - before)
"""


def fresh(module: str, column: int) -> Callable[[], float]:
    def run() -> float:
        command = [sys.executable, "-c", PROGRAM, module]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return max(float(done.stdout.split()[column]), 0.01)

    return run


@contextmanager
def groups() -> Iterator[list[tuple[str, str, int, str, dict[str, Callable[[], float]]]]]:
    found = []
    for module in MODULES:
        if subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True).returncode == 0:
            found.append(module)
    yield [
        ("Import, time", "ms", 25, "shmkit", {it: fresh(it, 0) for it in found}),
        ("Import, private memory", "KiB", 7, "shmkit", {it: fresh(it, 1) for it in found}),
    ]
