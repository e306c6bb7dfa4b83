"""Waiting in an event loop, which goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import shmkit
from children import LONG, child
from test_lock import HOLD


def run(main: object) -> None:
    asyncio.run(asyncio.wait_for(main, LONG))  # type: ignore[arg-type]


def test_a_lock_is_taken_and_given_back(key: str) -> None:
    async def main() -> None:
        with shmkit.SharedMemory.create(key, 64) as segment:
            async with segment.lock_async() as held:
                assert not held.owner_died
                assert segment.try_lock() is None
            held = await segment.lock_async(timeout=1)
            assert segment.try_lock() is None
            held.release()

    run(main())


def test_the_loop_goes_on_while_a_task_waits(key: str) -> None:
    async def main() -> None:
        with shmkit.SharedMemory.create(key, 64) as segment:
            turns = 0
            held = segment.lock()
            waiter = asyncio.ensure_future(segment.lock_async(timeout=LONG))
            while turns < 50:
                await asyncio.sleep(0.001)
                turns += 1
            assert not waiter.done()
            held.release()
            (await waiter).release()

    run(main())


def test_a_time_out_is_an_error(key: str) -> None:
    async def main() -> None:
        with shmkit.SharedMemory.create(key, 64) as segment, segment.lock():
            with pytest.raises(shmkit.TimedOutError):
                await segment.lock_async(timeout=0.02)

    run(main())


def test_a_cancelled_task_does_not_have_the_lock(key: str) -> None:
    async def main() -> None:
        with shmkit.SharedMemory.create(key, 64) as segment:
            for pause in [0, 0.001, 0.01, 0.03]:
                held = segment.lock()

                async def wait() -> None:
                    async with segment.lock_async(timeout=None):
                        await asyncio.sleep(LONG)

                waiter = asyncio.ensure_future(wait())
                await asyncio.sleep(pause)
                waiter.cancel()
                held.release()
                with pytest.raises(asyncio.CancelledError):
                    await waiter
                # Whatever its thread did in the meantime.
                (await segment.lock_async(timeout=LONG)).release()

    run(main())


def test_many_tasks_take_turns(key: str) -> None:
    async def main() -> None:
        with shmkit.SharedMemory.create(key, 64) as segment:

            async def add() -> None:
                for _ in range(10):
                    async with segment.lock_async(timeout=LONG):
                        value = segment[0]
                        await asyncio.sleep(0)
                        segment[0] = value + 1

            await asyncio.gather(*(add() for _ in range(8)))
            assert segment[0] == 80

    run(main())


def test_a_task_learns_of_an_owners_death(key: str) -> None:
    async def main() -> None:
        with shmkit.SharedMemory.create(key, 64) as segment, child(HOLD, key) as holder:
            holder.expect("locked")
            waiter = asyncio.ensure_future(segment.lock_async(timeout=LONG))
            await asyncio.sleep(0.02)
            holder.kill()
            held = await waiter
            assert held.owner_died
            held.release()

    run(main())


def test_any_wait_can_be_awaited_and_cancelled(key: str) -> None:
    async def main() -> None:
        with shmkit.SharedMemory.create(key, 64, capacity=4096) as segment:
            growth = asyncio.ensure_future(shmkit.to_thread(segment.wait_for_growth, 64))
            await asyncio.sleep(0.01)
            segment.grow(128)
            assert await growth == 128
            removal = asyncio.ensure_future(shmkit.to_thread(shmkit.wait_for, key, "removed"))
            await asyncio.sleep(0.01)
            removal.cancel()
            with pytest.raises(asyncio.CancelledError):
                await removal
            # Its thread lets go of the segment soon.
            deadline = time.monotonic() + LONG
            while any(thread.name == "shmkit-wait" for thread in threading.enumerate()):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.001)

    run(main())


def test_a_loop_that_ends_leaves_no_lock_taken(key: str) -> None:
    with shmkit.SharedMemory.create(key, 64) as segment:
        held = segment.lock()

        async def main() -> None:
            asyncio.ensure_future(segment.lock_async(timeout=None))
            await asyncio.sleep(0.02)

        asyncio.run(main())
        held.release()
        segment.lock(timeout=LONG).release()
