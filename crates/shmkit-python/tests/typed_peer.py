"""A real Rust program that shares typed segments with the tests: `crates/shmkit/examples/typed_peer.rs`."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Literal, Self

import pytest
import shmkit
from shm_child import Child

ROOT = Path(__file__).parents[3]


@functools.cache
def built(*target: str) -> str:
    """Has cargo build a program of the workspace, and returns where it is."""
    cargo = os.environ.get("CARGO") or shutil.which("cargo")
    if cargo is None:
        pytest.skip("there is no cargo to build a Rust peer with")
    command = [cargo, "build", "--quiet", "--message-format=json-render-diagnostics", *target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    messages = map(json.loads, done.stdout.splitlines())
    programs = [it["executable"] for it in messages if it.get("executable")]
    return str(programs[-1])


class Peer(Child):
    """The Rust program."""

    example = "typed_peer"

    def __init__(self) -> None:
        program = built("--package", "shmkit", "--example", self.example)
        self.process = subprocess.Popen(
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._heard = b""

    def __enter__(self) -> Self:
        return self

    def ask(self, order: str) -> str:
        self.say(order)
        return self.hear()

    def order(self, order: str) -> None:
        assert self.ask(order) == "ok"


class Mode(shmkit.Enum, repr=shmkit.u8):
    Off = 0
    On = 1


class Point(shmkit.Struct):
    x: shmkit.f32
    y: shmkit.f32


class State(shmkit.Struct):
    """The same as in the peer."""

    frames: shmkit.Mutex[shmkit.u64]
    table: shmkit.RwLock[shmkit.Array[shmkit.u32, Literal[4]]]
    ready: shmkit.Event
    changed: shmkit.Condition
    permits: shmkit.Semaphore
    start: shmkit.Barrier
    begun: shmkit.Once
    cell: shmkit.OnceCell[shmkit.u64]
    name: shmkit.ArrayString[Literal[28]]
    samples: shmkit.Array[shmkit.f64, Literal[4]]
    hits: shmkit.Atomic[shmkit.i64]
    corners: shmkit.Array[Point, Literal[2]]
    log: shmkit.Mutex[shmkit.RingBuffer[shmkit.u16, Literal[4]]]
    list: shmkit.Mutex[shmkit.ArrayVec[shmkit.u32, Literal[6]]]
    mode: Mode
    is_on: bool
    _pad: shmkit.Array[shmkit.u8, Literal[6]]


INIT = {
    "frames": 7,
    "table": [1, 2, 3, 4],
    "ready": "auto",
    "permits": 3,
    "start": 2,
    "name": "camera ä",
    "samples": [0.0, 0.5, -1.0, 1.7976931348623157e308],
    "hits": -5,
    "corners": [{"x": 1, "y": 2}, {"x": 3, "y": 4.5}],
    "mode": Mode.On,
    "is_on": True,
}
"""What the peer begins with, too."""
