"""shmkit against the other ways to share memory from Python, in one run, as ratios.

All rivals take turns in each round, in another order, so that what else the machine does meets them alike. Run it with
`cargo xtask bench python`, which installs a release build; `--quick` is for looking whether it works.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import cycles
import handing
import imports
import locks

Rivals = dict[str, Callable[[], float]]


@dataclass
class Group:
    """Ways to do the same thing. Each call does it once and says what it took."""

    title: str
    unit: str
    rounds: int
    ours: str
    ways: Rivals


def measure(group: Group, rounds: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in group.ways}
    for act in group.ways.values():
        act()
    names = list(group.ways)
    order = random.Random(1)
    for _ in range(rounds):
        # Whoever always came after the same one would pay for what that leaves in the caches.
        order.shuffle(names)
        for name in names:
            taken[name].append(group.ways[name]())
    return taken


def show(group: Group, taken: dict[str, list[float]]) -> None:
    print(f"\n### {group.title}\n")
    print(f"| way | min {group.unit} | median {group.unit} | {group.ours} / this: min | median |")
    print("| --- | --- | --- | --- | --- |")
    ours = taken[group.ours]
    for name, values in taken.items():
        low, middle = min(values), statistics.median(values)
        ratios = [min(ours) / low, statistics.median(ours) / middle]
        shown = ["", ""] if name == group.ours else [f"{ratio:.3f}" for ratio in ratios]
        print(f"| {name} | {low:.4g} | {middle:.4g} | {shown[0]} | {shown[1]} |", flush=True)


def load() -> str:
    """How busy the machine is: the average, and what of the last half second was others'."""
    def idle() -> tuple[int, int]:
        with open("/proc/stat") as stat:
            times = [int(word) for word in stat.readline().split()[1:]]
        return times[3] + times[4], sum(times)

    before = idle()
    time.sleep(0.5)
    after = idle()
    busy = 1 - (after[0] - before[0]) / max(1, after[1] - before[1])
    average = ", ".join(f"{it:.1f}" for it in os.getloadavg())
    return f"load average {average}; {busy:.0%} of the processors busy with others' work"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("only", nargs="*", help="imports, cycles, locks, handing")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, Linux {platform.release()}; {os.cpu_count()} CPUs")
    print(f"before: {load()}")
    for module in (imports, cycles, locks, handing):
        if arguments.only and module.__name__ not in arguments.only:
            continue
        with module.groups() as groups:
            for title, unit, rounds, ours, ways in groups:
                group = Group(title, unit, rounds, ours, ways)
                show(group, measure(group, 3 if arguments.quick else rounds))
    print(f"\nafter: {load()}")


if __name__ == "__main__":
    main()
