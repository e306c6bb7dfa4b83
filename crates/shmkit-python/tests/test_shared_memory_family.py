"""How long a block exists: `track`, families of processes, and what is left after kills."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import shmkit
from shm_child import LIMIT, Child
from shmkit import shared_memory
from shmkit.shared_memory import SharedMemory

SHM = Path("/dev/shm")
FAMILY = "shmkit-family-"

MAKE = """
from shmkit.shared_memory import SharedMemory
block = SharedMemory(sys.argv[1], create=True, size=10, track=sys.argv[2] == "tracked")
block.buf[:4] = b"data"
"""


def exists(key: str) -> bool:
    return (SHM / key).exists()


def content(key: str) -> bytes:
    block = SharedMemory(key)
    data = bytes(block.buf[:4])
    block.close()
    return data


def test_an_untracked_block_outlives_its_creator(key: str) -> None:
    with Child(MAKE, key, "untracked", is_stranger=True) as creator:
        creator.finish()
    assert content(key) == b"data"
    SharedMemory(key).unlink()


@pytest.mark.parametrize("how", ["block.close()", "del block", "pass", "os._exit(0)"])
def test_a_tracked_block_outlives_its_creator_in_a_family(key: str, how: str) -> None:
    with Child(MAKE + how, key, "tracked") as creator:
        creator.finish()
    assert content(key) == b"data"
    SharedMemory(key).unlink()


@pytest.mark.parametrize("how", ["block.close()", "del block", "pass", "keep = block.buf[:3]"])
def test_a_tracked_block_goes_with_the_last_of_its_family(key: str, how: str) -> None:
    with Child(MAKE + how, key, "tracked", is_stranger=True) as creator:
        errors = creator.finish()
    assert not exists(key)
    assert errors == ""


def test_a_block_that_was_unlinked_stays_unlinked(key: str) -> None:
    ours = SharedMemory(key, create=True, size=1)
    end = "block.unlink(); say('unlinked'); hear()"
    ours.unlink()
    with Child(MAKE + end, key, "tracked", is_stranger=True) as creator:
        creator.expect("unlinked")
        again = SharedMemory(key, create=True, size=3, track=False)
        creator.finish()
    assert exists(key), "the name is another block's now"
    again.unlink()
    again.close()


def test_a_family_lives_as_long_as_one_of_it(key: str) -> None:
    parent = f"""
        import subprocess
        import shmkit.shared_memory
        code = '''import sys{MAKE}
block.close(); print("made", flush=True); sys.stdin.readline()'''
        child = subprocess.Popen([sys.executable, "-c", code, sys.argv[1], "tracked"],
                                 stdin=0, stdout=1)
        say("started")
        if sys.argv[2] == "parent first":
            os._exit(0)
        child.wait()
        say("child is gone")
        hear()
    """
    parent = "\n".join(line.removeprefix("        ") for line in parent.splitlines())
    with Child(parent, key, "child first", is_stranger=True) as family:
        family.expect("started")
        family.expect("made")
        family.say("end")
        family.expect("child is gone")
        assert content(key) == b"data"
        family.finish()
    assert not exists(key)


def test_who_only_attaches_takes_nothing_away(key: str) -> None:
    ours = SharedMemory(key, create=True, size=10)
    attach = """
        from shmkit.shared_memory import SharedMemory
        for track in (True, False):
            block = SharedMemory(sys.argv[1], track=track)
            block.buf[0] += 1
        say("attached")
        hear()
    """
    with Child(attach, key, is_stranger=True) as other:
        other.expect("attached")
        other.finish()
    with Child(attach, key, is_stranger=True) as other:
        other.expect("attached")
        other.kill()
    assert ours.buf[0] == 4
    assert exists(key)
    ours.close()
    ours.unlink()


def test_what_somebody_uses_at_the_end_of_the_family_goes_with_the_last_user(key: str) -> None:
    with Child(MAKE + "say('made'); hear()", key, "tracked", is_stranger=True) as creator:
        creator.expect("made")
        user = SharedMemory(key)
        creator.finish()
    assert exists(key)
    assert bytes(user.buf[:4]) == b"data"
    user.close()
    assert not exists(key)


def test_the_next_family_removes_what_a_killed_one_has_left(key: str) -> None:
    with Child(MAKE + "block.close(); say('made'); hear()", key, "tracked", is_stranger=True) as creator:
        creator.expect("made")
        creator.kill()
    assert exists(key), "the next one needs something to do"
    next_one = "from shmkit.shared_memory import SharedMemory\nSharedMemory(create=True, size=1)"
    with Child(next_one, is_stranger=True) as other:
        other.finish()
    assert not exists(key)


def test_the_reaper_leaves_to_families_what_is_theirs(key: str) -> None:
    end = "block.close(); say(os.environ['SHMKIT_FAMILY']); hear()"
    with Child(MAKE + end, key, "tracked", is_stranger=True) as creator:
        family = FAMILY + creator.hear()
        shmkit.reap(key, family)
        assert exists(key) and exists(family)
        creator.kill()
    shmkit.reap(key, family)
    assert exists(key) and exists(family), "whoever removes the ledger must know what is in it"
    next_one = "from shmkit.shared_memory import SharedMemory\nSharedMemory(create=True, size=1)"
    with Child(next_one, is_stranger=True) as other:
        other.finish()
    assert not exists(key) and not exists(family)


def test_a_killed_member_takes_nothing_along(key: str) -> None:
    with Child(MAKE + "say('made'); hear()", key, "tracked") as creator:
        creator.expect("made")
        creator.kill()
    with Child("from shmkit.shared_memory import SharedMemory\nSharedMemory(create=True, size=1)",
               is_stranger=True) as other:
        other.finish()
    assert content(key) == b"data"
    SharedMemory(key).unlink()


def make_and_leave(key: str) -> None:
    block = SharedMemory(key, create=True, size=10)
    block.buf[:4] = b"data"
    block.close()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_what_a_worker_makes_is_there_when_it_has_ended(key: str, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    worker = context.Process(target=make_and_leave, args=(key,))
    worker.start()
    worker.join(LIMIT)
    assert worker.exitcode == 0
    assert content(key) == b"data"
    SharedMemory(key).unlink()


def test_a_forked_child_is_in_the_family_when_its_parent_has_gone(key: str) -> None:
    code = MAKE + """
block.close()
if os.fork() == 0:
    ctypes.CDLL(None).prctl(1, 0)
    say("forked")
    hear()
    SharedMemory(sys.argv[1]).close()
    say("still there")
    sys.exit()
"""
    with Child(code, key, "tracked", is_stranger=True) as family:
        family.expect("forked")
        assert family.process.wait(LIMIT) == 0
        assert exists(key)
        family.say("go on")
        family.expect("still there")
        deadline = time.monotonic() + LIMIT
        while exists(key) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert not exists(key)


def test_a_daemon_that_closes_all_descriptors_writes_to_no_stranger(key: str, tmp_path: Path) -> None:
    code = """
        from shmkit.shared_memory import SharedMemory
        os.closerange(3, 1000)
        mine = [open(sys.argv[2], "w") for _ in range(20)]
        SharedMemory(sys.argv[1], create=True, size=10)
    """
    with Child(code, key, str(tmp_path / "mine"), is_stranger=True) as daemon:
        daemon.finish()
    assert (tmp_path / "mine").read_bytes() == b""
    assert not exists(key)


def test_the_ledger_does_not_grow_with_what_is_gone() -> None:
    code = """
        from shmkit.shared_memory import SharedMemory
        for _ in range(5000):
            block = SharedMemory(create=True, size=1)
            block.close()
            block.unlink()
        kept = SharedMemory(create=True, size=1)
        say(os.environ["SHMKIT_FAMILY"], kept.name)
        hear()
    """
    with Child(code, is_stranger=True) as maker:
        family, name = maker.hear().split()
        assert (SHM / f"{FAMILY}{family}").stat().st_size < 1 << 17
        maker.finish()
    assert not exists(name)
    assert not exists(f"{FAMILY}{family}")


def test_importing_leaves_nothing(tmp_path: Path) -> None:
    with Child("import shmkit.shared_memory; say(os.environ['SHMKIT_FAMILY'])", is_stranger=True) as child:
        family = child.hear()
        child.finish()
    assert not exists(f"{FAMILY}{family}")


def test_a_wrong_name_in_the_environment_does_no_harm(key: str) -> None:
    for family in ("", "../../etc/passwd", "0123456789abcdef", "x" * 1000):
        with Child(MAKE, key, "tracked", env={"SHMKIT_FAMILY": family}) as creator:
            assert creator.finish() == ""
        assert not exists(key)


def test_another_family_may_reuse_a_name(key: str) -> None:
    """A name in the ledger stands for one block, not for all that are called so later."""
    code = MAKE + "block.unlink(); block.close(); say('gone'); hear()"
    with Child(code, key, "tracked", is_stranger=True) as first:
        first.expect("gone")
        block = SharedMemory(key, create=True, size=10)
        block.close()
        first.finish()
    assert exists(key)
    block.unlink()


def test_many_threads_make_blocks_at_once() -> None:
    import threading

    names: list[str] = []

    def work() -> None:
        for _ in range(50):
            block = SharedMemory(create=True, size=16)
            names.append(block.name)
            block.close()
            block.unlink()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 400
    assert not any(exists(name) for name in names)
