"""Tasks of asyncio that wait for primitives: many, without threads, and cancelled at any moment."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest
import shmkit
from children import LONG, child

SOON = 0.05


def threads_of_this_process() -> int:
    return len(os.listdir("/proc/self/task"))


def test_a_thousand_tasks_wait_without_a_thread_each(key: str) -> None:
    permits = shmkit.Semaphore(key)

    async def main() -> None:
        before = threading.active_count(), threads_of_this_process()
        tasks = [asyncio.create_task(permits.acquire_async(LONG)) for _ in range(1000)]
        await asyncio.sleep(SOON)
        # One of the library's for every 127 that wait.
        assert threading.active_count() == before[0]
        assert threads_of_this_process() - before[1] <= 10
        permits.release(1000)
        await asyncio.wait_for(asyncio.gather(*tasks), LONG)

    asyncio.run(main())
    assert permits.available == 0


def test_tasks_exclude_each_other_and_other_processes(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    add = """
    mutex = shmkit.Mutex[shmkit.u64](sys.argv[1])
    say("ready")
    for _ in range(200):
        with mutex as held:
            held.value += 1
    """

    async def count() -> None:
        for _ in range(10):
            async with mutex.lock_async(LONG) as held:
                before = held.value
                await asyncio.sleep(0)
                held.value = before + 1

    async def main() -> None:
        await asyncio.gather(*(count() for _ in range(30)))

    with child(add, key) as other:
        other.expect("ready")
        asyncio.run(main())
        other.finish()
    with mutex as held:
        assert held.value == 500


def test_a_task_is_told_of_a_death_and_of_the_holder(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    hold = """
    held = shmkit.Mutex[shmkit.u64](sys.argv[1]).lock()
    held.value = 4
    say("held")
    park()
    """

    async def main() -> None:
        with child(hold, key) as holder:
            holder.expect("held")
            with pytest.raises(shmkit.TimedOutError, match=str(holder.pid)):
                await mutex.lock_async(SOON)
            waits = asyncio.create_task(take())
            await asyncio.sleep(SOON)
            holder.kill()
            await waits

    async def take() -> None:
        async with mutex.lock_async(LONG) as held:
            assert held.owner_died and held.value == 4
            held.mark_recovered()

    asyncio.run(main())


def test_the_loop_goes_on_while_a_task_waits(key: str) -> None:
    event = shmkit.Event(key)

    async def main() -> None:
        waits = asyncio.create_task(event.wait_async(LONG))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not waits.done()
        event.set()
        await waits
        await event.wait_async()
        event.reset()
        with pytest.raises(shmkit.TimedOutError):
            await event.wait_async(SOON)

    asyncio.run(main())


def test_a_cancelled_task_takes_nothing_along(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    permits = shmkit.Semaphore(key + "-permits")
    start = shmkit.Barrier(key + "-start", 2)
    event = shmkit.Event(key + "-event", auto=True)
    table = shmkit.RwLock[shmkit.u64](key + "-table")

    async def lock() -> None:
        async with mutex.lock_async(LONG) as held:
            held.value += 1

    async def main() -> None:
        held, writer = mutex.lock(), table.write()
        waits: list[Any] = [
            lock(),
            permits.acquire_async(),
            start.wait_async(),
            event.wait_async(),
            table.read_async()._wait(),
            table.write_async()._wait(),
        ]
        tasks = [asyncio.create_task(it) for it in waits]
        await asyncio.sleep(SOON)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError] * len(tasks)
        held.release()
        writer.release()
        assert start.waiting == 0
        event.set()
        event.wait(0)
        permits.release()
        permits.acquire(0)
        with mutex.lock(0) as again, table.write(0):
            assert again.value == 0

    asyncio.run(main())


def test_a_task_cancelled_just_when_it_is_let_through_passes_an_event_on(key: str) -> None:
    event = shmkit.Event(key, auto=True)

    async def main() -> None:
        for round_ in range(100):
            task = asyncio.create_task(event.wait_async(LONG))
            await asyncio.sleep(0 if round_ % 2 else 0.0005)
            event.set()
            await asyncio.sleep(0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                # It is set, for whoever comes next.
                event.wait(0)

    asyncio.run(main())
    assert not event.is_set


def test_tasks_cancelled_just_when_their_wait_ends_lose_no_permit(key: str) -> None:
    permits = shmkit.Semaphore(key)

    async def main() -> int:
        taken = 0
        for round_ in range(200):
            task = asyncio.create_task(permits.acquire_async(LONG))
            await asyncio.sleep(0 if round_ % 2 else 0.0005)
            permits.release()
            if round_ % 3:
                await asyncio.sleep(0)
            task.cancel()
            try:
                await task
                taken += 1
            except asyncio.CancelledError:
                pass
        return taken

    taken = asyncio.run(main())
    assert permits.available == 200 - taken


def test_readers_and_writers_barriers_and_conditions_are_for_tasks_too(key: str) -> None:
    table = shmkit.RwLock[shmkit.u64](key)
    start = shmkit.Barrier(key + "-start", 3)
    letters = shmkit.Mutex[shmkit.u64](key + "-letters")
    arrived = shmkit.Condition(key + "-arrived")

    async def read() -> bool:
        async with table.read_async() as held:
            assert held.value == 1
            return await start.wait_async(LONG)

    async def wait() -> int:
        async with letters.lock_async() as held:
            while held.value == 0:
                assert await arrived.wait_async(held, LONG)
            return held.value

    async def main() -> None:
        async with table.write_async() as held:
            held.value = 1
        leaders = await asyncio.gather(*(read() for _ in range(3)))
        assert sorted(leaders) == [False, False, True]
        waits = [asyncio.create_task(wait()) for _ in range(5)]
        await asyncio.sleep(SOON)
        async with letters.lock_async() as held:
            held.value = 6
        arrived.notify_all()
        assert await asyncio.gather(*waits) == [6] * 5
        held = await letters.lock_async()
        assert not await arrived.wait_async(held, SOON)
        waiting = asyncio.create_task(arrived.wait_async(held))
        # Until it waits; it looks up after 50 ms at the latest.
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert held.released
        letters.lock(0).release()

    asyncio.run(main())


def test_a_loop_that_is_closed_while_tasks_wait_leaves_nothing(key: str) -> None:
    mutex: shmkit.Mutex[None] = shmkit.Mutex(key)
    script = """
    import asyncio
    mutex = shmkit.Mutex(sys.argv[1])
    async def main():
        waits = asyncio.create_task(mutex.lock_async(None)._wait())
        say("waits")
        await asyncio.sleep(0.05)
    asyncio.run(main())
    say("ended")
    """
    with mutex, child(script, key) as other:
        other.expect("waits")
        other.expect("ended")
        other.finish()
    with mutex.lock(0) as held:
        assert not held.owner_died
