"""Many threads at one handle: every answer is one that a single thread could have got."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

import shmkit
from children import LONG
from shmkit import SharedMemory


def together(count: int, act: Callable[[int], None]) -> None:
    begin = threading.Barrier(count)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            begin.wait(LONG)
            act(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert not errors, errors


def test_threads_count_under_the_lock(key: str) -> None:
    with SharedMemory.create(key, 64) as segment:
        numbers = segment.buf.cast("Q")

        def add(_: int) -> None:
            for _ in range(500):
                with segment.lock(timeout=LONG):
                    numbers[0] = numbers[0] + 1

        together(8, add)
        assert numbers[0] == 4000
        numbers.release()


def test_closing_while_others_use_it_is_an_error_or_the_end(key: str) -> None:
    for _ in range(50):
        segment = SharedMemory.create(key, 4096)

        def use(number: int) -> None:
            for _ in range(20):
                try:
                    if number == 0:
                        segment.close()
                    else:
                        segment.buf[0] = 1
                        segment.write_at(0, b"bytes")
                        with segment.lock(timeout=LONG):
                            segment.ndarray(16)[:] = number
                except (BufferError, ValueError):
                    pass

        together(4, use)
        try:
            segment.close()
        except BufferError as error:
            pytest.fail(str(error))
    with pytest.raises(shmkit.NotFoundError):
        SharedMemory.attach(key)


def test_one_of_many_gives_the_lock_back(key: str) -> None:
    with SharedMemory.create(key, 64) as segment:
        held = segment.lock()
        given: list[int] = []

        def give(number: int) -> None:
            try:
                held.release()
                given.append(number)
            except RuntimeError:
                pass

        together(8, give)
        assert len(given) == 1
        segment.lock(timeout=0).release()
