"""Children of every kind get segments, and share them; what ends leaves nothing behind."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest

import shmkit
from children import LONG, child, in_fork
from shmkit import Sealed, SharedMemory


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def context(request: pytest.FixtureRequest) -> BaseContext:
    context: BaseContext = multiprocessing.get_context(request.param)
    return context


def _add(segments: list[SharedMemory], sealed: Sealed | None) -> None:
    for segment in segments:
        assert not segment.readonly
        segment[0] = segment[0] + 1
    if sealed is not None:
        assert bytes(sealed) == b"1234"


def run(context: BaseContext, target: Any, *args: object) -> None:
    process = context.Process(target=target, args=args, daemon=True)  # type: ignore[attr-defined]
    process.start()
    try:
        process.join(LONG)
        assert process.exitcode == 0
    finally:
        process.kill()
        process.join()


def test_children_get_segments_with_and_without_names(
    key: str, tmp_path: Any, context: BaseContext
) -> None:
    segments = [
        SharedMemory.create(key, 64),
        SharedMemory.memfd("nameless", 64),
        SharedMemory.create_file(tmp_path / "file", 64),
        SharedMemory.unnamed_file(tmp_path, 64),
    ]
    sealed = Sealed("table", b"1234")
    for _ in range(2):
        run(context, _add, segments, sealed)
    assert [segment[0] for segment in segments] == [2, 2, 2, 2]
    for segment in segments:
        segment.close()
    sealed.close()


def _receive(queue: Any, answer: Any) -> None:
    segment = queue.get(timeout=LONG)
    segment[0] = segment[0] + 1
    answer.put((segment.name, segment.readonly, queue.get(timeout=LONG)))


def test_segments_go_through_queues(context: BaseContext) -> None:
    queue, answer = context.Queue(), context.Queue()
    process = context.Process(target=_receive, args=(queue, answer), daemon=True)  # type: ignore[attr-defined]
    process.start()
    try:
        with SharedMemory.memfd("nameless", 64) as segment:
            queue.put(segment)
            queue.put("ready")
            _, readonly, word = answer.get(timeout=LONG)
            assert (readonly, word) == (False, "ready")
            assert segment[0] == 1
        process.join(LONG)
        assert process.exitcode == 0
    finally:
        process.kill()
        process.join()
        for it in (queue, answer):
            it.close()
            it.join_thread()


def test_a_pickle_of_a_named_segment_is_its_name(key: str) -> None:
    with SharedMemory.create(key, 64) as segment:
        text = pickle.dumps(segment)
        with pickle.loads(text) as other:
            other[0] = 7
        assert segment[0] == 7
        with SharedMemory.attach(key, readonly=True) as reader:
            with pickle.loads(pickle.dumps(reader)) as other:
                assert other.readonly
    with pytest.raises(shmkit.NotFoundError):
        pickle.loads(text)
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(segment)


def test_pickling_leaves_no_descriptors(context: BaseContext) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    with SharedMemory.memfd("nameless", 64) as segment:
        # What the standard library opens once and keeps.
        run(context, _add, [segment], None)
        before = count()
        for _ in range(3):
            run(context, _add, [segment], None)
        assert count() <= before + 1


def test_a_forked_child_shares_and_the_last_one_removes(key: str) -> None:
    segment = SharedMemory.create(key, 64)
    view = segment.buf

    def in_child() -> None:
        view[0] = 7
        segment[1] = 8
        with pytest.raises(BufferError):
            segment.close()

    assert in_fork(in_child) == 0
    assert segment[0:2] == b"\7\x08"
    assert os.path.exists(f"/dev/shm/{key}")
    view.release()
    del view
    assert segment.close()


def test_a_child_that_outlives_its_parent_keeps_the_segment(key: str) -> None:
    script = """
    segment = shmkit.SharedMemory.create(sys.argv[1], 64)
    if os.fork() == 0:
        say("child")
        sys.stdin.readline()
        assert segment[0] == 0
        segment.close()
        say("left")
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
    """
    with child(script, key) as parent:
        parent.expect("child")
        assert os.path.exists(f"/dev/shm/{key}")
        parent.tell("go")
        parent.expect("left")
    assert not os.path.exists(f"/dev/shm/{key}")


ENDS = {
    "returns": "",
    "exits": "sys.exit(0)",
    "in a function": "def f():\n    local = segment.buf\n    sys.exit(0)\nf()",
    "with views": "view = segment.buf; array = memoryview(segment.buffer((8, 8)))",
    "with arrays": "import numpy; array = segment.ndarray(64); numpy.mine = array",
    "with a lock": "held = segment.lock()",
    "in a cycle": "cycle = [segment, segment.buf]; cycle.append(cycle); import gc; gc.disable()",
    "in a module": "import json; json.mine = [segment, segment.buf]; del segment",
    "in sys": "sys.mine = segment; del segment",
    "in builtins": "import builtins; builtins.mine = segment.buf; del segment",
    "at exit": "import atexit; atexit.register(lambda: segment.buf[0])",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_an_interpreter_that_ends_leaves_nothing(key: str, end: str) -> None:
    script = "segment = shmkit.SharedMemory.create(sys.argv[1], 64)\n" + end
    with child(script, key) as program:
        program.finish()
    assert not os.path.exists(f"/dev/shm/{key}")


def test_a_daemon_thread_that_outlives_the_interpreter_leaves_an_orphan_at_most(key: str) -> None:
    # Python never lets go of what such a thread has: its frames stay until the process is gone.
    script = """
    import threading
    segment = shmkit.SharedMemory.create(sys.argv[1], 64)
    begun = threading.Event()
    def work():
        begun.set()
        while True:
            segment.buf[0] = 1
    threading.Thread(target=work, daemon=True).start()
    begun.wait()
    """
    with child(script, key) as program:
        program.finish()
    with SharedMemory.create(key, 64) as segment:
        assert segment.origin in ("created", "reclaimed")


def test_a_killed_program_leaves_an_orphan_that_the_next_one_reclaims(key: str) -> None:
    script = """
    segment = shmkit.SharedMemory.create(sys.argv[1], 64)
    segment[0] = 7
    say("created")
    park()
    """
    with child(script, key) as creator:
        creator.expect("created")
        creator.kill()
    with SharedMemory.create(key, 64) as segment:
        assert (segment.origin, segment[0]) == ("reclaimed", 0)


def test_import_is_light() -> None:
    script = """
    heavy = {"numpy", "PyQt6", "asyncio", "multiprocessing", "typing", "dataclasses", "inspect"}
    say(sorted(heavy & set(sys.modules)))
    """
    # With nothing that the environment imports at the start.
    with child(script) as program:
        assert program.finish() == "[]\n"


@pytest.fixture(autouse=True)
def no_children_left() -> Iterator[None]:
    yield
    assert not multiprocessing.active_children()
