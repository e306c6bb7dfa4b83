"""What all tests share: names of their own, clean-up, and a last line that `cargo xtask` reads."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

_count = itertools.count()

# A shell that starts this in the background has Ctrl+C ignored, and every process that is started
# from here would inherit that. A signal that is handled is not ignored after exec.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def key() -> Iterator[str]:
    """A key that nobody else uses; what is left under it, and names that begin so, is removed."""
    name = f"shmkit-test-py-{os.getpid()}-{next(_count)}"
    yield name
    for pattern in (name, f"{name}-*", f"sem.{name}", f"sem.{name}-*"):
        for leftover in Path("/dev/shm").glob(pattern):
            leftover.unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how it went in the words of Rust's tests, which are counted."""

    def count(*outcomes: str) -> int:
        return sum(len(terminalreporter.stats.get(it, ())) for it in outcomes)

    failed = count("failed", "error")
    verdict = "FAILED" if failed else "ok"
    terminalreporter.write_line(
        f"test result: {verdict}. {count('passed')} passed; {failed} failed; {count('skipped')} ignored;"
    )
