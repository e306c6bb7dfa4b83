"""Children of tests: real processes, which die with the test and say a line when they are ready."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator

LONG = 20.0
"""Seconds: longer than anything here takes."""

_PREAMBLE = """
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(1, signal.SIGKILL)

def say(word):
    print(word, flush=True)

def park():
    sys.stdin.read()
"""


class Child:
    """A Python program that runs until its test is over."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._heard = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self, limit: float = LONG) -> str:
        """The next line that it says."""
        assert self.process.stdout is not None
        end = time.monotonic() + limit
        # Not by `readline`: what that has read ahead `select` knows nothing of.
        while b"\n" not in self._heard:
            left = max(0.0, end - time.monotonic())
            ready, _, _ = select.select([self.process.stdout], [], [], left)
            assert ready, "the child says nothing"
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                break
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def expect(self, word: str) -> None:
        line = self.line()
        if line != word:
            self.process.kill()
            _, errors = self.process.communicate()
            raise AssertionError(f"the child said {line!r} and not {word!r}: {errors}")

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(LONG)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def finish(self) -> str:
        """Lets it end, which it must do well; the rest of what it said."""
        output, errors = self.process.communicate(timeout=LONG)
        assert self.process.returncode == 0, errors
        assert not errors, errors
        return self._heard.decode() + output


@contextlib.contextmanager
def child(
    script: str, *args: str, imports: bool = True, **popen: object
) -> Iterator[Child]:
    """Runs a script, after a preamble that has ``say`` and ``park`` and imports shmkit."""
    script = ("import shmkit\n" if imports else "") + textwrap.dedent(script)
    command = [sys.executable, "-u", "-c", _PREAMBLE + script, *args]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, **pipes, **popen)  # type: ignore[call-overload]
    try:
        yield Child(process)
    finally:
        process.kill()
        process.communicate()


def in_fork(act: object) -> int:
    """Runs ``act()`` in a forked child; its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            act()  # type: ignore[operator]
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)
