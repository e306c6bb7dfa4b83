"""Real processes for the tests of `shmkit.shared_memory` and `SharedArray`: they talk by lines, they
never outlive the test, and no wait for them is without limit."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import textwrap
import time
from types import TracebackType

LIMIT = 60.0
"""Seconds; a watchdog only."""

_PREAMBLE = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
def say(*words): print(*words, flush=True)
def hear(): return sys.stdin.readline().strip()
"""


class Child:
    """A Python process that runs `code`, with `args` in `sys.argv[1:]`."""

    def __init__(
        self,
        code: str,
        *args: str,
        python: str = sys.executable,
        env: dict[str, str] | None = None,
        is_stranger: bool = False,
    ) -> None:
        environment = os.environ | (env or {})
        if is_stranger:  # Of no family but its own.
            environment.pop("SHMKIT_FAMILY", None)
        program = _PREAMBLE + textwrap.dedent(code)
        self.process = subprocess.Popen(
            [python, "-c", program, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self._heard = b""

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                pass

    def hear(self, limit: float = LIMIT) -> str:
        """The next line that it says."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + limit
        while b"\n" not in self._heard:
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            assert ready, "the child says nothing"
            more = os.read(self.process.stdout.fileno(), 65536)
            assert more, f"the child has ended: {self.errors()}"
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def expect(self, line: str) -> None:
        assert self.hear() == line

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """`kill -9`; it is gone afterwards."""
        self.process.kill()
        self.process.wait(LIMIT)

    def finish(self) -> str:
        """Waits for its end, which must be a good one; what it wrote to stderr."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        status = self.process.wait(LIMIT)
        errors = self.errors()
        assert status == 0, errors
        return errors

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()
