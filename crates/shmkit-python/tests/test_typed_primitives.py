"""The primitives under keys of their own: threads, forks, children of all kinds, kills, signals."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import pytest
import shmkit
from children import LONG, child, in_fork

SOON = 0.05
"""Seconds, for waits that are to end in vain."""


def in_thread(act: Callable[[], object]) -> None:
    """Runs it in a thread to its end, and fails as it does."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(LONG)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


def until_asleep(count: Callable[[], object]) -> None:
    end = time.monotonic() + LONG
    while not count():
        assert time.monotonic() < end
        time.sleep(0.001)


def is_asleep(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


HOLD = """
mutex = shmkit.Mutex[shmkit.u64](sys.argv[1])
mutex.set_label("the child")
held = mutex.lock()
held.value += 1
say("held")
park()
"""


def test_a_time_out_names_the_holder_and_its_label(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    with child(HOLD, key) as holder:
        holder.expect("held")
        begun = time.monotonic()
        with pytest.raises(shmkit.TimedOutError) as ended:
            mutex.lock(SOON)
        assert time.monotonic() - begun >= SOON
        assert f"process {holder.pid}" in str(ended.value)
        assert '"the child"' in str(ended.value)
        assert isinstance(ended.value, TimeoutError) and ended.value.key == mutex.key
        with pytest.raises(shmkit.WouldBlockError):
            mutex.lock(0)
        found = mutex.holder()
        assert found is not None and found.is_alive
        assert (found.pid, found.label) == (holder.pid, "the child")
        assert found.held_for is not None and found.held_for > 0
        holder.finish()
    with mutex as held:
        # It ended with the lock in a global: given back, or taken over after its death.
        assert held.value == 1
        if held.owner_died:
            held.mark_recovered()
    assert mutex.holder() is None


def test_the_next_one_is_told_that_the_owner_was_killed(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    with child(HOLD, key) as holder:
        holder.expect("held")
        holder.kill()
    with mutex.lock(LONG) as held:
        assert held.owner_died and held.value == 1
        held.mark_recovered()
    with mutex as held:
        assert not held.owner_died


def test_what_nobody_recovers_is_poisoned_until_somebody_does(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    with child(HOLD, key) as holder:
        holder.expect("held")
        holder.kill()
    with mutex.lock(LONG) as held:
        assert held.owner_died
    assert mutex.is_poisoned
    with pytest.raises(shmkit.PoisonedError):
        mutex.lock()
    with mutex.lock_poisoned() as held:
        assert held.owner_died
        held.value = 0
        held.mark_recovered()
    assert not mutex.is_poisoned
    with mutex as held:
        assert held.value == 0


def test_an_exception_poisons_what_was_written_and_nothing_else(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    with pytest.raises(KeyError), mutex.lock() as held:
        assert held.value == 0
        raise KeyError
    assert not mutex.is_poisoned, "it was only looked at"
    with pytest.raises(KeyError), mutex:
        raise KeyError
    assert not mutex.is_poisoned
    with pytest.raises(KeyError), mutex as held:
        held.value = 1
        raise KeyError
    assert mutex.is_poisoned
    mutex.clear_poison()
    mutex.lock().poison()
    assert mutex.is_poisoned
    table = shmkit.RwLock[shmkit.u64](key + "-table")
    with pytest.raises(KeyError), table.read():
        raise KeyError
    with pytest.raises(KeyError), table.write() as held:
        held.value = 1
        raise KeyError
    with pytest.raises(shmkit.PoisonedError):
        table.read()
    with table.write_poisoned() as held:
        held.mark_recovered()
    with table.read() as held:
        assert held.value == 1


def test_threads_and_processes_exclude_each_other(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    add = """
    mutex = shmkit.Mutex[shmkit.u64](sys.argv[1])
    say("ready")
    sys.stdin.readline()
    for _ in range(500):
        with mutex as held:
            held.value += 1
    """

    def count() -> None:
        for _ in range(500):
            with mutex as held:
                held.value += 1

    with child(add, key) as one, child(add, key) as two:
        for other in (one, two):
            other.expect("ready")
            other.tell("go")
        threads = [threading.Thread(target=count) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        one.finish()
        two.finish()
    with mutex as held:
        assert held.value == 2500


def test_waiting_lets_other_threads_run(key: str) -> None:
    mutex: shmkit.Mutex[None] = shmkit.Mutex(key)
    held = mutex.lock()
    ended: list[bool] = []

    def wait() -> None:
        with mutex.lock(LONG):
            ended.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    until_asleep(lambda: (it := mutex.holder()) is not None and it.held_for is not None)
    assert not ended
    held.release()
    thread.join(LONG)
    assert ended


def test_a_guard_may_be_given_back_by_another_thread_but_a_recursive_one_not(key: str) -> None:
    mutex: shmkit.Mutex[None] = shmkit.Mutex(key)
    held = mutex.lock()
    in_thread(held.release)
    with mutex.lock(0):
        pass
    again: shmkit.RecursiveMutex[None] = shmkit.RecursiveMutex(key + "-again")
    with again as first, again as second, again.lock(0):
        assert not first.released and not second.released
        with pytest.raises(shmkit.WouldBlockError):
            in_thread(lambda: again.lock(0))
        with pytest.raises(RuntimeError, match="held by another thread"):
            in_thread(second.release)
        with pytest.raises(RuntimeError, match="held by another thread"):
            in_thread(second.mark_recovered)
        assert not second.released
    in_thread(lambda: again.lock(0).release())


def test_the_last_view_of_a_recursive_lock_may_go_in_another_thread(key: str) -> None:
    mutex = shmkit.RecursiveMutex[shmkit.Array[shmkit.u8, Literal[16]]](key)
    held = mutex.lock()
    view = held.value.buf
    with pytest.raises(shmkit.StillInUseError):
        held.release()
    in_thread(view.release)
    with pytest.raises(shmkit.WouldBlockError):
        in_thread(lambda: mutex.lock(0))
    held.release()
    in_thread(lambda: mutex.lock(0).release())


def test_a_forgotten_guard_gives_the_lock_back(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    held = mutex.lock()
    held.value = 3
    del held
    gc.collect()
    held = mutex.lock(0)
    cycle: list[Any] = [held]
    cycle.append(cycle)
    del held, cycle
    gc.collect()
    with mutex.lock(0) as again:
        assert again.value == 3


def test_a_guard_keeps_the_segment_and_the_segment_the_guard(key: str) -> None:
    held = shmkit.Mutex[shmkit.u64](key).lock()
    gc.collect()
    held.value = 5
    assert held.value == 5
    held.release()


def test_a_forked_child_has_none_of_its_parents_locks(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    held = mutex.lock()

    def scene() -> None:
        try:
            mutex.lock(SOON)
        except shmkit.TimedOutError as error:
            assert str(os.getppid()) in str(error)
        else:
            raise AssertionError("the child has it, too")
        held.release()

    assert in_fork(scene) == 0
    with pytest.raises(shmkit.WouldBlockError):
        mutex.lock(0)
    held.value = 1
    held.release()

    def add() -> None:
        with mutex.lock(LONG) as held:
            held.value += 1

    assert in_fork(add) == 0
    with mutex as held:
        assert held.value == 2


def test_a_forked_child_that_dies_with_a_lock_is_noticed(key: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)

    def die() -> None:
        held = mutex.lock()
        held.value = 9
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_fork(die) == -signal.SIGKILL
    with mutex.lock(LONG) as held:
        assert held.owner_died and held.value == 9
        held.mark_recovered()


def _add(mutex: shmkit.Mutex[int], done: shmkit.Semaphore) -> None:
    with mutex.lock(LONG) as held:
        held.value += 1
    done.release()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_primitives_go_to_children_by_pickling(key: str, method: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    done = shmkit.Semaphore(key + "-done")
    context = multiprocessing.get_context(method)
    children = [context.Process(target=_add, args=(mutex, done), daemon=True) for _ in range(2)]  # type: ignore[attr-defined]
    for it in children:
        it.start()
    for _ in children:
        done.acquire(LONG)
    for it in children:
        it.join(LONG)
        assert it.exitcode == 0
        it.close()
    with mutex as held:
        assert held.value == 2


def test_each_primitive_is_the_same_after_pickling(key: str) -> None:
    event = shmkit.Event(key, auto=True)
    again = pickle.loads(pickle.dumps(event))
    again.set()
    event.wait(LONG)
    assert not again.is_set
    with pytest.raises(ValueError, match="lies in a larger segment"):

        class Pair(shmkit.Struct):
            event: shmkit.Event

        with Pair.create(key + "-pair") as pair:
            pickle.dumps(pair.event)


def test_an_event_lets_all_through_or_one(key: str) -> None:
    manual = shmkit.Event(key)
    assert not manual.is_set and not manual.is_auto
    with pytest.raises(shmkit.WouldBlockError):
        manual.wait(0)
    with pytest.raises(shmkit.TimedOutError, match="not set"):
        manual.wait(SOON)
    manual.set()
    manual.wait()
    manual.wait(0)
    assert manual.reset() and not manual.reset()
    auto = shmkit.Event(key + "-auto", auto=True)
    auto.set()
    auto.wait()
    with pytest.raises(shmkit.WouldBlockError):
        auto.wait(0)


def test_a_semaphore_counts(key: str) -> None:
    permits = shmkit.Semaphore(key, 1)
    with permits:
        assert permits.available == 0
        with pytest.raises(shmkit.WouldBlockError):
            permits.acquire(0)
        with pytest.raises(shmkit.TimedOutError, match="no permit"):
            permits.acquire(SOON)
    permits.release(4)
    assert shmkit.Semaphore(key, 99).available == 5
    with pytest.raises(shmkit.OutOfResourcesError):
        permits.release(2**31 - 1)
    with pytest.raises(ValueError, match="permits are 0 to"):
        shmkit.Semaphore(key + "-none", -1)


def test_a_barrier_lets_all_through_together(key: str) -> None:
    start = shmkit.Barrier(key, 3)
    with pytest.raises(shmkit.TimedOutError, match="besides this one 0 of 3 are there"):
        start.wait(SOON)
    assert (start.parties, start.waiting) == (3, 0)
    script = "say(shmkit.Barrier(sys.argv[1], 3).wait(20.0))"
    with child(script, key) as one, child(script, key) as two:
        leaders = [start.wait(LONG), one.line() == "True", two.line() == "True"]
        one.finish()
        two.finish()
    assert sorted(leaders) == [False, False, True]


def test_a_condition_wakes_who_waits_for_it(key: str) -> None:
    letters = shmkit.Mutex[shmkit.u64](key)
    arrived = shmkit.Condition(key + "-arrived")
    with letters.lock() as held:
        assert not arrived.wait(held, SOON)
        assert not held.released
        assert not arrived.wait_for(held, lambda: held.value == 1, SOON)
    script = """
    letters = shmkit.Mutex[shmkit.u64](sys.argv[1])
    arrived = shmkit.Condition(sys.argv[1] + "-arrived")
    with letters.lock() as held:
        say("waits")
        say(arrived.wait_for(held, lambda: held.value == 2, 20.0))
        held.value = 10
    """
    with child(script, key) as other:
        other.expect("waits")
        for letter in (1, 2):
            with letters.lock() as held:
                held.value = letter
            arrived.notify_one()
        other.expect("True")
        other.finish()
    with letters as held:
        assert held.value == 10
        with pytest.raises(TypeError, match="a held Mutex"):
            arrived.wait(shmkit.RwLock(key + "-rw").read())
    with pytest.raises(ValueError, match="given back"):
        arrived.wait(held)


def test_a_wait_for_a_condition_ends_when_the_owner_dies(key: str) -> None:
    letters = shmkit.Mutex[shmkit.u64](key)
    arrived = shmkit.Condition(key + "-arrived")
    script = HOLD.replace('say("held")', 'shmkit.Condition(sys.argv[1] + "-arrived").notify_all(); say("held")')
    with letters.lock() as held, child(script, key) as other:

        def kill() -> None:
            other.expect("held")
            other.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        assert not arrived.wait_for(held, lambda: False, LONG)
        assert held.owner_died
        held.mark_recovered()
        killer.join(LONG)


def test_once_is_done_once_also_if_the_first_one_fails(key: str) -> None:
    once = shmkit.Once(key)
    with pytest.raises(ZeroDivisionError):
        once.call(lambda: 1 // 0)
    assert not once.is_done
    script = """
    def act():
        say("at it")
        park()
    shmkit.Once(sys.argv[1]).call(act)
    """
    with child(script, key) as other:
        other.expect("at it")
        with pytest.raises(shmkit.TimedOutError, match=str(other.pid)):
            once.call(lambda: None, SOON)
        at_it = once.initializer()
        assert at_it is not None and at_it.pid == other.pid
        other.kill()
    assert once.call(lambda: None, LONG)
    assert not once.call(lambda: pytest.fail("it is done"))


def test_a_cell_is_made_once(key: str) -> None:
    cell = shmkit.OnceCell[shmkit.ArrayString[8]](key)  # type: ignore[valid-type]
    assert cell.get() is None
    with pytest.raises(ValueError, match="there is room for 8"):
        cell.get_or_init(lambda: "123456789")
    assert str(cell.get_or_init(lambda: "abc")) == "abc"
    assert str(shmkit.open_typed(key).get_or_init(lambda: pytest.fail("it is made"))) == "abc"


def test_ctrl_c_ends_a_wait_and_leaves_nothing_taken(key: str) -> None:
    mutex: shmkit.Mutex[None] = shmkit.Mutex(key)
    permits = shmkit.Semaphore(key + "-permits")
    script = """
    key = sys.argv[1]
    waits = [
        lambda: shmkit.Mutex(key).lock(None),
        lambda: shmkit.Event(key + "-event").wait(),
        lambda: shmkit.Semaphore(key + "-permits").acquire(),
        lambda: shmkit.Barrier(key + "-barrier", 2).wait(None),
    ]
    for wait in waits:
        try:
            say("waits")
            wait()
        except KeyboardInterrupt:
            say("interrupted")
    """
    with mutex, child(script, key) as other:
        for _ in range(4):
            other.expect("waits")
            until_asleep(lambda: is_asleep(other.pid))
            other.interrupt()
            other.expect("interrupted")
        other.finish()
    permits.release()
    assert permits.available == 1
    with mutex.lock(0) as held:
        assert not held.owner_died


def test_a_signal_handler_runs_while_a_lock_is_waited_for(key: str) -> None:
    mutex: shmkit.Mutex[None] = shmkit.Mutex(key)
    held = mutex.lock()
    handled: list[int] = []

    def handle(number: int, _frame: object) -> None:
        handled.append(number)
        held.release()

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with mutex.lock(LONG):
            assert handled == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("way", ["", "sys.exit(3)", "raise SystemExit", "os._exit(0)", "1 / 0"])
def test_an_interpreter_that_ends_with_a_lock_held_hinders_nobody(key: str, way: str) -> None:
    mutex = shmkit.Mutex[shmkit.u64](key)
    script = f"""
    import threading
    mutex = shmkit.Mutex[shmkit.u64](sys.argv[1])
    held = mutex.lock()
    waiter = threading.Thread(target=lambda: shmkit.Event(sys.argv[1] + "-event").wait(), daemon=True)
    waiter.start()
    say("held")
    {way}
    """
    with child(script, key) as other:
        other.expect("held")
        other.process.wait(LONG)
        assert other.process.returncode >= 0, "a signal"
    with mutex.lock(LONG) as held:
        if held.owner_died:
            held.mark_recovered()


@pytest.mark.parametrize("timeout", [-1.0, float("nan"), "1"])
def test_a_time_out_that_is_none_is_refused(key: str, timeout: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        shmkit.Mutex(key).lock(timeout)


def test_a_key_of_another_primitive_is_refused(key: str) -> None:
    event = shmkit.Event(key)
    with pytest.raises(shmkit.BadHeaderError, match="`Semaphore` here and `Event` in the segment"):
        shmkit.Semaphore(key)
    assert not event.is_set
    with pytest.raises(shmkit.NotFoundError):
        shmkit.Event.open(key + "-none")


def test_the_last_one_out_leaves_nothing(key: str) -> None:
    mutex: shmkit.Mutex[None] = shmkit.Mutex(key)
    assert os.path.exists("/dev/shm/" + key)
    mutex.close()
    assert not os.path.exists("/dev/shm/" + key)
