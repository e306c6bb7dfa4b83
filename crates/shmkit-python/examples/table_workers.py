"""One big table for four workers, in memory once: `python table_workers.py [MEGABYTES]`.

The table is sealed: nobody can change it any more, so that each worker can rely on what it reads, and
it has no name, so that nothing can be left behind, whoever is killed. Workers get it as they get any
other argument; what travels is a descriptor and not the table.
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from typing import Any

import numpy
import shmkit

WORKERS = 4
ROW = numpy.dtype([("sensor", "u4"), ("flags", "u4"), ("value", "f8")])


def make_table(megabytes: float) -> shmkit.Sealed:
    rows = numpy.zeros(int(megabytes * 1e6) // ROW.itemsize, ROW)
    rows["sensor"] = numpy.arange(len(rows)) % 1000
    rows["value"] = numpy.sqrt(numpy.arange(len(rows)))
    return shmkit.Sealed("table", rows)


def rows_of(table: shmkit.Sealed) -> Any:
    return numpy.frombuffer(table.buf, ROW)


def analyse(task: tuple[shmkit.Sealed, int]) -> tuple[int, float, str]:
    """One worker's part: the sum of every fourth sensor. Also which memory it is that it reads."""
    table, number = task
    rows = rows_of(table)
    mine = rows[rows["sensor"] % WORKERS == number]
    return number, float(mine["value"].sum()), memory_of(table)


def memory_of(table: shmkit.Sealed) -> str:
    """Device and inode of what is mapped: whoever says the same reads the same bytes."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next(":".join(line.split()[3:5]) for line in lines if f"/{table.name}" in line)


def main() -> None:
    megabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 400.0
    with make_table(megabytes) as table:
        size, seals = f"{table.size / 1e6:.0f} MB", ", ".join(table.seals)
        print(f"{table.name}: {size}, sealed: {seals}; memory {memory_of(table)}")
        context = multiprocessing.get_context("spawn")
        with context.Pool(WORKERS) as workers:
            total = 0.0
            for number, result, memory in workers.imap_unordered(
                analyse, [(table, number) for number in range(WORKERS)]
            ):
                print(f"worker {number}: {result:.6e}, of memory {memory}")
                total += result
        expected = float(rows_of(table)["value"].sum())
        assert abs(total - expected) <= 1e-9 * expected
        print(f"together: {total:.6e}, as one process adds it up")


if __name__ == "__main__":
    main()
